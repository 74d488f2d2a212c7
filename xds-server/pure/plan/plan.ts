/**
 * The plan: a spec whose budgets are resolved into limits. Everything behind the spec (snapshot, verdict,
 * ledger) reads this and never the spec, so that a default or a derivation stands in one place.
 */

import type { Hostnames } from './hostnames.js';

/** A wire protocol that a listener speaks. */
export type Protocol = 'postgres' | 'mysql';

/** What a database server is. `mysql` and `mariadb` both speak the protocol `mysql`. */
export type Engine = 'postgres' | 'mysql' | 'mariadb';

/** Of the PROXY protocol. */
export type ProxyVersion = 'v1' | 'v2';

export type DbRole = 'primary' | 'replica';

/**
 * A database in one role, written `orders/primary`: what a budget is held for, because a primary and its
 * replicas are servers of their own, each with its own max_connections.
 */
export type TargetName = string;

export interface Endpoint {
  /** An IP address, or a DNS name that Envoy resolves again and again. */
  readonly host: string;
  readonly port: number;
}

/** TLS towards servers. */
export interface UpstreamTlsPlan {
  /** Asked for in the server's protocol, or from the first byte (Postgres 17 and newer). */
  readonly negotiation: 'request' | 'direct';
  /** CA and names that certificates are verified with; absent: nothing is verified. */
  readonly ca?: string;
  /** The name of every server of the target; absent: each endpoint's own host. */
  readonly serverName?: string;
}

export interface TargetPlan {
  readonly name: TargetName;
  readonly database: string;
  readonly role: DbRole;
  readonly engine: Engine;
  /** Major version that clients of a MySQL listener are greeted with, e.g. `10.11`; absent for Postgres. */
  readonly version?: string;
  readonly endpoints: readonly Endpoint[];
  /** Absent: plaintext. */
  readonly tls?: UpstreamTlsPlan;
  /**
   * Every connection to it begins with this header: a proxy stands before the server, or the server itself reads it. Then
   * neither an address that the server shows nor a FIN says anything of the node's own connection.
   */
  readonly proxyProtocol?: ProxyVersion;
  /**
   * Server connections that Sluice may hold open to this target: capacity − reserve. With several replicas all
   * of them together stay within one server's budget: any of them may be given any connection.
   */
  readonly budget: number;
  /** capacity − budget: kept for people, maintenance and the observer. */
  readonly reserve: number;
}

/** Where the observer of a database logs in; the password is read by the store, never written to a plan. */
export interface ObserverPlan {
  readonly database: string;
  readonly user: string;
}

export interface AllowRule {
  readonly principal?: string;
  readonly cidr?: string;
  readonly user?: string;
  readonly db?: string;
}

/** How long a session may do nothing, or live; absent: for ever. */
export interface SessionLimits {
  readonly idleSessionMs?: number;
  readonly idleTransactionMs?: number;
  readonly maxAgeMs?: number;
  /** How long it may do nothing while there are more sessions than the limits allow. */
  readonly surplusMs?: number;
}

export interface ServicePlan {
  readonly name: string;
  /** In lower case; `*.` stands for any one label. */
  readonly hostname: string;
  readonly tenant: string;
  readonly target: TargetName;
  readonly protocol: Protocol;
  /** Name of the Envoy cluster, which says where it leads (cluster-name.ts). */
  readonly cluster: string;
  /** Server connections, hard. */
  readonly maxConnections: number;
  /** Of which this many are there whenever it asks, whatever others want. */
  readonly guaranteed: number;
  /** Of `maxConnections`, only for clients that are refused for fullness, and only to KILL; 0 but for MySQL. */
  readonly killReserve: number;
  /** Clients that may wait at once. */
  readonly maxQueue: number;
  /** From the connection's birth to an answer. */
  readonly timeoutMs: number;
  /** Higher first. */
  readonly priority: number;
  /** Of sessions that begin from now on. */
  readonly limits: SessionLimits;
  /** Any rule admits; within a rule every condition must hold. Never empty. */
  readonly allow: readonly AllowRule[];
  /** Shown to clients that ask for `hostname`; absent: the listener's. */
  readonly certificate?: CertificateFiles;
}

export interface TenantPlan {
  readonly name: string;
  /** Over all its services; absent when the tenant has no limit of its own. */
  readonly maxConnections?: number;
}

export interface CertificateFiles {
  readonly chain: string;
  readonly key: string;
}

export interface ListenerPlan {
  readonly name: string;
  readonly protocol: Protocol;
  readonly address: { readonly host: string; readonly port: number };
  readonly certificate: CertificateFiles;
  /** CA that client certificates must verify against; without it none is asked for. */
  readonly clientCa?: string;
  /** The service of clients that send no server name. */
  readonly defaultService?: string;
  /** Every connection begins with a PROXY header, and comes from one of these networks. */
  readonly proxyProtocol?: { readonly from: readonly string[] };
  /** Whether a client that does not speak TLS is let through to `defaultService`. */
  readonly allowPlaintext: boolean;
}

export interface Plan {
  readonly listeners: ReadonlyMap<string, ListenerPlan>;
  readonly targets: ReadonlyMap<TargetName, TargetPlan>;
  readonly observers: ReadonlyMap<string, ObserverPlan>;
  readonly tenants: ReadonlyMap<string, TenantPlan>;
  readonly services: ReadonlyMap<string, ServicePlan>;
  readonly hostnames: Hostnames;
}
