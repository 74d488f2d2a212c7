import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { Desk } from '../pure/peers/desk.js';
import { Following } from './following.js';
import type { Leading } from './leading.js';

const now = (): number => performance.now();
const asked = { pid: 7, secret: Buffer.from('1234'), address: '10.0.0.9' };
const meant = { connection: 'a'.repeat(32), frontId: 5 };

test('a cancel and a KILL that came while nobody led are carried out by this very brain when it leads', async () => {
  const cancelled: unknown[] = [];
  const found: unknown[] = [];
  let leading: Pick<Leading, 'cancel' | 'find'> | undefined;
  const following = new Following({
    now,
    log: pino({ level: 'silent' }),
    desk: new Desk({ pass: () => undefined, now, sessionsKeptMs: 0 }),
    leading: () => leading as Leading | undefined,
    credentials: () => undefined,
    answered: () => undefined,
    limits: () => ({ spec: '', limits: new Map() }),
    obey: () => undefined,
    whenHas: async () => true,
  });
  following.turnTo({ kind: 'nobody' }, 'b');
  const interrupted = following.interrupt(asked);
  const killed = following.find(meant, 'edge-1');
  leading = {
    cancel: async (request) => void cancelled.push(request),
    find: async (...question) => {
      found.push(question);
      return 77;
    },
  };
  following.turnTo({ kind: 'leader', term: 1, untilMs: Number.POSITIVE_INFINITY }, 'b');
  following.askHere();
  await interrupted;
  assert.equal(await killed, 77);
  assert.deepEqual(cancelled, [asked]);
  assert.deepEqual(found, [[meant, 'edge-1']]);
  following.stop();
});
