import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { ServicePlan } from '../plan/plan.js';

const service = fc.record({
  maxConnections: fc.integer({ min: 1, max: 5 }),
  priority: fc.integer({ min: 0, max: 3 }),
  tenant: fc.constantFrom('shop', 'bank'),
});

interface Asked {
  readonly name: string;
  readonly of: string;
  readonly bornMs: number;
}

/** Who is next, straight from the words of the rule: no index, no memory. */
function expected(
  waiting: readonly Asked[],
  services: Readonly<Record<string, Partial<ServicePlan>>>,
  used: ReadonlyMap<string, number>,
  tenantLimit: number,
): string | undefined {
  const ofTenant = (tenant: string | undefined): number =>
    [...used].reduce((sum, [name, count]) => sum + (services[name]?.tenant === tenant ? count : 0), 0);
  const mayHave = ({ of }: Asked): boolean => {
    const { maxConnections = 0, tenant } = services[of] ?? {};
    return (used.get(of) ?? 0) < maxConnections && (tenant !== 'shop' || ofTenant(tenant) < tenantLimit);
  };
  const priority = ({ of }: Asked): number => services[of]?.priority ?? 0;
  return waiting
    .filter(mayHave)
    .sort((a, b) => priority(b) - priority(a) || a.bornMs - b.bornMs)
    .at(0)?.name;
}

test('whoever is next by priority and birth, among those whose limits have room, gets each slot that becomes free', () => {
  const asks = fc.array(fc.record({ of: fc.nat({ max: 3 }), waitedMs: fc.integer({ min: 0, max: 900 }) }), {
    minLength: 1,
    maxLength: 15,
  });
  fc.assert(
    fc.property(
      fc.array(service, { minLength: 4, maxLength: 4 }),
      asks,
      fc.nat({ max: 4 }),
      (given, checks, limit) => {
        const services = Object.fromEntries(given.map((each, i) => [`s${i}`, each]));
        const driven = DrivenLedger.recovered({
          targets: { [primary]: { budget: 4 } },
          tenants: { shop: limit + 1, bank: undefined },
          services: { ...services, filler: { maxConnections: 4, tenant: 'filler' } },
        });
        for (let i = 0; i < 4; i++) driven.open(`f${i}`, 100 + i, 'filler');
        // Births differ, so that the rule decides everything.
        const waiting = checks.map(({ of, waitedMs }, i) => {
          const asked = { name: `c${i}`, of: `s${of}`, bornMs: driven.nowMs - waitedMs - i / 100 };
          assert.deepEqual(driven.check(asked.name, asked.of, waitedMs + i / 100), []);
          return asked;
        });
        const used = new Map<string, number>();
        for (let i = 0; i < 4; i++) {
          const due = expected(waiting, services, used, limit + 1);
          const effects = driven.end(`f${i}`, 'server-closed', {}, 'filler');
          assert.deepEqual(effects, due === undefined ? [] : [`grant ${due}`]);
          const [granted] = waiting.splice(
            waiting.findIndex(({ name }) => name === due),
            due === undefined ? 0 : 1,
          );
          if (granted) used.set(granted.of, (used.get(granted.of) ?? 0) + 1);
        }
      },
    ),
  );
});

test('no service waits for ever: each gets a slot within its starvation time and two rounds of all services', () => {
  const priorities = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(priorities, fc.integer({ min: 10, max: 400 }), (given, everyMs) => {
      const names = given.map((_, i) => `s${i}`);
      const driven = DrivenLedger.recovered({
        targets: { [primary]: { budget: 2 } },
        services: Object.fromEntries(
          given.map((priority, i) => [`s${i}`, { priority, timeoutMs: 600_000, maxQueue: 5 }]),
        ),
      });
      let serial = 0;
      const open: { readonly name: string; readonly of: string }[] = [];
      const served = new Map(names.map((name) => [name, driven.nowMs]));
      const asked = new Map<string, string>();
      const take = (effects: readonly string[]): void => {
        for (const effect of effects) {
          const name = effect.replace('grant ', '');
          const of = asked.get(name)!;
          driven.report(name, { serverId: 1_000 + serial }, of);
          open.push({ name, of });
          served.set(of, driven.nowMs);
        }
      };
      const boundMs = driven.settings.starvationMs + 2 * given.length * everyMs;
      for (let round = 0; round < 150; round++) {
        for (const of of names)
          while (driven.service(of).waiters < 2) {
            const name = `c${serial++}`;
            asked.set(name, of);
            take(driven.check(name, of));
          }
        driven.nowMs += everyMs;
        const { name, of } = open.shift()!;
        take(driven.end(name, 'server-closed', {}, of));
        for (const each of open) driven.report(each.name, {}, each.of);
        for (const [of, lastMs] of served)
          assert.ok(
            driven.nowMs - lastMs <= boundMs,
            `${of} has waited ${driven.nowMs - lastMs} of ${boundMs} ms`,
          );
      }
    }),
    { numRuns: 30 },
  );
});

test('guaranteed shares are there whenever they are asked for, whatever others want', () => {
  const shares = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 4 });
  const steps = fc.array(fc.record({ of: fc.nat({ max: 3 }), end: fc.boolean() }), { maxLength: 60 });
  fc.assert(
    fc.property(shares, fc.nat({ max: 3 }), steps, (given, spare, schedule) => {
      const budget = given.reduce((sum, share) => sum + share, 0) + spare;
      if (budget === 0) return;
      const driven = DrivenLedger.recovered({
        targets: { [primary]: { budget } },
        services: Object.fromEntries(
          given.map((guaranteed, i) => [
            `s${i}`,
            { guaranteed, maxQueue: 0, priority: i, maxConnections: budget },
          ]),
        ),
      });
      const open = given.map((): string[] => []);
      for (const [i, step] of schedule.entries()) {
        const of = step.of % given.length;
        const name = `s${of}`;
        if (step.end) {
          const over = open[of]!.pop();
          if (over !== undefined) driven.end(over, 'never-opened', {}, name);
          continue;
        }
        const wasGranted = driven.check(`c${i}`, name)[0] === `grant c${i}`;
        if (open[of]!.length < given[of]!) assert.ok(wasGranted, `${name} was refused within its share`);
        if (wasGranted) open[of]!.push(`c${i}`);
      }
    }),
  );
});
