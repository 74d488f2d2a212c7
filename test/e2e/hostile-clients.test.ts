/**
 * Bad input by name, from clients, on the real Envoy with real databases behind it: each is closed with the answer that
 * is written beside it, no database is even connected to, and nothing is left behind.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { Certificate } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import type { Protected } from '../harness/protected-database.js';
import { clientHello, RawClient } from '../harness/raw-client.js';
import { hostnameOf, type Sluice } from '../harness/sluice.js';
import {
  answerOf,
  capability,
  handshakeResponse,
  mysqlSslRequest,
  packet,
  parameters,
  sslRequest,
  startup,
} from './hostile.js';
import { ann, annOfReports, ordersAndReports } from './orders-and-reports.js';
import { mysqlSession, postgresSession } from './sessions.js';

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;
let ofShop: Certificate;

before(async () => {
  const everybody = [{ cidr: '127.0.0.0/8' }];
  ({ orders, reports, sluice } = await ordersAndReports({
    budgets: { orders: 8, reports: 8 },
    tenants: { shop: {}, bank: {} },
    clientCertificates: true,
    services: {
      checkout: { database: 'orders', max_connections: 8, tenant: 'shop', allow: everybody },
      ledger: {
        ...{ database: 'orders', max_connections: 2, tenant: 'bank' },
        allow: [{ principal: 'spiffe://bank/ledger' }],
      },
      dashboard: { database: 'reports', max_connections: 8, tenant: 'shop', allow: everybody },
    },
  }));
  ofShop = await sluice.certificates.client('spiffe://shop/checkout');
});

after(stopEverything);

type Protocol = 'pg' | 'mysql';

const greetingBytes = 60;

/** A client whose next bytes are the first that its protocol has within TLS. */
async function withinTls(
  protocol: Protocol,
  servername = hostnameOf(protocol === 'pg' ? 'checkout' : 'dashboard'),
  certificate?: Certificate,
): Promise<RawClient> {
  const client = await inClear(protocol);
  await client.send(protocol === 'pg' ? sslRequest : mysqlSslRequest());
  if (protocol === 'pg') assert.equal((await client.until(1)).toString(), 'S');
  await client.startTls({
    ...{ servername, rejectUnauthorized: false },
    ...(certificate && { cert: readFileSync(certificate.chain), key: readFileSync(certificate.key) }),
  });
  return client;
}

/** A MySQL client has been greeted. */
let visitors = 0;

async function inClear(protocol: Protocol): Promise<RawClient> {
  // Each from an address of its own: somebody who breaks off one login after the other is slowed down.
  visitors += 1;
  const localAddress = `127.32.${visitors >> 8}.${visitors & 255}`;
  const client = await RawClient.connect({ host: sluice.host, port: sluice.ports[protocol], localAddress });
  if (protocol === 'mysql') await client.until(greetingBytes);
  return client;
}

/** Who sends more than that may find the connection reset before he has read his answer. */
const mostUnread = 64 * 1024;

/** Sends it, and no more, and says what the answer was when the other end has closed. */
async function told(client: RawClient, bytes: Buffer, ends: boolean): Promise<string> {
  const before = client.received.length;
  await client.send(bytes);
  if (ends) client.end();
  return answerOf((await client.closed()).subarray(before));
}

/** Sessions that the databases have ever had, in login included. */
async function everOpened(): Promise<readonly number[]> {
  const [row] = await reports.server.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Connections'");
  return [orders.server.log.match(/connection received/g)?.length ?? 0, Number(row!.Value)];
}

interface Case {
  readonly bytes: Buffer;
  /** SQLSTATE, errno, or nothing. */
  readonly answer: string;
  /** The client closes its side behind the bytes: without that, silence would be cut only at the deadline. */
  readonly ends?: boolean;
}

const sound = startup(parameters('user', 'ann', 'database', 'orders'));
const soundResponse = handshakeResponse();
const big = 1 << 20;

