/** The simulation has to find what it is there for: each test breaks one rule of the ledger and waits to be told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerEffect, LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import type { ServicePlan } from '../../xds-server/pure/plan/plan.js';
import { Violation } from './violation.js';
import { World } from './world.js';

type Twist = (event: LedgerEvent, apply: (event: LedgerEvent) => LedgerEffect[]) => LedgerEffect[];

/** @returns the invariant that was violated first, in some of so many worlds. */
function found(twist: Twist): string | undefined {
  class Twisted extends Ledger {
    override apply(event: LedgerEvent, nowMs: number): LedgerEffect[] {
      return twist(event, (given) => super.apply(given, nowMs));
    }
  }
  for (let seed = 1; seed <= 400; seed++) {
    try {
      new World(seed, undefined, (settings) => new Twisted(settings)).run(200);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return error.message.split(':')[0];
    }
  }
  return undefined;
}

test('a slot that is freed without asking the database is found', () => {
  const twist: Twist = (event, apply) =>
    apply(
      event.kind === 'end' && event.evidence === 'proxy-closed'
        ? { ...event, evidence: 'server-closed' }
        : event,
    );
  assert.equal(found(twist), 'I1');
});

test('a list that is taken for younger than it is, is found', () => {
  const twist: Twist = (event, apply) =>
    apply(event.kind === 'observed' ? { ...event, askedAtMs: event.askedAtMs + 1_000 } : event);
  assert.equal(found(twist), 'I1');
});

test('logins that are taken for listed are found', () => {
  const twist: Twist = (event, apply) =>
    apply(event.kind === 'observed' ? { ...event, listsLogins: true } : event);
  assert.equal(found(twist), 'I1');
});

test('a database that is never asked again is found: closing slots stay', () => {
  const twist: Twist = (event, apply) =>
    event.kind === 'observed' && event.askedAtMs > 1_000 ? [] : apply(event);
  assert.equal(found(twist), 'I4');
});

test('a waiter that is not answered is found', () => {
  const twist: Twist = (event, apply) =>
    apply(event).filter((effect) => effect.kind !== 'refuse' || effect.refusal.reason !== 'wait_timeout');
  assert.equal(found(twist), 'I3');
});

test('a session that may do all in the place of one for KILL alone is found', () => {
  const twist: Twist = (event, apply) =>
    apply(event).map((effect) => {
      if (effect.kind !== 'grant') return effect;
      const { onlyKill: _, ...grant } = effect;
      return grant;
    });
  assert.equal(found(twist), 'I1');
});

test('a kill reserve that is thought to be larger is found', () => {
  const twist: Twist = (event, apply) => {
    if (event.kind !== 'plan') return apply(event);
    const services = [...event.plan.services].map(([name, service]): [string, ServicePlan] => [
      name,
      { ...service, killReserve: service.killReserve && service.killReserve + 1 },
    ]);
    return apply({ kind: 'plan', plan: { ...event.plan, services: new Map(services) } });
  };
  assert.equal(found(twist), 'I1');
});
