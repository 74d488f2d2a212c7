/** Reports that are lost for good; for a field with a large budget whose flood comes through the second Envoy alone. */
import type pg from 'pg';
import { postgresSession } from '../../e2e/sessions.js';
import type { Postgres } from '../../harness/postgres.js';
import { waitUntil } from '../../harness/wait-until.js';
import type { Drill } from '../drill.js';
import { account, type Field, ownService } from '../field.js';

/** What is left to the flood. */
const spared = 20;
const overflowWithinMs = 180_000;

export const lostReports: Drill<Postgres> = {
  name: 'access log cut for longer than its buffer, ends lost',
  // Held checks find no brain for longer than they look for one; and the socket of an Envoy is closed with clients in it.
  excuses: { refused: ['57P03'], closed: true },
  async fault(field, { found }) {
    const { sluice, links, orders, edge } = field;
    // Whoever comes, comes to the one that is cut off.
    await sluice.envoy.stopListening();
    const sessions = await openTogether(field, orders.budget - spared);
    links.brain.cut();
    const cutMs = performance.now();
    const dropped = () => edge.stat('access_logs.grpc_access_log.logs_dropped');
    await waitUntil('Envoy drops reports', async () => (await dropped()) > 0, overflowWithinMs);
    const overflowMs = performance.now();

    const droppedBefore = await dropped();
    await Promise.all(sessions.map((session) => session.end()));
    const endedMs = performance.now();
    await waitUntil('no slot of theirs is taken', async () => (await taken()) === 0);
    const freeMs = performance.now();
    const lost = (await dropped()) - droppedBefore;
    links.brain.mend();
    found({
      violations:
        lost >= sessions.length / 2 ? [] : [`only ${lost} reports of ${sessions.length} ends were lost`],
      figures: {
        sessions: sessions.length,
        buffer_held_ms: Math.round(overflowMs - cutMs),
        reports_lost: await dropped(),
        ends_lost: lost,
        // What a lost end costs, with the database in sight.
        free_after_last_end_ms: Math.round(freeMs - endedMs),
      },
    });

    async function taken(): Promise<number> {
      const { services } = await sluice.brain.status();
      return services.find((row) => row.service === ownService)!.total;
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
