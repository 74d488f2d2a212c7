/** A service is added and another resized while clients come and go: nobody is dropped, the limit holds throughout. */
import { Load } from '../../test/e2e/load.js';
import { backendOf, postgresSession } from '../../test/e2e/sessions.js';
import { peakWhile } from '../../test/harness/peak.js';
import { observer } from '../../test/harness/protected-database.js';
import { bar, type Finding, type Stage } from '../stage.js';
import { account, budget, type World } from '../world.js';

const login = { ...account, database: 'users' };
const clients = 24;
const [small, large, least] = [4, 8, 3];

export async function changes(world: World, stage: Stage): Promise<Finding[]> {
  stage.act(`Changes under load: ${clients} clients come and go on accounts`);
  const { sluice, users } = world;
  const steady = await postgresSession(sluice, 'accounts', login);
  const backend = await backendOf(steady);
  const load = new Load(clients, async () => {
    const session = await postgresSession(sluice, 'accounts', login);
    await session.query('SELECT pg_sleep(0.02)');
    await session.end();
  });
  const phases: { readonly what: string; readonly limit: number; readonly peak: number }[] = [];
  const phase = async (what: string, limit: number, work: () => Promise<unknown>) => {
    const count = async () => {
      const now = await users.server.count(undefined, [observer]);
      stage.live(`   ${what}: in the database ${bar(now, budget)} ${now}   served ${load.served}`);
      return now;
    };
    const { peak } = await peakWhile(count, work);
    phases.push({ what, limit, peak });
    stage.say(`   ${what}: at most ${peak} of ${limit} in the database`);
  };
  const resizeTo = (limit: number) =>
    sluice.change((spec) => {
      spec.services!.accounts!.max_connections = limit;
    });

  await phase(`limit ${small}`, small, () => load.serve(60));
  let newcomer = '';
  await phase('a service is added', small + 1, async () => {
    const started = performance.now();
    await sluice.change((spec) => {
      spec.services!.newcomer = sluice.service('newcomer', {
        tenant: 'shop',
        database: 'users',
        max_connections: 1,
      });
    });
    const inForceMs = Math.round(performance.now() - started);
    const session = await postgresSession(sluice, 'newcomer', login);
    newcomer = `in force on Envoy ${inForceMs} ms after it was saved`;
    await session.end();
  });
  await phase(`resized from ${small} to ${large}`, large, () => resizeTo(large));
  await phase(`limit ${large}`, large, () => load.serve(100));
  await phase(`resized from ${large} to ${least}`, large, async () => {
    await resizeTo(least);
    await sluice.brain.waitForAtMost('accounts', least);
  });
  await phase(`limit ${least}`, least, () => load.serve(60));
  await load.stop();
  const [sameBackend, tooMany] = [(await backendOf(steady)) === backend, users.server.hasSaidTooMany];
  await steady.end();

  const over = phases.filter(({ peak, limit }) => peak > limit);
  const full = phases.filter(({ what, peak, limit }) => what.startsWith('limit') && peak === limit);
  return [
    {
      claim: 'a service is added under load and works at once',
      seen: newcomer || 'it does not',
      holds: newcomer !== '',
    },
    {
      claim: 'resizing under load never overshoots',
      seen: over.length
        ? over.map(({ what, peak }) => `${what}: ${peak}`).join(', ')
        : `${small}, ${large}, ${least} as counted by the database`,
      holds: over.length === 0 && full.length === 3 && !tooMany,
    },
    {
      claim: 'and drops nobody',
      seen: `${load.served} served, ${load.problems.length} problems${load.problems.length ? ` (${String(load.problems[0])})` : ''}, the open session ${sameBackend ? 'is the same' : 'was lost'}`,
      holds: load.problems.length === 0 && sameBackend,
    },
  ];
}
