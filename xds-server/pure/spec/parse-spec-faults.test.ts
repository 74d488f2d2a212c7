import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wordsOf } from './problems-of.js';
import { changed, leftOut } from './sound-spec.js';

const service = 'services.checkout';
const database = 'databases.orders';
/** One fault each; the sound spec has none, so each text is all that is said. */
const faults: readonly [why: string, path: string, value: unknown, problem: string | readonly string[]][] = [
  [
    'a misspelt field',
    `${service}.databse`,
    'orders',
    `${service}.databse: expected one of hostname, tenant, database, db_role, max_connections, guaranteed, kill_reserve, max_queue, ` +
      'timeout_ms, priority, idle, allow, certificate, found "databse"; did you mean "database"?',
  ],
  ['a missing field', `${service}.tenant`, leftOut, `${service}.tenant: expected a name, found nothing`],
  [
    'a wait that is too long',
    `${service}.timeout_ms`,
    600_001,
    `${service}.timeout_ms: expected a whole number from 1 to 600000, found 600001`,
  ],
  [
    'a fraction',
    `${service}.max_queue`,
    1.5,
    `${service}.max_queue: expected a whole number from 0 to 100000, found 1.5`,
  ],
  [
    'a number in quotes',
    `${service}.priority`,
    '5',
    `${service}.priority: expected a whole number from -1000 to 1000, found "5"`,
  ],
  [
    'an unknown tenant',
    `${service}.tenant`,
    'shpo',
    `${service}.tenant: expected a tenant: one of shop, analytics, found "shpo"; did you mean "shop"?`,
  ],
  [
    'an unknown database',
    `${service}.database`,
    'order',
    `${service}.database: expected a database: one of orders, warehouse, found "order"; did you mean "orders"?`,
  ],
  [
    'an unknown database that is like none',
    `${service}.database`,
    'payroll',
    `${service}.database: expected a database: one of orders, warehouse, found "payroll"`,
  ],
  [
    'an unknown default service',
    'listeners.mysql.default_service',
    'report',
    'listeners.mysql.default_service: expected a service: one of checkout, search, reports, found "report"; did you mean "reports"?',
  ],
  [
    'a default service of another protocol',
    'listeners.mysql.default_service',
    'checkout',
    'listeners.mysql.default_service: expected a service of protocol mysql, found "checkout", whose database orders is postgres',
  ],
  [
    'plaintext without a default service',
    'listeners.pg.allow_plaintext',
    true,
    'listeners.pg.allow_plaintext: expected a default_service beside it, found none; clients without TLS send no server name',
  ],
  [
    'two listeners on one port',
    'listeners.mysql.address',
    '127.0.0.1:5432',
    'listeners.mysql.address: expected an address of its own, found that of listener pg',
  ],
  [
    'a listener by name',
    'listeners.pg.address',
    'localhost:5432',
    'listeners.pg.address: expected an IP address and a port such as 0.0.0.0:5432 or "[::]:5432", found "localhost:5432"; did you mean "127.0.0.1:5432"?',
  ],
  [
    'a host name with an underscore',
    `${service}.hostname`,
    'check_out.example.com',
    `${service}.hostname: expected a host name such as checkout.orders.db.example.com or *.orders.db.example.com, found "check_out.example.com"`,
  ],
  [
    'an address as host name',
    `${service}.hostname`,
    '10.0.0.1',
    `${service}.hostname: expected a host name such as checkout.orders.db.example.com or *.orders.db.example.com, found "10.0.0.1"; clients send no server name for an IP address`,
  ],
  [
    'an address in hexadecimal as host name',
    `${service}.hostname`,
    '127.0x1',
    `${service}.hostname: expected a host name such as checkout.orders.db.example.com or *.orders.db.example.com, found "127.0x1"`,
  ],
  [
    'a wildcard within a label',
    `${service}.hostname`,
    'check*.orders.db.example.com',
    `${service}.hostname: expected a host name such as checkout.orders.db.example.com or *.orders.db.example.com, found "check*.orders.db.example.com"; a wildcard is the whole first label, with two labels behind it at least: *.db.example.com`,
  ],
  [
    'a host name twice, in another case',
    'services.reports.hostname',
    'CHECKOUT.orders.db.example.com',
    'services.reports.hostname: expected a host name of its own, whatever the case, found that of service checkout',
  ],
  [
    'a network with bits behind its prefix',
    `${service}.allow.1.cidr`,
    '10.1.2.3/16',
    `${service}.allow[1].cidr: expected a network such as 10.1.0.0/16 or 2001:db8::/32, found "10.1.2.3/16"; did you mean "10.1.0.0/16"?`,
  ],
  [
    'an address as network',
    `${service}.allow.1.cidr`,
    '2001:db8::1',
    `${service}.allow[1].cidr: expected a network such as 10.1.0.0/16 or 2001:db8::/32, found "2001:db8::1"; did you mean "2001:db8::1/128"?`,
  ],
  [
    'a subject as principal',
    `${service}.allow.0.principal`,
    'CN=checkout',
    `${service}.allow[0].principal: expected a URI such as spiffe://shop/checkout or a DNS name, as in the client certificate, ` +
      'found "CN=checkout"; subjects are not read, only alternative names (SAN)',
  ],
  [
    'an entry that would let in everybody',
    `${service}.allow.0`,
    {},
    `${service}.allow[0]: expected one or more of principal, cidr, user, db, found an empty mapping`,
  ],
  [
    'nobody allowed',
    `${service}.allow`,
    [],
    `${service}.allow: expected one entry or more, found an empty list`,
  ],
  [
    'a principal that no listener can prove',
    'services.reports.allow.0',
    { principal: 'spiffe://analytics/reports' },
    'services.reports.allow[0].principal: expected a listener of protocol mysql with tls.client_ca, found none; ' +
      'without it no client can prove who it is',
  ],
  [
    'more guaranteed than allowed',
    `${service}.guaranteed`,
    41,
    `${service}.guaranteed: expected at most its max_connections of 40, found 41`,
  ],
  [
    'a limit above the budget',
    'services.reports.max_connections',
    56,
    'services.reports.max_connections: expected at most 55, the budget of database warehouse (capacity − reserve), found 56',
  ],
  [
    'a limit above the tenant’s',
    'tenants.shop.max_connections',
    79,
    'services.search.max_connections: expected at most 79, the limit of tenant shop, found 80',
  ],
  [
    'a replica service without a replica',
    'services.reports.db_role',
    'replica',
    'services.reports.db_role: expected primary, since database warehouse has no replica, found "replica"',
  ],
  [
    'no primary',
    `${database}.endpoints.0.role`,
    'replica',
    `${database}.endpoints: expected exactly one endpoint of role primary, found none`,
  ],
  [
    'two primaries',
    `${database}.endpoints.1.role`,
    'primary',
    [
      `${database}.endpoints: expected exactly one endpoint of role primary, found 2 of them`,
      'services.search.db_role: expected primary, since database orders has no replica, found "replica"',
    ],
  ],
  [
    'one server in two databases',
    'databases.warehouse.endpoints.0',
    { host: '10.0.0.6', port: 5432 },
    'databases.warehouse.endpoints[0]: expected a server of its own, found 10.0.0.6 port 5432, which database orders has already',
  ],
  [
    'a reserve without room for the observer',
    `${database}.reserve`,
    1,
    `${database}.reserve: expected a whole number from 2 to 100000, found 1`,
  ],
  [
    'a reserve that leaves no budget',
    `${database}.reserve`,
    100,
    `${database}.reserve: expected less than the capacity of 100, found 100; what is left is the budget`,
  ],
  [
    'a MariaDB of unknown version',
    'databases.warehouse.version',
    leftOut,
    'databases.warehouse.version: expected "10.4" to "10.11" or "11.0" to "11.8", found nothing; ' +
      'clients are greeted before the server can be asked',
  ],
  [
    'a version that YAML reads as a number',
    'databases.warehouse.version',
    10.1,
    'databases.warehouse.version: expected a version in quotation marks such as "10.11" or "8.0", found 10.1; ' +
      'without quotation marks YAML reads a number, and 10.10 as 10.1',
  ],
  [
    'a version with its patch',
    'databases.warehouse.version',
    '10.11.6',
    'databases.warehouse.version: expected a version in quotation marks such as "10.11" or "8.0", found "10.11.6"; did you mean "10.11"?',
  ],
  [
    'a version for Postgres',
    `${database}.version`,
    '15.1',
    `${database}.version: expected no version for engine postgres, found "15.1"; leave it out`,
  ],
  [
    'two flavours behind one greeting',
    'databases.legacy',
    {
      engine: 'mysql',
      version: '8.0',
      endpoints: [{ host: 'legacy.example.com', port: 3306 }],
      capacity: 10,
      reserve: 2,
      observer: { user: 'o', password: { env: 'P' } },
    },
    'databases.legacy.version: expected mariadb 10 as in database warehouse, found mysql 8; ' +
      'a MySQL listener greets before it knows the client: one engine and major version for all',
  ],
  [
    'a protocol without a listener',
    'listeners.mysql',
    leftOut,
    'services.reports.database: expected a listener of protocol mysql for the engine mariadb, found none',
  ],
  [
    'a capacity that is to be asked for',
    `${database}.capacity`,
    'auto',
    `${database}.capacity: expected a whole number from 3 to 100000, found "auto"; "auto" is not available in this version: give a number`,
  ],
  [
    'pooling',
    `${service}.pool`,
    'session',
    `${service}.pool: expected no field "pool", which is not available in this version, found one; every session goes straight to the database`,
  ],
  [
    'limits that limit nothing',
    `${service}.idle`,
    {},
    `${service}.idle: expected one or more of session_ms, transaction_ms, age_ms, surplus_ms, found an empty mapping`,
  ],
  [
    'a limit below a tenth of a second',
    `${service}.idle`,
    { session_ms: 99 },
    `${service}.idle.session_ms: expected a whole number from 100 to 604800000, found 99`,
  ],
  [
    'a workload',
    `${service}.workload`,
    { qps: 1 },
    `${service}.workload: expected no field "workload", which is not available in this version, found one; give max_connections as a number`,
  ],
  [
    'an unknown mode of TLS',
    `${database}.tls`,
    { mode: 'prefer' },
    `${database}.tls.mode: expected one of disable, require, verify-full, found "prefer"`,
  ],
  [
    'TLS that is verified against nothing',
    `${database}.tls`,
    { mode: 'verify-full' },
    `${database}.tls.ca: expected the CA to verify against, found nothing`,
  ],
  [
    'a CA that nothing is verified against',
    `${database}.tls`,
    { mode: 'require', ca: 'ca.pem' },
    `${database}.tls.ca: expected none with mode require, found "ca.pem"; mode require verifies nothing; did you mean verify-full?`,
  ],
  [
    'a CA without TLS',
    `${database}.tls`,
    { mode: 'disable', ca: 'ca.pem' },
    `${database}.tls.ca: expected none with mode disable, found "ca.pem"; mode disable is plaintext; did you mean require or verify-full?`,
  ],
  [
    'direct TLS to MariaDB',
    'databases.warehouse.tls',
    { mode: 'require', negotiation: 'direct' },
    'databases.warehouse.tls.negotiation: expected request for engine mariadb, found "direct"; only Postgres has TLS from the first byte',
  ],
  [
    'an object with a bad name',
    'tenants.Shop Floor',
    {},
    'tenants["Shop Floor"]: expected a name of a-z, 0-9, - and _, at most 63 characters, first and last a letter or digit, found "Shop Floor"',
  ],
  [
    'an empty section',
    'tenants',
    null,
    [
      'tenants: expected a mapping of names, found nothing; write {} for none',
      'services.checkout.tenant: expected a tenant that is in this spec, found "shop"',
      'services.search.tenant: expected a tenant that is in this spec, found "shop"',
      'services.reports.tenant: expected a tenant that is in this spec, found "analytics"',
    ],
  ],
  [
    'an object that says nothing, with no advice to say so in other words',
    'services.checkout',
    null,
    'services.checkout: expected a mapping with hostname, tenant, database, db_role, max_connections, guaranteed, kill_reserve, max_queue, timeout_ms, priority, idle, allow, certificate, found nothing',
  ],
  [
    'an engine that is close',
    `${database}.engine`,
    'postgresql',
    `${database}.engine: expected one of postgres, mysql, mariadb, found "postgresql"; did you mean "postgres"?`,
  ],
];

for (const [why, where, value, problem] of faults)
  test(`refuses ${why}`, () => assert.deepEqual(wordsOf(changed(where, value)), [problem].flat()));
