/**
 * envoy.service.accesslog.v3.AccessLogService: nodes report connections that opened, live and ended. Nothing is kept
 * here: an entry is read, told to the ledger and to whoever counts, and forgotten. A stream that breaks is no news
 * of its connections; the ledger notices silence by itself.
 */
import type { ActivityReport } from '../../pure/activity/activity-book.js';
import type { SessionReport } from '../../pure/cancel/session-directory.js';
import type { ConnectionId, LedgerEvent, NodeId } from '../../pure/ledger/events.js';
import type { Method } from '../../pure/rpc/rpc.js';
import { type LogEntry, readLogEntries } from './log-entry.js';
import { activityOf, endedByOf, ledgerEventOf, loginErrorOf, serviceOf, sessionOf } from './report.js';

/** A connection that is over, for those who count. */
export interface EndedSession {
  readonly service: string;
  readonly durationMs: number;
  /** SQLSTATE or errno by which the server turned the client away; `''` without one; undefined: it did not. */
  readonly loginError: string | undefined;
  /** The limit of its own that ended it. */
  readonly endedBy: string | undefined;
}

export interface AccessLogOptions {
  /** Of what a node may have kept while it could not send. */
  readonly maxMessageBytes: number;
  readonly apply: (event: LedgerEvent) => void;
  /** What a session says of its own work. */
  readonly worked: (service: string, report: ActivityReport) => void;
  /** Whose connection it is, as far as is known. */
  readonly nodeOf: (connection: ConnectionId) => NodeId | undefined;
  /** A node has spoken of a connection that is another's: nobody else is told. */
  readonly forged: (node: NodeId, what: 'report' | 'end') => void;
  readonly ended: (session: EndedSession) => void;
  /** A session that is open. */
  readonly reported: (session: SessionReport) => void;
  /** One that is over, or never was. */
  readonly gone: (connection: ConnectionId, node: NodeId) => void;
}

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
      accept: (call) => ({
        message: (entries) => {
          for (const entry of entries) this.#take(entry, call.caller.node);
        },
        finished: () => call.reply(nothing),
        // The node has gone, or its channel has; it opens another.
        cancelled: () => undefined,
      }),
    };
  }

  #take(entry: LogEntry, node: string): void {
    const event = ledgerEventOf(entry, node);
    if (!event) return;
    if ((this.#options.nodeOf(event.connection) ?? node) !== node) {
      this.#options.forged(node, event.kind);
      return;
    }
    this.#options.apply(event);
    if (event.kind === 'report') this.#options.reported(sessionOf(entry, event));
    else this.#options.gone(event.connection, node);
    const service = serviceOf(entry);
    if (service === undefined || entry.upstreamLocal === undefined) return;
    this.#options.worked(service, activityOf(entry, event.connection));
    if (event.kind !== 'end') return;
    const { durationMs } = entry;
    this.#options.ended({ service, durationMs, loginError: loginErrorOf(entry), endedBy: endedByOf(entry) });
  }
}