const cases: Readonly<Record<Protocol, Readonly<Record<'clear' | 'tls', Readonly<Record<string, Case>>>>>> = {
  pg: {
    clear: {
      'an HTTP request': { bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), answer: '08P01' },
      'a StartupMessage in clear': { bytes: sound, answer: '28000' },
      'a length of zero': { bytes: Buffer.alloc(8), answer: '08P01' },
      'a length of 4 GiB': { bytes: Buffer.from('ffffffff00030000', 'hex'), answer: '08P01' },
      'an unknown request': { bytes: Buffer.from('0000000804d21631', 'hex'), answer: '08P01' },
      '1 MB of NULs': { bytes: Buffer.alloc(big), answer: '08P01' },
      'bytes behind the TLS request, before its answer': {
        bytes: Buffer.concat([sslRequest, sound]),
        answer: 'S, 08P01',
      },
      'a request to cancel with a key of no bytes': {
        bytes: Buffer.from('0000000c04d2162e00000001', 'hex'),
        answer: 'nothing',
      },
    },
    tls: {
      'a packet of 1 MB': {
        bytes: startup(Buffer.concat([parameters('user', 'ann'), Buffer.alloc(big)])),
        answer: '08P01',
      },
      'one byte more than Postgres reads': { bytes: startup(Buffer.alloc(10_001), 10_005), answer: '08P01' },
      'a length of zero': { bytes: startup(parameters('user', 'ann'), 0), answer: '08P01' },
      'a length of less than itself': { bytes: startup(parameters('user', 'ann'), 3), answer: '08P01' },
      'a length of 4 GiB': { bytes: startup(parameters('user', 'ann'), 0xffffffff), answer: '08P01' },
      'a length that ends within a name': { bytes: startup(parameters('user', 'ann'), 14), answer: '08P01' },
      'a length beyond what comes': {
        bytes: startup(parameters('user', 'ann'), 200),
        answer: 'nothing',
        ends: true,
      },
      'no NUL at the end': { bytes: startup(parameters('user', 'ann').subarray(0, -1)), answer: '08P01' },
      'a name without a value': { bytes: startup(parameters('user', 'ann', 'database')), answer: '08P01' },
      'bytes behind the last NUL': {
        bytes: startup(Buffer.concat([parameters('user', 'ann'), Buffer.from('user\0eve\0\0')])),
        answer: '08P01',
      },
      'no user': { bytes: startup(parameters('database', 'orders')), answer: '08P01' },
      'an empty user': { bytes: startup(parameters('user', '')), answer: '08P01' },
      'two users': { bytes: startup(parameters('user', 'ann', 'user', 'eve')), answer: '08P01' },
      'a user that the server would cut': {
        bytes: startup(parameters('user', 'a'.repeat(64))),
        answer: '08P01',
      },
      'a user that is not UTF-8': {
        bytes: startup(parameters('user', Buffer.from('616efffe', 'hex'))),
        answer: '08P01',
      },
      'a database that is not UTF-8': {
        bytes: startup(parameters('user', 'ann', 'database', Buffer.from('c328', 'hex'))),
        answer: '08P01',
      },
      'a thousand parameters': {
        bytes: startup(parameters(...Array.from({ length: 1000 }, (_, i) => ['k', `${i}`]).flat())),
        answer: '08P01',
      },
      'physical replication': {
        bytes: startup(parameters('user', 'ann', 'replication', 'true')),
        answer: '08P01',
      },
      'a TLS request within TLS': { bytes: sslRequest, answer: '08P01' },
      'protocol 2': { bytes: startup(Buffer.from('0002000000', 'hex')), answer: '08P01' },
      'an HTTP request': { bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), answer: '08P01' },
      'a MySQL response': { bytes: soundResponse, answer: '08P01' },
    },
  },
  mysql: {
    clear: {
      'an HTTP request': { bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), answer: '1043' },
      'a response in clear': {
        bytes: handshakeResponse({ flags: capability.protocol41, sequence: 1 }),
        answer: '3159',
      },
      'an empty packet': { bytes: packet(1, Buffer.alloc(0)), answer: '1043' },
      'a packet of 16 MB': { bytes: packet(1, Buffer.alloc(big), 0xffffff), answer: '1043' },
      'a wrong number': { bytes: packet(7, mysqlSslRequest().subarray(4)), answer: '1043' },
      'a command in place of a response': { bytes: packet(0, Buffer.from('\x03SELECT 1')), answer: '1043' },
      'a TLS request of the old protocol, and nothing after it': {
        bytes: mysqlSslRequest(capability.ssl),
        answer: 'nothing',
        ends: true,
      },
      '1 MB of NULs': { bytes: Buffer.alloc(big), answer: '1043' },
      'a Postgres TLS request': { bytes: sslRequest, answer: '1043' },
    },
    tls: {
      'a packet of 16 MB': { bytes: packet(2, Buffer.alloc(big), 0xffffff), answer: '1043' },
      'one byte more than is read': { bytes: packet(2, Buffer.alloc(16_385)), answer: '1043' },
      'an empty packet': { bytes: packet(2, Buffer.alloc(0)), answer: '1043' },
      'a wrong number': { bytes: handshakeResponse({ sequence: 3 }), answer: '1043' },
      'a length that ends within the name': {
        bytes: packet(2, soundResponse.subarray(4), 34),
        answer: '1043',
      },
      'a length beyond what comes': {
        bytes: packet(2, soundResponse.subarray(4), 400),
        answer: 'nothing',
        ends: true,
      },
      'a user without an end': {
        bytes: packet(2, Buffer.concat([soundResponse.subarray(4, 36), Buffer.from('ann')])),
        answer: '1043',
      },
      'authentication data that is longer than the packet': {
        bytes: handshakeResponse({
          auth: Buffer.concat([Buffer.of(250), Buffer.alloc(20, 7)]),
          rest: Buffer.alloc(0),
        }),
        answer: '1043',
      },
      'attributes that are longer than the packet': {
        bytes: handshakeResponse({
          flags: 0xa8a08 | capability.connectAttrs,
          rest: Buffer.concat([
            Buffer.from('reports\0mysql_native_password\0'),
            Buffer.from('fdffffff', 'hex'),
          ]),
        }),
        answer: '1043',
      },
      'a user that is not UTF-8': {
        bytes: handshakeResponse({ user: Buffer.from('616efffe', 'hex') }),
        answer: '1043',
      },
      'a user that is too long': { bytes: handshakeResponse({ user: 'a'.repeat(129) }), answer: '1043' },
      'a user in quotes': { bytes: handshakeResponse({ user: "'ann'" }), answer: '1043' },
      'a TLS request within TLS': { bytes: packet(2, mysqlSslRequest().subarray(4)), answer: '1043' },
      'a command in place of a response': { bytes: packet(0, Buffer.from('\x03SELECT 1')), answer: '1043' },
      'a Postgres StartupMessage': { bytes: sound, answer: '1043' },
    },
  },
};

