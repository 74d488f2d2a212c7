/** Reports that come late, or never; for a field with a large budget whose flood comes through the second Envoy alone. */
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { postgresSession } from '../../e2e/sessions.js';
import type { Postgres } from '../../harness/postgres.js';
import { waitUntil } from '../../harness/wait-until.js';
import type { Drill } from '../drill.js';
import type { Field } from '../field.js';
import { account, ownService } from '../ground.js';

/** What is left to the flood. */
const spared = 20;
const cutMs = 75_000;
const againWithinMs = 60_000;
/** From the mending of the network until what the node has kept has come. */
const toldWithinMs = 5_000;

export const lostReports: Drill<Field<Postgres>> = {
  name: 'access log cut for over a minute, hundreds of sessions end meanwhile',
  // Held checks find no brain for longer than they look for one; and the socket of an Envoy is closed with clients in it.
  excuses: { refused: ['57P03'], closed: true },
  async fault(field, { found }) {
    const { sluice, links, orders } = field;
    // Whoever comes, comes to the one that is cut off.
    await sluice.envoy.stopListening();
    const sessions = await openTogether(field, orders.budget - spared);
    links.brain.cut();
    await pause(cutMs);
    await Promise.all(sessions.map((session) => session.end()));
    const endedMs = performance.now();
    await waitUntil('no slot of theirs is taken', async () => (await taken()) === 0, againWithinMs);
    const freeMs = performance.now();
    links.brain.mend();
    await pause(toldWithinMs);
    const lost = sessions.length - (await told());
    found({
      figures: {
        sessions: sessions.length,
        ends_lost: lost,
        // What an end costs that nobody tells of, with the database in sight.
        free_after_last_end_ms: Math.round(freeMs - endedMs),
      },
    });

    /** Ends that the brain has heard of. */
    async function told(): Promise<number> {
      const metrics = (await sluice.brain.metrics()).split('\n');
      const line = metrics.find(
        (each) =>
          each.startsWith('sluice_session_duration_seconds_count{') &&
          each.includes(`service="${ownService}"`),
      );
      return Number(line?.split(' ').at(-1) ?? 0);
    }

    async function taken(): Promise<number> {
      const { services } = await sluice.brain.status();
      return services.find((row) => row.service === ownService)!.total!;
    }
  },
};

/** Some at a time: each login takes a slot of the flood's. */
async function openTogether({ sluice }: Field, count: number): Promise<pg.Client[]> {
  const sessions: pg.Client[] = [];
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (count > 0) {
        count -= 1;
        sessions.push(await come());
      }
    }),
  );
  return sessions;

  /** Whoever stood in the socket that was closed comes again. */
  async function come(): Promise<pg.Client> {
    for (let time = 1; ; time += 1) {
      try {
        return await postgresSession(sluice, ownService, account);
      } catch (error) {
        if (time === 3) throw error;
      }
    }
  }
}
