/** What nodes say of their sessions, told to all who want to know it. A session is its node's: nobody else is believed. */
import type { ActivityReport } from '../../pure/activity/activity-book.js';
import type { Login, SessionReport } from '../../pure/cancel/session-directory.js';
import type { ConnectionId, LedgerEvent, NodeId } from '../../pure/ledger/events.js';
import type { EndedSession, SessionNews } from '../../pure/peers/messages.js';

export interface SessionReportsOptions {
  readonly apply: (event: LedgerEvent) => void;
  /** What a session says of its own work. */
  readonly worked: (service: string, report: ActivityReport) => void;
  /** Whose connection it is, as far as is known. */
  readonly nodeOf: (connection: ConnectionId) => NodeId | undefined;
  /** A node has spoken of a connection that is another's: nobody else is told. */
  readonly forged: (node: NodeId, what: 'report' | 'end') => void;
  readonly loggedIn: (login: Login) => void;
  readonly ended: (session: EndedSession) => void;
  /** A session that is open. */
  readonly reported: (session: SessionReport) => void;
  /** One that is over, or never was. */
  readonly gone: (connection: ConnectionId, node: NodeId) => void;
}

export class SessionReports {
  readonly #options: SessionReportsOptions;

  constructor(options: SessionReportsOptions) {
    this.#options = options;
  }

  loggedIn(login: Login): void {
    const { connection, node, serverId } = login;
    if (this.#isForged(connection, node, 'report')) return;
    this.#options.apply({ kind: 'login', connection, node, serverId });
    this.#options.loggedIn(login);
  }

  take({ event, known, work, ended }: SessionNews): void {
    const { connection, node, upstream } = event;
    if (this.#isForged(connection, node, event.kind)) return;
    this.#options.apply(event);
    if (event.kind === 'end') this.#options.gone(connection, node);
    else
      this.#options.reported({
        ...{ connection, node, service: event.service },
        frontId: known?.frontId,
        cancelDigest: known?.cancelDigest,
        serverId: upstream.serverId,
        server: upstream.remoteAddress,
      });
    if (!work) return;
    const { service, line, ageMs, bornMonotonicMs, client, isEnd } = work;
    this.#options.worked(service, { connection, line, ageMs, bornMonotonicMs, client, isEnd });
    if (ended) this.#options.ended({ service, ...ended });
  }

  #isForged(connection: ConnectionId, node: NodeId, what: 'report' | 'end'): boolean {
    if ((this.#options.nodeOf(connection) ?? node) === node) return false;
    this.#options.forged(node, what);
    return true;
  }
}
