/** The rules of a cancel, against a server that only counts. That statements really end: test/e2e/cancel.test.ts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { CancelRequest } from '../../pure/cancel/cancel-request.js';
import type { Server } from '../../pure/cancel/server-of.js';
import { SessionDirectory, type SessionReport } from '../../pure/cancel/session-directory.js';
import type { Plan } from '../../pure/plan/plan.js';
import { type CancelOutcome, Cancels } from './cancels.js';

const secret = Buffer.from('01020304', 'hex');
const connection = '0123456789abcdef0123456789abcdef';
const digest = '4a71732d9ccf9defaf5157fd211a29f2';

const plan = {
  hostnames: new Map([
    ['checkout.test', 'checkout'],
    ['billing.test', 'billing'],
  ]),
  services: new Map(),
  targets: new Map([
    ['orders/primary', { name: 'orders/primary', endpoints: [{ host: '10.0.0.5', port: 5432 }] }],
    [
      'fleet/replica',
      {
        name: 'fleet/replica',
        endpoints: [...'ab'].map((each) => ({ host: `${each}.internal`, port: 5432 })),
      },
    ],
  ]),
} as unknown as Plan;

/** What names stand for. */
type Names = Readonly<Record<string, readonly string[]>>;

function brain({ reportIntervalMs = 0, taken = true, names = {} as Names } = {}) {
  let skippedMs = 0;
  const now = (): number => performance.now() + skippedMs;
  const directory = new SessionDirectory(1_000_000);
  const sent: Server[] = [];
  const asked: string[] = [];
  const outcomes: CancelOutcome[] = [];
  const cancels = new Cancels({
    now,
    plan: () => plan,
    directory,
    send: async (server) => {
      sent.push(server);
      return taken;
    },
    addressesOf: async (name) => {
      asked.push(name);
      return names[name] ?? [];
    },
    counted: (outcome) => outcomes.push(outcome),
    // The slack is on top.
    reportIntervalMs: reportIntervalMs - 500,
  });
  const report = (changes: Partial<SessionReport> = {}): void =>
    directory.reported(
      {
        ...{ connection, node: 'edge-1', service: 'checkout', frontId: undefined, serverId: 12345 },
        ...{ cancelDigest: digest, server: '10.0.0.5:5432', ...changes },
      },
      now(),
    );
  return {
    ...{ sent, asked, outcomes, report },
    skip: (ms: number) => {
      skippedMs += ms;
    },
    ask: async (changes: Partial<CancelRequest> = {}) => {
      await cancels.request({ pid: 12345, secret, address: '10.1.2.3', ...changes });
      return outcomes.at(-1);
    },
  };
}

function digestOf(of: string, key: Uint8Array): string {
  const pid = Buffer.from([0, 0, 0x30, 0x39]);
  return createHash('sha256').update(of).update(pid).update(key).digest('hex').slice(0, 32);
}

/** Another session with the same process id, on some other server. */
function other(number: number): { readonly key: Uint8Array; readonly report: Partial<SessionReport> } {
  const key = Buffer.from([9, 9, 9, number]);
  return {
    key,
    report: { connection: `other ${number}`, cancelDigest: digestOf(`other ${number}`, key) },
  };
}

test('the digest is the filter’s', () => {
  assert.equal(digestOf(connection, secret), digest);
});

test('a request with the key goes to the server that has the session', async () => {
  const { ask, report, sent } = brain();
  report();
  assert.equal(await ask(), 'sent');
  assert.deepEqual(
    sent.map(({ host, port }) => `${host}:${port}`),
    ['10.0.0.5:5432'],
  );
});

test('a request with another key, or for another process, goes nowhere', async () => {
  const { ask, report, sent } = brain();
  report();
  assert.equal(await ask({ secret: Buffer.from('01020305', 'hex') }), 'wrong_key');
  assert.equal(await ask({ secret: Buffer.from('0102030400', 'hex') }), 'wrong_key');
  assert.equal(await ask({ pid: 12346 }), 'unknown_session');
  assert.deepEqual(sent, []);
});

test('a name must be the session’s own service’s; none is no objection', async () => {
  const { ask, report, sent } = brain();
  report();
  assert.equal(await ask({ serverName: 'billing.test' }), 'wrong_service');
  assert.equal(await ask({ serverName: 'nobody.test' }), 'wrong_service');
  assert.deepEqual(sent, []);
  assert.equal(await ask({ serverName: 'CHECKOUT.test' }), 'sent');
  assert.equal(await ask({ serverName: '' }), 'sent');
});

