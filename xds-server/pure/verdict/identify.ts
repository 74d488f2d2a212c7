/**
 * Which service does a client mean, and may it? From what the node vouches for alone: the listener, the server name
 * of the TLS handshake, names in a verified certificate, the source address; user and database as the client claims
 * them (the database checks the user's password itself). Whether there is a connection to give is the ledger's
 * business.
 *
 *   listener ─▶ plaintext? ─▶ default service ────────────┐
 *      └─▶ TLS ─▶ server name sent? ─ no ─▶ default ──────┤
 *                   └─ yes ─▶ service of that name ───────┴─▶ right protocol? ─▶ an allow rule matches? ─▶ service
 *
 * A server name that nobody has is a no, also where the listener has a default service: whoever sends a name means
 * it. (Drivers send names only, never addresses: RFC 6066 section 3.)
 */
import { serviceOf } from '../plan/hostnames.js';
import type { AllowRule, ListenerPlan, Plan, ServicePlan } from '../plan/plan.js';
import { isWithin } from './network.js';
import { type Refusal, refusals } from './refusals.js';

export interface ClientFacts {
  /** Name of the listener that it came in by. */
  readonly listener: string;
  /** Whether it speaks TLS. */
  readonly tls: boolean;
  /** Server name (SNI) as sent; absent or empty when none was. */
  readonly serverName?: string | undefined;
  /**
   * URI SANs and DNS SANs of its verified certificate. A certificate's subject is no name to go by: what looks like
   * one (`CN=…`) matches nothing here.
   */
  readonly principals: readonly string[];
  /** Source IP address without the port. */
  readonly address: string;
  readonly user?: string | undefined;
  /** As sent; a Postgres client that sends none means the one named like its user. */
  readonly database?: string | undefined;
}

export type Identified = { readonly service: ServicePlan } | { readonly refusal: Refusal };

export function identify(client: ClientFacts, plan: Plan): Identified {
  const listener = plan.listeners.get(client.listener);
  if (!listener)
    return { refusal: refusals.not_ready({ what: 'this listener', why: 'it is not in the plan' }) };
  const named = serviceNamed(client, listener, plan);
  if ('refusal' in named) return named;
  return named.service.allow.some((rule) => matches(rule, client, listener))
    ? named
    : { refusal: refusals.not_allowed() };
}

function serviceNamed(client: ClientFacts, listener: ListenerPlan, plan: Plan): Identified {
  if (!client.tls && !listener.allowPlaintext) return { refusal: refusals.tls_required() };
  const sent = client.tls ? (client.serverName ?? '') : '';
  const name = sent === '' ? listener.defaultService : serviceOf(plan.hostnames, sent);
  const service = name === undefined ? undefined : plan.services.get(name);
  if (!service)
    return {
      refusal: sent === '' ? refusals.hostname_missing() : refusals.unknown_hostname({ hostname: sent }),
    };
  if (service.protocol !== listener.protocol)
    return {
      refusal: refusals.wrong_protocol({
        hostname: sent || service.hostname,
        spoken: spoken[listener.protocol],
      }),
    };
  return { service };
}

const spoken = { postgres: 'Postgres', mysql: 'MySQL' } as const;

/** Every condition of a rule must hold. A rule without conditions is none. */
function matches(rule: AllowRule, client: ClientFacts, listener: ListenerPlan): boolean {
  const { principal, cidr, user, db } = rule;
  if (principal === undefined && cidr === undefined && user === undefined && db === undefined) return false;
  if (principal !== undefined && !client.principals.some((name) => isPrincipal(name, principal)))
    return false;
  if (cidr !== undefined && !isWithin(client.address, cidr)) return false;
  if (user !== undefined && client.user !== user) return false;
  return db === undefined || databaseOf(client, listener) === db;
}

/** https://www.postgresql.org/docs/current/protocol-message-formats.html (StartupMessage): database defaults to user. */
function databaseOf({ database, user }: ClientFacts, listener: ListenerPlan): string | undefined {
  if (database !== undefined && database !== '') return database;
  return listener.protocol === 'postgres' ? user : undefined;
}

const uri = /^[a-z][a-z0-9+.-]*:/i;
const dnsName = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i;

/** URIs are compared as they stand (SPIFFE ID section 2), DNS names without regard to case. */
function isPrincipal(name: string, wanted: string): boolean {
  if (uri.test(name)) return name === wanted;
  return dnsName.test(name) && name.toLowerCase() === wanted.toLowerCase();
}
