/** From a log entry to what the leader is told. Pure. Which connections exist is not known here. */
import type { ActivityReport } from '../../pure/activity/activity-book.js';
import { kindOfLoginError } from '../../pure/activity/login-error.js';
import type { EndEvidence, LedgerEvent, NodeId, UpstreamFacts } from '../../pure/ledger/events.js';
import type { SessionNews } from '../../pure/peers/messages.js';
import type { LogEntry } from './log-entry.js';

const clusterPrefix = 'service/';
const connectionPattern = /^[0-9a-f]{32}$/;
/** Of what a node's filters write nothing is longer. What is would not fit into what brains tell each other. */
const maxTextChars = 512;

/** All of what an entry says. @returns undefined when it is of no concern to the ledger. */
export function newsOf(entry: LogEntry, node: NodeId): SessionNews | undefined {
  const event = ledgerEventOf(entry, node);
  if (!event) return undefined;
  const service = serviceOf(entry);
  const wasOpened = service !== undefined && entry.upstreamLocal !== undefined;
  return {
    event,
    known: event.kind === 'report' ? knownOf(entry) : undefined,
    work: wasOpened ? { ...workOf(entry), service } : undefined,
    ended:
      wasOpened && event.kind === 'end'
        ? { durationMs: entry.durationMs, loginError: loginErrorOf(entry), endedBy: endedByOf(entry) }
        : undefined,
  };
}

/** @returns undefined when the entry is of no concern to the ledger: never checked, refused, or another kind of entry. */
export function ledgerEventOf(
  entry: LogEntry,
  node: NodeId,
): Extract<LedgerEvent, { kind: 'report' | 'end' }> | undefined {
  const connection = entry.facts.get('connection');
  if (typeof connection !== 'string' || !connectionPattern.test(connection)) return undefined;
  // The session filter opens nothing for a refused client, and the ledger holds nothing for it; nor for one that asks
  // for a cancel.
  if (entry.verdict.get('verdict') === 'refuse' || entry.facts.has('cancel_pid')) return undefined;
  const service = serviceOf(entry);
  const upstream = upstreamOf(entry);
  if (entry.type === 'end')
    return { kind: 'end', connection, node, service, upstream, evidence: evidenceOf(entry) };
  if (entry.type === 'other' || service === undefined || entry.upstreamLocal === undefined) return undefined;
  // Its end follows: as open it is told no more.
  if (isClosedByServer(entry)) return undefined;
  return { kind: 'report', connection, node, service, upstream };
}

/** What the entry says of the session's work, for the same entries that concern the ledger. */
function workOf(entry: LogEntry): Omit<ActivityReport, 'connection'> {
  const monotonicMs = entry.facts.get('monotonic_ms');
  const ageMs = entry.facts.get('age_ms');
  const bornMonotonicMs = Number(monotonicMs) - Number(ageMs);
  return {
    line: textOf(entry.facts, 'activity'),
    ageMs: entry.durationMs,
    bornMonotonicMs: Number.isFinite(bornMonotonicMs) ? bornMonotonicMs : undefined,
    client: entry.client,
    isEnd: entry.type === 'end',
  };
}

/** Why a server turned a client away: its SQLSTATE or errno; undefined: it did not, `''`: it did not say. */
function loginErrorOf(entry: LogEntry): string | undefined {
  if (entry.facts.get('login') !== 'failed') return undefined;
  return textOf(entry.facts, 'login_error') ?? '';
}

/** The limit by which the session was ended. */
function endedByOf({ facts }: LogEntry): string | undefined {
  return textOf(facts, 'ended_by');
}

/** By what those who ask for a session to be stopped know it. */
function knownOf({ facts }: LogEntry): SessionNews['known'] {
  const frontId = facts.get('front_id');
  return {
    frontId: typeof frontId === 'number' && Number.isSafeInteger(frontId) ? frontId : undefined,
    cancelDigest: textOf(facts, 'cancel_digest'),
  };
}

/** The service whose cluster the connection was given. */
function serviceOf(entry: LogEntry): string | undefined {
  const granted = entry.verdict.get('cluster');
  const cluster = typeof granted === 'string' ? granted : entry.cluster;
  if (cluster === undefined || cluster.length > maxTextChars) return undefined;
  return cluster.startsWith(clusterPrefix) ? cluster.split('/')[1] : undefined;
}

function textOf(facts: LogEntry['facts'], name: string): string | undefined {
  const value = facts.get(name);
  return typeof value === 'string' && value.length <= maxTextChars ? value : undefined;
}

function upstreamOf(entry: LogEntry): UpstreamFacts {
  const serverId = entry.facts.get('server_id');
  const login = loginOf(entry);
  return {
    ...(entry.upstreamLocal !== undefined && { localAddress: entry.upstreamLocal }),
    ...(entry.upstreamRemote !== undefined && { remoteAddress: entry.upstreamRemote }),
    ...(typeof serverId === 'number' && Number.isSafeInteger(serverId) && { serverId }),
    ...(login && { login }),
  };
}

function loginOf(entry: LogEntry): UpstreamFacts['login'] {
  if (entry.facts.get('login') === 'ok') return 'accepted';
  const error = loginErrorOf(entry);
  if (error === undefined) return undefined;
  const kind = kindOfLoginError(error);
  return kind === 'capacity' || kind === 'unavailable' ? 'unavailable' : 'failed';
}

/**
 * Postgres closes a session's socket by ending its process, which has given its slot back by then. A MySQL server
 * closes it first and counts it a little longer: long enough, on a busy machine, to turn the next client away.
 *
 * A client may leave while its server is dialled. A MySQL server counts a connection from its accept on; Postgres from
 * the startup message on, which goes only over a connection whose addresses are known. A server that was dialled and
 * not reached may have accepted all the same, unless its machine said that nobody listens.
 */
function evidenceOf(entry: LogEntry): EndEvidence {
  const isPostgres = entry.facts.get('protocol') === 'postgres';
  if (isPostgres && isClosedByServer(entry)) return 'server-closed';
  if (entry.upstreamLocal !== undefined) return 'proxy-closed';
  if (wasRefused(entry)) return 'never-opened';
  const isNameless = entry.upstreamRemote === undefined;
  return isNameless && (entry.attempts === 0 || isPostgres) ? 'never-opened' : 'proxy-closed';
}

/** The server's FIN has been read. */
function isClosedByServer({ facts }: LogEntry): boolean {
  const closed = facts.get('server_closed');
  return closed === true || closed === 1;
}

/** The only attempt was answered by RST (ECONNREFUSED); of several only the last one is known. */
function wasRefused({ failure, attempts }: LogEntry): boolean {
  return attempts === 1 && failure !== undefined && /connect error: Connection refused$/.test(failure);
}
