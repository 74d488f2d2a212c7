/** Of several replicas one may be down: new sessions go to the others. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const budget = 12;

let replicas: readonly Protected<Postgres>[];
let sluice: Sluice;

before(async () => {
  const options = { budget, accounts: [{ name: 'ann', password }], databases: ['orders'] };
  const [primary, ...others] = (await Promise.all(
    ['primary', 'replica-1', 'replica-2'].map((name) => protectedPostgres(name, options)),
  )) as [Protected<Postgres>, ...Protected<Postgres>[]];
  replicas = others;
  const endpoints = others.flatMap(({ input }) =>
    input.endpoints.map((each) => ({ ...each, role: 'replica' as const })),
  );
  sluice = await Sluice.start({
    databases: {
      fleet: {
        ...primary,
        input: { ...primary.input, endpoints: [...primary.input.endpoints, ...endpoints] },
      },
    },
    services: { reader: { database: 'fleet', db_role: 'replica', max_connections: budget } },
  });
});

after(stopEverything);

/** @returns the server's port, or the error's code */
async function asks(): Promise<string> {
  let session: pg.Client | undefined;
  try {
    session = await postgresSession(sluice, 'reader', ann);
    const { rows } = await session.query<{ port: string }>("SELECT current_setting('port') AS port");
    return rows[0]!.port;
  } catch (error) {
    return (error as { code?: string }).code ?? 'broken';
  } finally {
    await session?.end();
  }
}

test('a replica that is down turns away who meets it first, and nobody else', {
  timeout: 60_000,
}, async () => {
  const [down, up] = replicas as [Protected<Postgres>, Protected<Postgres>];
  await down.server.stop();
  // The one that is down has the fewest sessions.
  const held = await Promise.all(
    [0, 1].map(() => postgresSession(sluice, 'reader', ann).catch(() => undefined)),
  );
  const told: string[] = [];
  for (let i = 0; i < 30; i += 1) told.push(await asks());
  await Promise.all(held.map((session) => session?.end()));
  const there = told.filter((each) => each === String(up.server.port)).length;
  assert.ok(there >= 25, told.join(' '));
});
