/**
 * envoy.service.accesslog.v3.AccessLogService: nodes report connections that opened, live and ended. Nothing is kept
 * here: an entry is read, told to the leader, and forgotten. A stream that breaks may take ends along that nobody hears of.
 */
import type { NodeId } from '../../pure/ledger/events.js';
import type { SessionNews } from '../../pure/peers/messages.js';
import type { Method } from '../../pure/rpc/rpc.js';
import { entriesField, type LogEntry, readLogEntries, readTcpEntries } from './log-entry.js';
import { newsOf } from './report.js';

export interface AccessLogOptions {
  /** Of what a node may have kept while it could not send. */
  readonly maxMessageBytes: number;
  readonly tell: (session: SessionNews) => void;
  /** A stream of the node's has broken; it opens another when it can. */
  readonly cutOff: (node: NodeId) => void;
}

/**
 * Of an entry of Envoy's: some two KiB, and in it what a client has in his certificate and his first message, some 100 KiB
 * each at most. Decoding it takes some milliseconds.
 */
const maxEntryBytes = 512 << 10;

/** StreamAccessLogsResponse. */
const nothing = new Uint8Array();

export class AccessLogService {
  readonly #options: AccessLogOptions;

  constructor(options: AccessLogOptions) {
    this.#options = options;
  }

  get method(): Method<readonly LogEntry[]> {
    return {
      path: '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs',
      maxMessageBytes: this.#options.maxMessageBytes,
      decode: readLogEntries,
      records: { field: entriesField, maxRecordBytes: maxEntryBytes, decode: readTcpEntries },
      accept: (call) => ({
        message: (entries) => {
          for (const entry of entries) {
            const session = newsOf(entry, call.caller.node);
            if (session) this.#options.tell(session);
          }
        },
        finished: () => call.reply(nothing),
        cancelled: () => this.#options.cutOff(call.caller.node),
      }),
    };
  }
}
