/** What several brains publish for one spec while a limit shrinks. That the ledger waits is tested beside it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { Ledger } from '../../pure/ledger/ledger.js';
import { defaultSettings } from '../../pure/ledger/settings.js';
import type { LedgerView } from '../../pure/ledger/view.js';
import type { Plan } from '../../pure/plan/plan.js';
import type { Snapshot } from '../../pure/snapshot/snapshot.js';
import { Enactment, type NodeLimits } from './enactment.js';

const planWith = (maxConnections: number): Plan =>
  ({
    ...{ listeners: new Map(), targets: new Map(), observers: new Map(), tenants: new Map() },
    services: new Map([['checkout', { name: 'checkout', maxConnections, killReserve: 0 }]]),
    hostnames: new Map(),
  }) as unknown as Plan;

const nothing = new Ledger(defaultSettings).view();
/** One grant is on its way to a node that has 9 in use. */
const underWay = {
  ...nothing,
  services: new Map([['checkout', { granted: 1, used: 9 }]]),
} as unknown as LedgerView;

class Brain {
  readonly enactment: Enactment;
  readonly told: NodeLimits[] = [];
  ledger = nothing;
  limit = 0;

  constructor() {
    this.enactment = new Enactment({
      log: pino({ level: 'silent' }),
      now: () => performance.now(),
      publish: (snapshot) => {
        this.limit = Number(snapshot.version);
      },
      limit: () => undefined,
      ledger: () => this.ledger,
      tell: (limits) => this.told.push(limits),
      nodesHave: () => true,
    });
  }

  take(limit: number): void {
    this.enactment.enact(
      planWith(limit),
      `spec ${limit}`,
      (plan) =>
        ({ version: `${plan.services.get('checkout')!.maxConnections}`, sets: new Map() }) as Snapshot,
    );
  }
}

test('a shrunk limit reaches the nodes of all brains when the leader says so, also of one that began later', async () => {
  const [leader, follower, late] = [new Brain(), new Brain(), new Brain()];
  leader.enactment.lead();
  for (const brain of [leader, follower]) brain.take(9);
  leader.ledger = underWay;
  for (const brain of [leader, follower]) brain.take(4);
  late.enactment.obey(leader.enactment.nodeLimits);
  late.take(4);
  assert.deepEqual(
    [leader, follower, late].map(({ limit }) => limit),
    [9, 9, 9],
  );
  leader.ledger = nothing;
  const settled = await new Promise<NodeLimits>((resolve) => {
    leader.told.push = (limits) => {
      resolve(limits);
      return 0;
    };
  });
  for (const brain of [follower, late]) brain.enactment.obey(settled);
  assert.deepEqual(
    [leader, follower, late].map(({ limit }) => limit),
    [4, 4, 4],
  );
});

test('a follower that takes the lead settles what the leader before it had not', async () => {
  const [leader, follower] = [new Brain(), new Brain()];
  leader.enactment.lead();
  leader.ledger = underWay;
  for (const brain of [leader, follower]) brain.take(9);
  for (const brain of [leader, follower]) brain.take(4);
  leader.enactment.follow();
  const settled = new Promise<void>((resolve) => {
    follower.told.push = ({ limits }) => {
      if (limits.size === 0) resolve();
      return 0;
    };
  });
  follower.enactment.lead();
  await settled;
  assert.equal(follower.limit, 4);
});

test('limits of a spec that has not come yet are kept for it', () => {
  const follower = new Brain();
  follower.take(9);
  follower.enactment.obey({ spec: 'spec 4', limits: new Map([['checkout', 7]]) });
  assert.equal(follower.limit, 9);
  follower.take(4);
  assert.equal(follower.limit, 7);
});