for (const protocol of ['pg', 'mysql'] as const)
  for (const stage of ['clear', 'tls'] as const)
    test(`${protocol}, ${stage === 'clear' ? 'in clear' : 'within TLS'}: bad input gets its answer and opens nothing`, {
      timeout: 60_000,
    }, async (t) => {
      const before = await everOpened();
      const answers = await Promise.all(
        Object.entries(cases[protocol][stage]).map(async ([name, { bytes, ends = false }]) => {
          const client = await (stage === 'clear' ? inClear(protocol) : withinTls(protocol));
          return [name, await told(client, bytes, ends)] as const;
        }),
      );
      for (const [name, answer] of answers) t.diagnostic(`${name}: ${answer}`);
      const found = Object.fromEntries(answers);
      const expected = Object.entries(cases[protocol][stage]).map(([name, { bytes, answer }]) => {
        // TCP takes an answer back from a client that goes on talking to an end that has closed.
        const isTakenBack = bytes.length > mostUnread && found[name] === 'nothing';
        return [name, isTakenBack ? 'nothing' : answer];
      });
      assert.deepEqual(found, Object.fromEntries(expected));
      assert.deepEqual(await everOpened(), before);
    });

/** A few at a time: each is a TLS handshake. */
async function each<T>(all: readonly T[], work: (one: T) => Promise<void>, atOnce = 16): Promise<void> {
  const rest = [...all];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let one = rest.shift(); one !== undefined; one = rest.shift()) await work(one);
    }),
  );
}

const lengthsBelow = (bytes: Buffer) => Array.from({ length: bytes.length }, (_, length) => length);

