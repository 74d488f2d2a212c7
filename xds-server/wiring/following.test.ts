import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { Desk } from '../pure/peers/desk.js';
import { Following } from './following.js';
import type { Leading } from './leading.js';

const now = (): number => performance.now();
const asked = { pid: 7, secret: Buffer.from('1234'), address: '10.0.0.9' };
const meant = { connection: 'a'.repeat(32), frontId: 5 };

/** @param leading where this brain leads */
function following(leading: () => Pick<Leading, 'cancel' | 'find'> | undefined): Following {
  return new Following({
    now,
    log: pino({ level: 'silent' }),
    desk: new Desk({ pass: () => undefined, now, sessionsKeptMs: 0 }),
    leading: () => leading() as Leading | undefined,
    credentials: () => undefined,
    answered: () => undefined,
    limits: () => ({ spec: '', limits: new Map() }),
    obey: () => undefined,
    whenHas: async () => true,
  });
}

const leads = { kind: 'leader', term: 1, untilMs: Number.POSITIVE_INFINITY } as const;

test('a cancel and a KILL that came while nobody led are carried out by this very brain when it leads', async () => {
  const cancelled: unknown[] = [];
  const found: unknown[] = [];
  let leading: Pick<Leading, 'cancel' | 'find'> | undefined;
  const brain = following(() => leading);
  brain.turnTo({ kind: 'nobody' }, 'b');
  const interrupted = brain.interrupt(asked);
  const killed = brain.find(meant, 'edge-1');
  leading = {
    cancel: async (request) => void cancelled.push(request),
    find: async (...question) => {
      found.push(question);
      return 77;
    },
  };
  brain.turnTo(leads, 'b');
  brain.askHere();
  await interrupted;
  assert.equal(await killed, 77);
  assert.deepEqual(cancelled, [asked]);
  assert.deepEqual(found, [[meant, 'edge-1']]);
  brain.stop();
});

test('a cancel that is answered leaves no timer behind', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const brain = following(() => ({ cancel: async () => undefined, find: async () => 77 }));
  brain.turnTo(leads, 'b');
  brain.askHere();
  const before = timers();
  await Promise.all(Array.from({ length: 500 }, () => brain.interrupt(asked)));
  assert.equal(timers(), before);
  brain.stop();
});
