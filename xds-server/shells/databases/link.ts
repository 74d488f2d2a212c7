/**
 * One observing connection to one database server, whatever its engine. It says what the server says; what a list
 * of sessions means is the ledger's business.
 */
import type { ObservedSession, ServerId } from '../../pure/ledger/events.js';
import type { Endpoint, ProxyVersion, UpstreamTlsPlan } from '../../pure/plan/plan.js';

/** How the observer logs in. `password` is asked for at each login and kept by nobody. */
export interface Login {
  readonly user: string;
  readonly password: () => string;
}

/** TLS towards a server, as the nodes speak it too. */
export interface LinkTls {
  readonly negotiation: UpstreamTlsPlan['negotiation'];
  /** PEM; absent: nothing is verified. */
  readonly ca?: Uint8Array;
  readonly serverName?: string;
}

/** The name that a server's certificate must have. */
export const nameOf = ({ host }: Endpoint, { serverName }: LinkTls): string => serverName ?? host;

/** What a server says of itself; read once a connection. */
export interface ServerFacts {
  readonly version: string;
  /** Whether its session list shows backends that are still logging in. */
  readonly listsLogins: boolean;
  /** The longest a login may take before the server gives it up. */
  readonly loginTimeoutMs: number;
  /**
   * Where its list omits them: whether the link can name them, and a connection that the server has taken in shows there
   * after no more than its own work.
   */
  readonly namesLogins: boolean;
  /** Sessions that it gives to ordinary accounts. */
  readonly capacity: number;
  /** Fingerprint (SHA-256) of the certificate that it showed, where clients may bind their login to it. */
  readonly certificate?: string;
}

export interface ServerSessions {
  /** All sessions of clients that the server has, this connection's own among them. */
  readonly sessions: readonly ObservedSession[];
  /** Who was logging in just before; undefined when that was not asked, or the server cannot say. */
  readonly loggingIn?: readonly ServerId[];
}

export interface Link {
  readonly facts: ServerFacts;
  /** The server's number for this very connection. */
  readonly ownId: ServerId;
  /**
   * Rejects when the link is of no more use.
   *
   * @param withLogins also who is logging in: dearer
   */
  list(withLogins: boolean): Promise<ServerSessions>;
  close(): void;
}

/** How a server is reached, besides its address. */
export interface Approach {
  /** The connection begins with a PROXY header of this version. */
  readonly proxyProtocol?: ProxyVersion | undefined;
  /** Absent: plaintext. */
  readonly tls?: LinkTls | undefined;
}

/** @param mostMs after which it is given up */
export type Connect = (endpoint: Endpoint, login: Login, approach: Approach, mostMs: number) => Promise<Link>;

/** Longer than a server in trouble needs for so small a question; then the link is given up. */
export const patience = { connectMs: 3_000, answerMs: 2_000 } as const;

/**
 * The error of a connect that means: nobody listens there. Anything else may be a server that is only slow or full, or
 * the brain's own network, which says nothing of the nodes'.
 */
const unreachable = new Set(['ECONNREFUSED']);

export function isUnreachable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isUnreachable);
  return unreachable.has(String((error as { code?: unknown } | undefined)?.code));
}

/** Said by a driver in its own words; these never hold a password. */
export function problemOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(problemOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
