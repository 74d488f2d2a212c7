import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import { recoveryMs } from './settings.js';

const mallory = '10.6.6.6';
const alice = '10.1.1.1';
const bob = '10.1.1.2';

/** One slot, which is taken; so many places. */
function full(maxQueue: number): DrivenLedger {
  const ledger = DrivenLedger.recovered({
    services: { checkout: { maxConnections: 1, maxQueue, timeoutMs: 60_000 } },
  });
  ledger.open('first', 1);
  return ledger;
}

/** Younger than all before. */
function comes(ledger: DrivenLedger, connection: string, source?: string): string[] {
  ledger.nowMs += 1;
  return ledger.check(connection, 'checkout', 0, source);
}

/** Gets in by his door, with no other slot taken, and is turned away by the server. */
function fails(ledger: DrivenLedger, connection: string, source: string): void {
  assert.deepEqual(comes(ledger, connection, source), [`grant ${connection}`]);
  ledger.end(connection, 'server-closed', { localAddress: '10.1.1.9:4001', login: 'failed' });
}

test('in a full queue the youngest of the source with the most waiters gives way to one of another source', () => {
  const ledger = full(3);
  ledger.check('m1', 'checkout', 5, mallory);
  ledger.check('m2', 'checkout', 0, mallory);
  ledger.check('m3', 'checkout', 9, mallory);
  assert.deepEqual(comes(ledger, 'a1', alice), ['refuse m2 queue_full']);
  ledger.nowMs += 20;
  assert.deepEqual(comes(ledger, 'b1', bob), ['refuse m1 queue_full']);
  assert.equal(
    ledger.refusalText,
    'all 3 places in the queue of service "checkout" are taken, too many of them by clients from this address; ' +
      'waited 27 ms (timeout_ms 60000), 2 others waiting',
  );
  assert.deepEqual(ledger.end('first', 'server-closed'), ['grant m3']);
});

test('nobody gives way to one whose source has as many waiters, or would have', () => {
  const ledger = full(3);
  for (const id of ['m1', 'm2']) comes(ledger, id, mallory);
  comes(ledger, 'a1', alice);
  assert.deepEqual(comes(ledger, 'm3', mallory), ['refuse m3 queue_full']);
  assert.deepEqual(comes(ledger, 'a2', alice), ['refuse a2 queue_full']);
  assert.deepEqual(comes(ledger, 'b1', bob), ['refuse m2 queue_full']);
});

test('who stands aside gives way like any other', () => {
  const ledger = DrivenLedger.recovered({
    services: { checkout: { maxConnections: 8, maxQueue: 2, timeoutMs: 60_000 } },
  });
  for (const id of ['m1', 'm2', 'm3', 'm4']) comes(ledger, id, mallory);
  for (const id of ['a1', 'a2']) assert.deepEqual(comes(ledger, id, alice), [`grant ${id}`]);
  assert.deepEqual(comes(ledger, 'a3', alice), ['refuse m4 queue_full', `observe ${primary}`]);
  assert.deepEqual(comes(ledger, 'm5', mallory), ['refuse m5 login_limit']);
});

test('a source whose last login has failed gives way before larger ones, until one is accepted', () => {
  const ledger = DrivenLedger.recovered({
    services: { checkout: { maxConnections: 1, maxQueue: 4, timeoutMs: 60_000 } },
  });
  fails(ledger, 'm1', mallory);
  assert.deepEqual(comes(ledger, 'm2', mallory), ['grant m2']);
  for (const id of ['a1', 'a2', 'a3']) comes(ledger, id, alice);
  comes(ledger, 'm3', mallory);
  assert.deepEqual(comes(ledger, 'a4', alice), ['refuse m3 queue_full']);
  assert.deepEqual(comes(ledger, 'm4', mallory), ['refuse m4 queue_full']);
  ledger.report('m2', { login: 'accepted' });
  assert.deepEqual(comes(ledger, 'm5', mallory), ['refuse a4 queue_full']);
});

test('failures that are forgotten count no more', () => {
  const ledger = DrivenLedger.recovered({
    services: { checkout: { maxConnections: 1, maxQueue: 1, timeoutMs: 600_000 } },
  });
  fails(ledger, 'm1', mallory);
  ledger.open('first', 1);
  comes(ledger, 'm2', mallory);
  ledger.report('first');
  ledger.pass(59_990);
  assert.equal(ledger.service().doors, 1);
  ledger.pass(10);
  assert.deepEqual(comes(ledger, 'a1', alice), ['refuse a1 queue_full']);
});

test('clients of whom nobody knows where they come from are one crowd', () => {
  const ledger = full(2);
  for (const id of ['x1', 'x2']) comes(ledger, id);
  assert.deepEqual(comes(ledger, 'x3'), ['refuse x3 queue_full']);
  assert.deepEqual(comes(ledger, 'a1', alice), ['refuse x2 queue_full']);
});

test('in a queue that recovers too, and what is said is that it recovers; where nobody is to wait nobody gives way', () => {
  const services = { checkout: { maxConnections: 1, maxQueue: 0, timeoutMs: 60_000 } };
  const ledger = new DrivenLedger({ services }, { recoveryQueue: 2 });
  for (const id of ['m1', 'm2']) comes(ledger, id, mallory);
  assert.deepEqual(comes(ledger, 'a1', alice), ['refuse m2 not_ready']);
  ledger.nowMs += recoveryMs(ledger.settings);
  assert.deepEqual(ledger.observed([]), ['grant m1', `observe ${primary} and its logins`]);
  assert.deepEqual(comes(ledger, 'm3', mallory), ['refuse m3 service_limit']);
  assert.deepEqual(comes(ledger, 'b1', bob), ['refuse b1 service_limit']);
});

test('however clients come and go: no source has a place that is more than another one’s who was refused for want of it', () => {
  const steps = fc.array(
    fc.record({ source: fc.nat({ max: 3 }), leaves: fc.boolean(), waitedMs: fc.nat({ max: 900 }) }),
    { minLength: 1, maxLength: 80 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), steps, (places, given) => {
      const ledger = full(places);
      let waiting: { readonly id: string; readonly source: number; readonly bornMs: number }[] = [];
      const countOf = (source: number): number => waiting.filter((each) => each.source === source).length;
      for (const [i, { source, leaves, waitedMs }] of given.entries()) {
        if (leaves) {
          const one = waiting.find((each) => each.source === source);
          if (one) assert.deepEqual(ledger.cancel(one.id), []);
          waiting = waiting.filter((each) => each !== one);
          continue;
        }
        const newcomer = { id: `c${i}`, source, bornMs: ledger.nowMs - waitedMs - i / 100 };
        const effects = ledger.check(newcomer.id, 'checkout', waitedMs + i / 100, `s${source}`);
        const before = waiting;
        waiting = [...waiting, newcomer];
        if (before.length < places) {
          assert.deepEqual(effects, []);
          continue;
        }
        const most = Math.max(...[0, 1, 2, 3].map(countOf));
        const out =
          countOf(source) === most
            ? newcomer
            : waiting.find(({ id }) => effects.includes(`refuse ${id} queue_full`))!;
        assert.deepEqual(effects, [`refuse ${out.id} queue_full`]);
        assert.equal(countOf(out.source), most, 'a smaller crowd gave way');
        if (out !== newcomer)
          assert.ok(
            waiting.every((each) => each.source !== out.source || each.bornMs <= out.bornMs),
            'an older one gave way',
          );
        waiting = waiting.filter((each) => each !== out);
      }
    }),
  );
});