test('a request for a session that is not known yet waits for its report', async () => {
  const { ask, report } = brain({ reportIntervalMs: 5000 });
  const answered = ask();
  report();
  assert.equal(await answered, 'sent');
});

test('a server that has a name in the spec is spoken to at an address that the name has, and at no other', async () => {
  const names = { 'a.internal': ['10.0.0.6'], 'b.internal': ['10.0.0.7', '2001:db8::7'] };
  const { ask, report, sent, asked } = brain({ names });
  for (const [server, outcome] of [
    ['169.254.169.254:5432', 'unreachable'],
    ['10.0.0.7:22', 'unreachable'],
    ['10.0.0.7:5432', 'sent'],
    ['[2001:db8::7]:5432', 'sent'],
  ] as const) {
    report({ server });
    assert.equal(await ask(), outcome, server);
  }
  assert.deepEqual(
    sent.map(({ endpoint, host }) => [endpoint.host, host]),
    [
      ['b.internal', '10.0.0.7'],
      ['b.internal', '2001:db8::7'],
    ],
  );
  asked.length = 0;
  report({ server: '10.0.0.5:5432' });
  assert.equal(await ask(), 'sent');
  assert.deepEqual(asked, []);
});

test('a server that does not answer is said so', async () => {
  const { ask, report } = brain({ taken: false });
  report();
  assert.equal(await ask(), 'unreachable');
});

test('wrong keys soon use up an address, and no other one', async () => {
  const { ask, report, outcomes, skip } = brain();
  report();
  const wrong = { secret: Buffer.from('ffffffff', 'hex'), pid: 99 };
  while ((await ask(wrong)) !== 'rate_limited') assert.ok(outcomes.length < 20);
  assert.equal(await ask(), 'rate_limited');
  assert.equal(await ask({ address: '10.1.2.4' }), 'sent');
  skip(60_000);
  assert.equal(await ask(), 'sent');
});

test('an address of IPv6 is its whole network', async () => {
  const { ask, outcomes } = brain();
  for (let host = 1; (await ask({ pid: 99, address: `2001:db8::${host}` })) !== 'rate_limited'; host++)
    assert.ok(outcomes.length < 20);
  assert.equal(await ask({ pid: 99, address: '2001:db8:0:1::1' }), 'unknown_session');
});

test('a session is guessed at from everywhere no oftener than from one address', async () => {
  const { ask, report, skip } = brain();
  report();
  const guess = (number: number) =>
    ask({ secret: Buffer.from([8, 8, 8, number]), address: `10.2.0.${number}` });
  for (let number = 0; number < 10; number++) assert.equal(await guess(number), 'wrong_key');
  assert.equal(await guess(10), 'rate_limited');
  skip(1000);
  assert.equal(await guess(11), 'wrong_key');
});

test('a wrong key that is tried again takes no cancel from the session', async () => {
  const { ask, report } = brain();
  report();
  for (let address = 0; address < 20; address++)
    assert.equal(
      await ask({ secret: Buffer.from('ffffffff', 'hex'), address: `10.2.0.${address}` }),
      'wrong_key',
    );
  assert.equal(await ask(), 'sent');
});

test('cancels of one session leave another one with its process id all but one of its own', async () => {
  const { ask, report } = brain();
  report();
  report(other(1).report);
  const ends = async (key: Uint8Array) => {
    for (let sent = 0; ; sent++) if ((await ask({ secret: key })) !== 'sent') return sent;
  };
  assert.equal(await ends(other(1).key), 10);
  for (let more = 0; more < 20; more++) await ask({ secret: other(1).key });
  assert.equal(await ends(secret), 9);
});

test('a session that is guessed at keeps no cancel from another one with its process id', async () => {
  const { ask, report } = brain();
  report();
  const guess = (number: number) =>
    ask({ secret: Buffer.from([8, 8, 8, number]), address: `10.2.0.${number}` });
  for (let number = 0; number < 10; number++) assert.equal(await guess(number), 'wrong_key');
  report(other(1).report);
  assert.equal(await ask({ secret: other(1).key }), 'sent');
  assert.equal(await ask(), 'rate_limited');
});

test('keys of other sessions with its process id are guesses at a session too, each of them one', async () => {
  const { ask, report, skip } = brain();
  report();
  for (let number = 0; number < 10; number++) {
    report(other(number).report);
    assert.equal(await ask({ secret: other(number).key }), 'sent');
    assert.equal(await ask({ secret: other(number).key }), 'sent');
  }
  assert.equal(await ask(), 'rate_limited');
  skip(1000);
  assert.equal(await ask(), 'sent');
});