describe('cut off at every byte, nothing is opened', () => {
  const whole: Readonly<
    Record<
      string,
      { readonly protocol: Protocol; readonly stage: 'clear' | 'tls'; readonly bytes: () => Promise<Buffer> }
    >
  > = {
    'a Postgres TLS request': { protocol: 'pg', stage: 'clear', bytes: async () => sslRequest },
    'a TLS hello behind a Postgres TLS request': {
      ...{ protocol: 'pg', stage: 'clear' },
      bytes: async () => Buffer.concat([sslRequest, await clientHello(hostnameOf('checkout'))]),
    },
    'a Postgres StartupMessage': { protocol: 'pg', stage: 'tls', bytes: async () => sound },
    'a MySQL TLS request': { protocol: 'mysql', stage: 'clear', bytes: async () => mysqlSslRequest() },
    'a MySQL response': { protocol: 'mysql', stage: 'tls', bytes: async () => soundResponse },
  };
  for (const [what, { protocol, stage, bytes }] of Object.entries(whole))
    test(what, { timeout: 60_000 }, async (t) => {
      const before = await everOpened();
      const all = await bytes();
      const lengths = lengthsBelow(all);
      await each(lengths, async (length) => {
        const client = await (stage === 'clear' ? inClear(protocol) : withinTls(protocol));
        await client.send(all.subarray(0, length));
        client.end();
        await client.closed();
      });
      assert.deepEqual(await everOpened(), before);
      t.diagnostic(`${lengths.length} lengths`);
    });
});

describe('in two pieces, cut at every byte, the server is reached', () => {
  const firstOf = { pg: sound, mysql: soundResponse } as const;
  for (const protocol of ['pg', 'mysql'] as const)
    test(protocol, { timeout: 60_000 }, async (t) => {
      const bytes = firstOf[protocol];
      const before = await everOpened();
      const cuts = lengthsBelow(bytes).slice(1);
      await each(
        cuts,
        async (cut) => {
          const client = await withinTls(protocol);
          await client.send(bytes.subarray(0, cut));
          await new Promise((resolve) => setImmediate(resolve));
          await client.send(bytes.subarray(cut));
          // The server's own question for the password.
          const answer = await client.until(9);
          assert.equal(
            answer[protocol === 'pg' ? 0 : 4],
            protocol === 'pg' ? 'R'.charCodeAt(0) : 0xfe,
            `cut at ${cut}: ${answer.toString('latin1')}`,
          );
          client.reset();
        },
        6,
      );
      const opened = (await everOpened()).map((count, i) => count - before[i]!);
      assert.deepEqual(opened, protocol === 'pg' ? [cuts.length, 0] : [0, cuts.length]);
      t.diagnostic(`${cuts.length} cuts`);
    });
});

test('a valid certificate of one tenant at the hostname of another is refused, whatever is asked for', async () => {
  const before = await everOpened();
  for (const name of [hostnameOf('ledger'), hostnameOf('ledger').toUpperCase()]) {
    const client = await withinTls('pg', name, ofShop);
    assert.equal(await told(client, sound, false), '28000', name);
  }
  assert.deepEqual(await everOpened(), before);
});

test('names that no service has, names of secrets and no name at all are refused', {
  timeout: 60_000,
}, async (t) => {
  const before = await everOpened();
  const answers: [string, string][] = [];
  const names = [
    '',
    'stranger.db.test',
    '*.db.test',
    'listener/pg',
    'listener/pg/client-ca',
    '..',
    'a'.repeat(250),
    'checkout.db.test\u00e9',
  ];
  for (const name of names) {
    t.diagnostic(JSON.stringify(name.slice(0, 24)));
    const answer = await withinTls('pg', name).then(
      (client) => told(client, sound, false),
      () => 'no TLS',
    );
    t.diagnostic(answer);
    assert.match(answer, /^(08004|no TLS|nothing)$/);
    answers.push([name, answer]);
  }
  assert.equal(answers[0]![1], '08004');
  assert.equal(answers[1]![1], '08004');
  assert.deepEqual(await everOpened(), before);
});

test('after all of it good clients are served, and nothing is counted that is not there', {
  timeout: 30_000,
}, async () => {
  await (await postgresSession(sluice, 'checkout', ann)).end();
  await (await mysqlSession(sluice, 'dashboard', annOfReports)).end();
  for (const service of ['checkout', 'ledger', 'dashboard']) await sluice.brain.waitForTaken(service, 0);
  assert.deepEqual((await sluice.brain.waiting()).rows, []);
  assert.equal(sluice.envoy.isRunning, true);
});
