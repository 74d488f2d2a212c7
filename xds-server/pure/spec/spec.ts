import { z } from 'zod';
import {
  cidr,
  environmentName,
  file,
  flag,
  host,
  hostname,
  listenAddress,
  objectName,
  oneOf,
  principal,
  reference,
  shortText,
  version,
  whole,
} from './fields.js';

/**
 * The spec as its author writes it, with defaults filled in: which fields there are and what each may hold. What they
 * mean together (names that must exist, budgets that must suffice) is decided in coherence.ts.
 */

/** The most of each kind of object that one spec may have. */
export const maxObjects = { listeners: 64, databases: 1000, tenants: 5000, services: 5000 } as const;

/** Longer than any server allows, short enough that sums stay exact everywhere. */
const maxConnections = 100_000;
const connections = whole(1, maxConnections);

const certificate = z.strictObject({
  chain: file.describe('PEM file: the certificate, then those that lead to its CA'),
  key: file.describe('PEM file: its private key'),
});

export const listenerSchema = z.strictObject({
  protocol: oneOf(['postgres', 'mysql']).describe('What is spoken here'),
  address: listenAddress.describe('Where Envoy listens'),
  tls: z
    .strictObject({
      certificate: certificate.describe('Shown to clients whose server name has no certificate of its own'),
      client_ca: file.exactOptional().describe('PEM file: CA that client certificates must verify against'),
    })
    .describe('TLS towards clients'),
  default_service: reference.exactOptional().describe('Service of clients that send no server name'),
  proxy_protocol: z
    .strictObject({
      from: z
        .array(cidr, { error: 'a list of networks' })
        .min(1, { error: 'one network or more' })
        .max(64, { error: 'at most 64 networks' })
        .describe('Where the load balancers connect from; nobody else may'),
    })
    .exactOptional()
    .describe('Every connection begins with a PROXY header (v1 or v2), which names the client'),
  allow_plaintext: flag.default(false).describe('Whether clients without TLS may reach the default service'),
});

export const endpointSchema = z.strictObject({
  host: host.describe('IP address, or DNS name that Envoy resolves again and again'),
  port: whole(1, 65_535),
  role: oneOf(['primary', 'replica']).default('primary'),
});

export const databaseSchema = z.strictObject({
  engine: oneOf(['postgres', 'mysql', 'mariadb']),
  version: version.exactOptional().describe('Series of a MySQL or MariaDB server, in quotation marks'),
  endpoints: z
    .array(endpointSchema, { error: 'a list of endpoints' })
    .min(1, { error: 'one endpoint or more' })
    .max(32, { error: 'at most 32 endpoints' })
    .describe('Its servers: one primary, any number of replicas'),
  proxy_protocol: oneOf(['v1', 'v2'])
    .exactOptional()
    .describe('Every connection to it begins with a PROXY header of this version'),
  capacity: whole(3, maxConnections).describe('Connections that one server allows to ordinary users'),
  reserve: whole(2, maxConnections).describe('Of these, kept for people, maintenance and the observer'),
  tls: z
    .strictObject({
      mode: oneOf(['disable', 'require', 'verify-full']).describe(
        'Plaintext; TLS with any certificate; TLS with a certificate of the CA for the server’s name',
      ),
      ca: file.exactOptional().describe('PEM file: CA that the servers’ certificates must verify against'),
      negotiation: oneOf(['request', 'direct'])
        .exactOptional()
        .describe('Asked for in the protocol, or TLS from the first byte (Postgres 17 and newer)'),
      server_name: hostname
        .exactOptional()
        .describe('Name that the servers’ certificates have, where it is not the endpoints’ host'),
    })
    .exactOptional()
    .describe('TLS towards its servers; left out: plaintext'),
  observer: z
    .strictObject({
      user: shortText,
      password: z.union([z.strictObject({ file }), z.strictObject({ env: environmentName })], {
        error: '{file: PATH} or {env: NAME}',
      }),
    })
    .describe('The account with which Sluice watches the database'),
});

export const tenantSchema = z.strictObject({
  max_connections: connections.exactOptional().describe('Limit over all its services'),
});

export const allowSchema = z
  .strictObject({
    principal: principal.exactOptional().describe('URI or DNS name in the client certificate'),
    cidr: cidr.exactOptional().describe('Network of the client address'),
    user: shortText.exactOptional().describe('Database user'),
    db: shortText.exactOptional().describe('Database name inside the server'),
  })
  .refine((entry) => Object.keys(entry).length > 0, { error: 'one or more of principal, cidr, user, db' });

/** From a tenth of a second to a week. */
const limit = whole(100, 604_800_000);

export const idleSchema = z
  .strictObject({
    session_ms: limit.exactOptional().describe('Longest that a session may be idle outside a transaction'),
    transaction_ms: limit.exactOptional().describe('Longest that it may be idle within one, which is cut'),
    age_ms: limit.exactOptional().describe('Age from which on it ends when it is idle outside a transaction'),
    surplus_ms: limit
      .exactOptional()
      .describe(
        'Longest that it may be idle outside a transaction while there are more than the limits allow',
      ),
  })
  .refine((limits) => Object.keys(limits).length > 0, {
    error: 'one or more of session_ms, transaction_ms, age_ms, surplus_ms',
  });

export const serviceSchema = z.strictObject({
  hostname: hostname.describe(
    'The server name by which clients ask for it; *.NAME stands for every name with one label before NAME',
  ),
  tenant: reference,
  database: reference,
  db_role: oneOf(['primary', 'replica']).default('primary'),
  max_connections: connections.describe('Server connections, hard limit'),
  guaranteed: whole(0, maxConnections)
    .default(0)
    .describe('Of these, there whenever it asks, whatever others want'),
  kill_reserve: whole(0, maxConnections)
    .default(0)
    .describe('Of max_connections, kept for KILL when the service is full (MySQL)'),
  max_queue: whole(0, 100_000).default(100).describe('Clients that may wait at once'),
  timeout_ms: whole(1, 600_000).default(5000).describe('From the client’s arrival to an answer'),
  priority: whole(-1000, 1000).default(0).describe('Higher first'),
  idle: idleSchema.exactOptional().describe('Limits of its sessions, from their beginning to their end'),
  allow: z
    .array(allowSchema, { error: 'a list of entries' })
    .min(1, { error: 'one entry or more' })
    .max(64, { error: 'at most 64 entries' })
    .describe('Who may connect: any entry, all conditions within it'),
  certificate: certificate.exactOptional().describe('Shown for its hostname instead of the listener’s'),
});

export const specSchema = z.strictObject({
  listeners: z.record(objectName, listenerSchema),
  databases: z.record(objectName, databaseSchema),
  tenants: z.record(objectName, tenantSchema).default({}),
  services: z.record(objectName, serviceSchema).default({}),
});

export type Spec = z.output<typeof specSchema>;
export type ListenerSpec = Spec['listeners'][string];
export type DatabaseSpec = Spec['databases'][string];
export type EndpointSpec = DatabaseSpec['endpoints'][number];
export type TenantSpec = Spec['tenants'][string];
export type ServiceSpec = Spec['services'][string];
export type AllowSpec = ServiceSpec['allow'][number];
