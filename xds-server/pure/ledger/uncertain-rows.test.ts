import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mayBe } from './claims.js';
import type { Row, Service, Slot } from './records.js';
import { UncertainRows } from './uncertain-rows.js';

const [one, other] = [{ name: 'one' } as Service, { name: 'other' } as Service];
const step = fc.integer({ min: 0, max: 6 });
const id = fc.integer({ min: 1, max: 5 });
/** Of one machine, by address or by name, and of another one. */
const address = fc.constantFrom('10.1.1.1:4001', '10.1.1.1:4002', '10.1.1.2:4001');
const name = fc.constantFrom('edge-1.example:4001', 'edge-1.example:4002', 'localhost');

const server = '10.0.0.5:5432';
/** Slots of `n1` are at one host. */
const hosts = new Set(['10.1.1.1']);
const sightings = {
  showAddressOf: ({ localAddress }: Slot) => localAddress !== undefined,
  hostsOf: ({ node }: Slot, at: string) => (node === 'n1' && at === server ? hosts : undefined),
};

const row: fc.Arbitrary<Row> = fc.record({
  serverId: id,
  peer: fc.option(fc.oneof(address, name), { nil: undefined }),
  user: fc.constant(undefined),
  seenStep: step,
  seenMs: fc.constant(0),
  owner: fc.constant(undefined),
  isOurs: fc.constant(false),
  begunStep: fc.constant(undefined),
  account: fc.constantFrom<Row['account']>(one, other, 'several', 'none', 'unknown'),
});

const slot = fc
  .record({
    service: fc.constantFrom(one, other),
    users: fc.constantFrom(undefined, new Set(['app'])),
    earliestStep: fc.oneof(step, fc.constant(Number.NEGATIVE_INFINITY)),
    latestStep: fc.oneof(step, fc.constant(Number.POSITIVE_INFINITY)),
    localAddress: fc.option(address, { nil: undefined }),
    node: fc.constantFrom('n1', 'n2'),
    target: fc.constantFrom(
      { addresses: new Set([server]) },
      { addresses: new Set([server, '10.0.0.6:5432']) },
      {},
    ),
    suspects: fc.option(
      fc.uniqueArray(id).map((ids) => new Set(ids)),
      { nil: undefined },
    ),
  })
  .map((given) => given as unknown as Slot);

/** An address that the list shows is another's where both are addresses, or the ports differ; or the hosts. */
function isElsewhere({ peer }: Row, { localAddress, node, target }: Slot): boolean {
  if (peer === undefined) return false;
  const [host, port] = peer.split(':');
  if (localAddress === undefined)
    return node === 'n1' && target.addresses?.size === 1 && host!.startsWith('10.') && !hosts.has(host!);
  return port !== localAddress.split(':')[1] || (host!.startsWith('10.') && peer !== localAddress);
}

const mayHave = (of: Slot, each: Row): boolean => mayBe(of, each) && !isElsewhere(each, of);

test('there is one for a slot if and only if one of them may be its own', () => {
  fc.assert(
    fc.property(fc.array(row), slot, (rows, of) => {
      assert.equal(
        new UncertainRows(rows, sightings).haveOneFor(of),
        rows.some((each) => mayHave(of, each)),
      );
    }),
    { numRuns: 2_000 },
  );
});

test('slots together may be no more of them than are counted', () => {
  fc.assert(
    fc.property(fc.array(row), fc.array(slot, { minLength: 1 }), (rows, slots) => {
      const each = rows.filter((row) => slots.some((of) => mayHave(of, row)));
      const most = new UncertainRows(rows, sightings).mostFor(slots);
      assert.ok(most >= each.length && most <= rows.length, `${most} of ${each.length}`);
      if (slots.length === 1) assert.equal(most, each.length);
    }),
    { numRuns: 2_000 },
  );
});
