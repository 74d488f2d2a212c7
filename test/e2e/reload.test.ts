/** I7 for a spec file: a saved change is on Envoy at once, a broken one changes nothing and says why. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { backendOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'orders' };

let orders: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  orders = await protectedPostgres('orders', {
    budget: 30,
    accounts: [{ name: account.user, password: account.password }],
    databases: ['orders'],
  });
  sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 5 } },
  });
});

after(stopEverything);

test('a saved limit is on Envoy within 200 ms', { timeout: 30_000 }, async () => {
  const took: number[] = [];
  for (let limit = 11; limit <= 20; limit += 1) {
    sluice.file.spec.services!.checkout!.max_connections = limit;
    const saved = performance.now();
    sluice.file.save();
    await waitUntil(
      `Envoy has ${limit}`,
      async () => (await sluice.envoy.limitOf('checkout')) === String(limit),
    );
    took.push(performance.now() - saved);
  }
  took.sort((a, b) => a - b);
  // The looks themselves are in these times; half of all may have met a busy machine.
  assert.ok(took[took.length / 2]! < 200, `ms: ${took.map(Math.round).join(' ')}`);
});

/** How often Envoy has taken clusters, listeners and limits. */
const updates = '(cds|lds|rtds)[^ ]*\\.update_(success|rejected)$|^runtime\\.load_success$';

const broken: readonly [what: string, text: string, said: RegExp][] = [
  ['no YAML', 'listeners: [', /yaml|flow|expected|unexpected/i],
  ['empty', '', /listeners|expected|empty/i],
  ['not a spec', 'hello: world\n', /hello/],
];

for (const [what, text, said] of broken) {
  test(`a spec that is ${what} changes nothing and says why`, { timeout: 30_000 }, async () => {
    const before = await sluice.brain.status();
    const updatesBefore = await sluice.envoy.stats(updates);
    const session = await postgresSession(sluice, 'checkout', account);
    const backend = await backendOf(session);

    sluice.file.saveText(text);
    const problems = await waitUntil('the brain says what is wrong', async () => {
      const { spec } = await sluice.brain.status();
      return spec.problems.length > 0 && spec.problems;
    });
    assert.match(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'), said);
    assert.equal((await sluice.brain.status()).spec.version, before.spec.version);
    assert.deepEqual(await sluice.envoy.stats(updates), updatesBefore);
    assert.equal(await backendOf(session), backend);
    await session.end();
    await (await postgresSession(sluice, 'checkout', account)).end();

    sluice.file.save();
    await waitUntil(
      'the mended spec is taken',
      async () => (await sluice.brain.status()).spec.problems.length === 0,
    );
  });
}

test('a spec with a typo names the field, what was expected and the nearest known name', {
  timeout: 30_000,
}, async () => {
  const before = (await sluice.brain.status()).spec.version;
  const { checkout } = sluice.file.spec.services!;
  const { max_connections: limit, ...others } = checkout!;
  sluice.file.spec.services = {
    checkout: { ...others, max_conections: limit } as unknown as typeof checkout & {},
  };
  sluice.file.save();
  const problems = await waitUntil('the brain says what is wrong', async () => {
    const { spec } = await sluice.brain.status();
    return spec.problems.length > 0 && spec.problems;
  });
  const text = problems.map(({ path, message }) => `${path}: ${message}`).join('\n');
  assert.match(text, /services\.checkout/);
  assert.match(text, /max_conections/);
  assert.match(text, /max_connections/);
  assert.equal((await sluice.brain.status()).spec.version, before);
});
