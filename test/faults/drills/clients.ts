/** What clients do. */
import { setTimeout as pause } from 'node:timers/promises';
import { postgresSession } from '../../e2e/sessions.js';
import type { Postgres } from '../../harness/postgres.js';
import { waitUntil } from '../../harness/wait-until.js';
import type { Drill } from '../drill.js';
import type { Field } from '../field.js';
import { account, ownService } from '../ground.js';

const statementSeconds = 30;
const betweenLooksMs = 50;

/** A statement that nobody waits for any more: Postgres carries it out all the same. */
export const vanished: Drill<Field<Postgres>> = {
  name: 'clients vanish in mid-query, their statements run for 30 seconds',
  excuses: {},
  async fault({ sluice, orders: { server }, budget }, { crowd, found }) {
    const count = budget / 2;
    const running = async (): Promise<number> => {
      const [row] = await server.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query = '${statement}'`,
      );
      return row!.n;
    };
    const sessions = await Promise.all(
      Array.from({ length: count }, () => postgresSession(sluice, ownService, account)),
    );
    for (const session of sessions) session.query(statement).catch(() => undefined);
    await waitUntil('all statements run', async () => (await running()) === count);
    const vanishedMs = performance.now();
    const servedBefore = crowd.served;
    for (const session of sessions) streamOf(session).destroy();

    const violations: string[] = [];
    let alive = count;
    while (alive > 0) {
      const slots = await taken();
      alive = await running();
      // The slots were counted first: none of them was given back before its statement had ended.
      if (slots < alive && violations.length === 0)
        violations.push(`I1: ${slots} slots of vanished clients counted, ${alive} of their statements run`);
      await pause(betweenLooksMs);
    }
    const goneMs = performance.now();
    const served = crowd.served - servedBefore;
    if (served === 0) violations.push('I3: nobody else was served meanwhile');
    if (goneMs - vanishedMs < (statementSeconds - 10) * 1_000)
      violations.push('the statements have not outlived their clients: nothing was tried');
    await waitUntil('their slots are free', async () => (await taken()) === 0);
    const free_ms = Math.round(performance.now() - goneMs);
    found({ violations, figures: { vanished: count, served_meanwhile: served, free_ms } });

    async function taken(): Promise<number> {
      const { services } = await sluice.brain.status();
      return services.find((row) => row.service === ownService)!.total!;
    }
  },
};

const statement = `SELECT pg_sleep(${statementSeconds})`;

function streamOf(session: object): { destroy(): void } {
  return (session as { readonly connection: { readonly stream: { destroy(): void } } }).connection.stream;
}
