/**
 * A verdict as the session filter reads it: flat fields of the metadata in an OK CheckResponse. Which verdict it is
 * was decided before.
 */
import type { SessionLimits } from '../plan/plan.js';
import type { Refusal } from './refusals.js';

export interface Grant {
  /** As the node minted it. */
  readonly connection: string;
  /** Envoy cluster to connect to. */
  readonly cluster: string;
  /** On the node's monotonic clock; from then on the node refuses to act on it. */
  readonly expiresMonotonicMs: number;
  /** `request`: the session filter asks the server for TLS; absent: there is none, or Envoy starts it by itself. */
  readonly upstreamTls?: 'request' | undefined;
}

/** How long a session for KILL alone may last. */
const killSessionMs = 10_000;

/** Strings and numbers by field name: the fields of a google.protobuf.Struct. */
export type VerdictMetadata = Readonly<Record<string, string | number>>;

/** @param limits what the session is held to for as long as it lives */
export function grantMetadata(grant: Grant, limits?: SessionLimits): VerdictMetadata {
  const { connection, cluster, expiresMonotonicMs, upstreamTls } = grant;
  const metadata: Record<string, string | number> = {
    verdict: 'grant',
    connection,
    cluster,
    expires_monotonic_ms: expiresMonotonicMs,
  };
  // One after the other: this is written for each connection, and an object spread for each of them costs more than all.
  if (upstreamTls !== undefined) metadata.upstream_tls = upstreamTls;
  if (limits?.idleSessionMs !== undefined) metadata.idle_session_ms = limits.idleSessionMs;
  if (limits?.idleTransactionMs !== undefined) metadata.idle_transaction_ms = limits.idleTransactionMs;
  if (limits?.maxAgeMs !== undefined) metadata.max_age_ms = limits.maxAgeMs;
  if (limits?.surplusMs !== undefined) metadata.surplus_ms = limits.surplusMs;
  return metadata;
}

/**
 * Leave for KILL alone. A verdict of its own: a node that does not know it refuses it.
 *
 * @param instead what the client is told when it asks for anything else
 */
export function killMetadata(grant: Grant, instead: Refusal): VerdictMetadata {
  const life = { life_ms: killSessionMs };
  return { ...grantMetadata(grant), ...refusalFields(instead), ...life, verdict: 'kill' };
}

export function refusalMetadata(connection: string, refusal: Refusal): VerdictMetadata {
  return { verdict: 'refuse', connection, ...refusalFields(refusal) };
}

function refusalFields({ sqlstate, errno, message, hint }: Refusal): VerdictMetadata {
  return { sqlstate, errno, message, ...(hint !== undefined && { hint }) };
}

/** A cancel was carried out or not: the connection closes without a word either way. */
export const cancelMetadata = (connection: string): VerdictMetadata => ({ verdict: 'cancel', connection });
