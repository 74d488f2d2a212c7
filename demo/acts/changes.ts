/** A service is added and another resized while clients come and go: nobody is dropped, the limit holds throughout. */
import { backendOf, postgresSession } from '../../test/e2e/sessions.js';
import { peakWhile } from '../../test/harness/peak.js';
import { observer } from '../../test/harness/protected-database.js';
import { waitUntil } from '../../test/harness/wait-until.js';
import { bar, type Finding, type Stage } from '../stage.js';
import { account, budget, type World } from '../world.js';

const login = { ...account, database: 'users' };
const clients = 24;
const [small, large, least] = [4, 8, 3];

/** Clients that connect, work a little and leave, again and again: more of them than there are ever connections. */
class Load {
  served = 0;
  readonly problems: unknown[] = [];
  #isOver = false;
  readonly #clients: Promise<unknown>;

  constructor(world: World) {
    this.#clients = Promise.all(Array.from({ length: clients }, () => this.#work(world)));
  }

  async #work({ sluice }: World): Promise<void> {
    while (!this.#isOver && this.problems.length === 0) {
      try {
        const session = await postgresSession(sluice, 'accounts', login);
        await session.query('SELECT pg_sleep(0.02)');
        await session.end();
        this.served += 1;
      } catch (error) {
        this.problems.push(error);
      }
    }
  }

  /** Until this many more have been served. */
  async serve(more: number): Promise<void> {
    const goal = this.served + more;
    await waitUntil(`${more} more clients are served`, () => this.problems.length > 0 || this.served >= goal);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#clients;
  }
}

export async function changes(world: World, stage: Stage): Promise<Finding[]> {
  stage.act(`Changes under load: ${clients} clients come and go on accounts`);
  const { sluice, users } = world;
  const steady = await postgresSession(sluice, 'accounts', login);
  const backend = await backendOf(steady);
  const load = new Load(world);
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
    // The ledger is asked, because Postgres lists no session that is still logging in; what it says is then held
    // against the database's own count.
    await waitUntil('sessions above the new limit have ended', async () => {
      const { services } = await sluice.brain.status();
      return services.some(({ service, total }) => service === 'accounts' && total <= least);
    });
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
