/** Two of the fault drills, held as `make faults` holds them and with fewer clients; docs/faults.md has all of them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Crowd } from '../faults/crowd.js';
import { hold } from '../faults/drill.js';
import { brainKilled, envoyKilled } from '../faults/drills/processes.js';
import { Field } from '../faults/field.js';
import { account, service } from '../faults/ground.js';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';

let field: Field<Postgres>;
let crowd: Crowd;

before(async () => {
  field = await Field.postgres();
  crowd = new Crowd(field.sluice, { service, account, clients: 100, workMs: [100, 500], vanishing: 0.05 });
  crowd.start();
});

after(async () => {
  await crowd.leave();
  await stopEverything();
});

for (const drill of [brainKilled, envoyKilled])
  test(`a flood of 100 clients for 20 connections, ${drill.name}: the budget holds, all are served, no slot is lost`, {
    timeout: 90_000,
  }, async () => {
    const { violations, served, peak, looks } = await hold(drill, field, crowd);
    assert.deepEqual(violations, []);
    assert.equal(peak, field.budget);
    assert.ok(served > field.budget && looks > 100, `${served} served, looked ${looks} times`);
  });
