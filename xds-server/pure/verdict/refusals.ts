/**
 * The one table of refusals: what a client is told, in codes that drivers know and in one sentence. Who is refused,
 * and when, is decided elsewhere (identify.ts, the ledger, authz). docs/errors.md shows the same table to people; a
 * test holds the two together.
 *
 * What a text may say: the client's own service, tenant and database, once it was let as far as its service. Somebody
 * who was not (names, allow rules) learns no more than what he said himself.
 *
 * Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
 *        https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
 */

/** Why a client was refused, as the rest of the brain passes it on. */
export interface Refusal {
  /** Row of the table in docs/errors.md, and the `reason` label of `sluice_refusals_total`. */
  readonly reason: Reason;
  /** SQLSTATE for Postgres and MySQL (five characters). */
  readonly sqlstate: string;
  /** MySQL errno. */
  readonly errno: number;
  /** One sentence: which limit, how full, how long waited. */
  readonly message: string;
  readonly hint?: string;
  /** Whether a driver may try the same again with a chance. */
  readonly retryable: boolean;
}

/** The limit that a client ran into. `used` may exceed `max`: the limit was lowered, or others connect directly. */
export interface Fullness {
  /** `guarantees`: the database has connections left, and they are kept for the guaranteed shares of others. */
  readonly limit: 'service' | 'tenant' | 'database' | 'guarantees';
  /** Of the client's own service, tenant or database. */
  readonly name: string;
  readonly used: number;
  readonly max: number;
  /** What is left is a reserve for KILL. */
  readonly kept?: boolean;
}

export interface Waited {
  readonly waitedMs: number;
  /** `timeout_ms` of the service. */
  readonly timeoutMs: number;
  /** Other clients of the same service that still wait. */
  readonly others: number;
}

type Codes = Omit<Refusal, 'reason' | 'message'>;

/** What every refusal of a reason has in common. */
const codes = {
  unknown_hostname: {
    sqlstate: '08004',
    errno: 1130,
    retryable: false,
    hint: 'Connect to the hostname of a service.',
  },
  hostname_missing: {
    sqlstate: '08004',
    errno: 1130,
    retryable: false,
    hint: 'Connect by hostname, not by address, with TLS, from a client that sends the server name (SNI).',
  },
  wrong_protocol: {
    sqlstate: '08004',
    errno: 1130,
    retryable: false,
    hint: 'Check the port.',
  },
  tls_required: {
    sqlstate: '28000',
    errno: 3159,
    retryable: false,
    hint: 'Turn TLS on in the client: sslmode=require (Postgres), --ssl-mode=REQUIRED (MySQL).',
  },
  not_allowed: {
    sqlstate: '28000',
    errno: 1045,
    retryable: false,
    hint: 'Client certificate, address, user and database must together match an "allow" rule of the service.',
  },
  service_limit: {
    sqlstate: '53300',
    errno: 1040,
    retryable: true,
    hint: 'The service does not queue: raise its max_connections or its max_queue.',
  },
  tenant_limit: {
    sqlstate: '53300',
    errno: 1040,
    retryable: true,
    hint: 'The service does not queue, and its tenant is at its limit.',
  },
  database_budget: {
    sqlstate: '53300',
    errno: 1040,
    retryable: true,
    hint: 'The service does not queue, and its database has no connection to spare.',
  },
  queue_full: {
    sqlstate: '53300',
    errno: 1040,
    retryable: true,
    hint: 'Try again later, with a growing pause.',
  },
  wait_timeout: {
    sqlstate: '53300',
    errno: 1040,
    retryable: true,
    hint: 'Try again later, with a growing pause.',
  },
  login_limit: {
    sqlstate: '53300',
    errno: 1040,
    retryable: true,
    hint: 'Check user and password, and try again later, with a growing pause.',
  },
  service_removed: { sqlstate: '57P03', errno: 1053, retryable: false },
  database_down: { sqlstate: '57P03', errno: 1053, retryable: true },
  not_ready: { sqlstate: '57P03', errno: 1053, retryable: true },
  connection_reused: { sqlstate: '08P01', errno: 1043, retryable: true },
  malformed_check: { sqlstate: '08P01', errno: 1043, retryable: false },
} as const satisfies Record<string, Codes>;

export type Reason = keyof typeof codes;

export const reasons = Object.keys(codes) as readonly Reason[];

