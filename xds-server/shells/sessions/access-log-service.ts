/**
 * envoy.service.accesslog.v3.AccessLogService: nodes report connections that opened, live and ended. Nothing is kept
 * here: an entry is read, told to the ledger and to whoever counts, and forgotten. A stream that breaks is no news
 * of its connections; the ledger notices silence by itself.
 */
import { type handleClientStreamingCall, type Server, type ServiceDefinition, status } from '@grpc/grpc-js';
import type { SessionReport } from '../../pure/cancel/session-directory.js';
import type { ConnectionId, LedgerEvent } from '../../pure/ledger/events.js';
import { type LogEntry, readLogEntries } from './log-entry.js';
import { ledgerEventOf, serviceOf, sessionOf } from './report.js';

/** A connection that is over, for those who count. */
export interface EndedSession {
  readonly service: string;
  readonly durationMs: number;
}

export interface AccessLogOptions {
  readonly apply: (event: LedgerEvent) => void;
  readonly ended: (session: EndedSession) => void;
  /** A session that is open. */
  readonly reported: (session: SessionReport) => void;
  /** One that is over, or never was. */
  readonly gone: (connection: ConnectionId) => void;
}

const path = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
const nothing = Buffer.alloc(0);

const definition: ServiceDefinition = {
  StreamAccessLogs: {
    path,
    requestStream: true,
    responseStream: false,
    requestSerialize: () => nothing,
    requestDeserialize: readLogEntries,
    responseSerialize: () => nothing,
    responseDeserialize: () => ({}),
  },
};

export class AccessLogService {
  readonly #options: AccessLogOptions;

  constructor(options: AccessLogOptions) {
    this.#options = options;
  }

  addTo(server: Server): void {
    const stream: handleClientStreamingCall<LogEntry[], unknown> = (call, answer) => {
      const node = call.metadata.get('x-sluice-node')[0];
      if (typeof node !== 'string' || node === '') {
        answer({ code: status.UNAUTHENTICATED, details: 'expected the header x-sluice-node' });
        return;
      }
      call.on('data', (entries: LogEntry[]) => {
        for (const entry of entries) this.#take(entry, node);
      });
      call.on('end', () => answer(null, {}));
      // The node has gone or sent what is no message: grpc-js has closed the call, the node opens another.
      call.on('error', () => undefined);
    };
    server.addService(definition, { StreamAccessLogs: stream });
  }

  #take(entry: LogEntry, node: string): void {
    const event = ledgerEventOf(entry, node);
    if (!event) return;
    this.#options.apply(event);
    if (event.kind === 'report') {
      this.#options.reported(sessionOf(entry, event));
      return;
    }
    this.#options.gone(event.connection);
    const service = serviceOf(entry);
    if (service === undefined || entry.upstreamLocal === undefined) return;
    this.#options.ended({ service, durationMs: entry.durationMs });
  }
}