/** Builders, one a reason, each with the facts that its text needs. */
export const refusals = {
  unknown_hostname: (facts: { readonly hostname: string }) =>
    refusal('unknown_hostname', `no service has the name "${quoted(facts.hostname)}"`),

  hostname_missing: () => refusal('hostname_missing', 'the client did not send a server name'),

  wrong_protocol: (facts: { readonly hostname: string; readonly spoken: string }) =>
    refusal('wrong_protocol', `"${quoted(facts.hostname)}" is no ${facts.spoken} service`),

  tls_required: () => refusal('tls_required', 'this listener accepts only TLS connections'),

  not_allowed: () => refusal('not_allowed', 'this client may not use this service'),

  service_limit: (full: Fullness) => refusal('service_limit', fullness(full)),
  tenant_limit: (full: Fullness) => refusal('tenant_limit', fullness(full)),
  database_budget: (full: Fullness) => refusal('database_budget', fullness(full)),

  /** @param facts.full to a newcomer; `waited` to one whose place a newcomer from another address was given */
  queue_full: (
    facts: { readonly service: string; readonly maxQueue: number } & (
      | { readonly full: Fullness }
      | { readonly waited: Waited }
    ),
  ) => {
    const taken = `all ${facts.maxQueue} places in the queue of service "${facts.service}" are taken`;
    return refusal(
      'queue_full',
      'full' in facts
        ? `${fullness(facts.full)}; ${taken}`
        : `${taken}, too many of them by clients from this address; ${waiting(facts.waited)}`,
    );
  },

  wait_timeout: (full: Fullness, waited: Waited) =>
    refusal('wait_timeout', `${fullness(full)}; ${waiting(waited)}`),

  /** @param facts.failures in a row; `atOnce` otherwise: how many may be under way */
  login_limit: (
    facts: { readonly service: string; readonly waited?: Waited } & (
      | { readonly failures: number }
      | { readonly atOnce: number }
    ),
  ) => {
    const from = `from this address at service "${facts.service}"`;
    const why =
      'failures' in facts
        ? `the last ${facts.failures} logins ${from} have failed`
        : `${facts.atOnce} logins ${from} are under way, and no more are taken at once`;
    return refusal('login_limit', `${why}${facts.waited ? `; ${waiting(facts.waited)}` : ''}`);
  },

  service_removed: (facts: { readonly service: string }) =>
    refusal('service_removed', `service "${facts.service}" has been removed`),

  database_down: (facts: { readonly database: string }) =>
    refusal('database_down', `database "${facts.database}" does not answer`),

  /** @param facts.what is not ready, as the subject of "is not ready": `the node`, `database "orders"`. */
  not_ready: (facts: { readonly what: string; readonly why: string; readonly waited?: Waited }) =>
    refusal(
      'not_ready',
      `${facts.what} is not ready: ${facts.why}${facts.waited ? `; ${waiting(facts.waited)}` : ''}`,
    ),

  connection_reused: () => refusal('connection_reused', 'this connection has been answered before'),

  malformed_check: () => refusal('malformed_check', 'the proxy sent a check that cannot be understood'),
} as const satisfies Record<Reason, (...facts: never[]) => Refusal>;

/** Facts of `not_ready` where no brain may grant: an election is under way, or etcd does not answer. */
export const noLeader = { what: 'the brain', why: 'there is no leader' } as const;

/** The refusal at once of a service that does not queue. */
export function limitRefusal(full: Fullness): Refusal {
  if (full.limit === 'service') return refusals.service_limit(full);
  return full.limit === 'tenant' ? refusals.tenant_limit(full) : refusals.database_budget(full);
}

function refusal(reason: Reason, message: string): Refusal {
  const code: Codes = codes[reason];
  const { sqlstate, errno, retryable, hint } = code;
  return hint === undefined
    ? { reason, sqlstate, errno, retryable, message }
    : { reason, sqlstate, errno, retryable, hint, message };
}

function fullness({ limit, name, used, max, kept = false }: Fullness): string {
  if (limit === 'guarantees')
    return `database "${name}" has ${used} of its ${max} connections in use and keeps the rest for guaranteed shares`;
  if (kept && used < max)
    return `${limit} "${name}" has ${used} of its ${max} connections in use and keeps the rest for KILL`;
  const amount = used === max ? `all ${max} of its` : `${used} of its ${max}`;
  return `${limit} "${name}" has ${amount} connections in use`;
}

function waiting({ waitedMs, timeoutMs, others }: Waited): string {
  return `waited ${Math.round(waitedMs)} ms (timeout_ms ${timeoutMs}), ${others} others waiting`;
}

const maxQuoted = 253;

/** What a client sent may hold anything: only what is visible ASCII goes into a text, and as much as a hostname has. */
function quoted(sent: string): string {
  return sent.slice(0, maxQuoted).replace(/[^\x21-\x7e]|["\\]/g, '?');
}
