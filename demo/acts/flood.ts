/** A hundred clients, a budget of ten, and a database that has room for not one more. */
import { postgresSession } from '../../test/e2e/sessions.js';
import { peakWhile } from '../../test/harness/peak.js';
import { observer } from '../../test/harness/protected-database.js';
import { bar, type Finding, type Stage } from '../stage.js';
import { account, budget, type World } from '../world.js';

const clients = 100;

export async function flood({ orders, sluice }: World, stage: Stage): Promise<Finding[]> {
  stage.act(`${clients} clients at once, a budget of ${budget}`);
  stage.say(
    `   The database takes ${orders.input.capacity} connections: ${budget} for clients, ${orders.input.reserve} in reserve, where the observer lives. (One more is the demo’s, to count.)`,
  );
  let served = 0;
  const problems: string[] = [];
  const client = async () => {
    try {
      const session = await postgresSession(sluice, 'checkout', { ...account, database: 'orders' });
      await session.query('SELECT pg_sleep(0.1)');
      await session.end();
      served += 1;
    } catch (error) {
      problems.push(String(error));
    }
  };
  const count = async () => {
    const now = await orders.server.count(undefined, [observer]);
    stage.live(`   in the database ${bar(now, budget)} ${now}   served ${served} of ${clients}`);
    return now;
  };
  const started = performance.now();
  const { peak, looks } = await peakWhile(count, () => Promise.all(Array.from({ length: clients }, client)));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  stage.say(
    `   served ${served} of ${clients} in ${seconds} s; the database’s own count, taken ${looks} times: at most ${peak}`,
  );
  const tooMany = orders.server.hasSaidTooMany;
  return [
    {
      claim: `${clients} clients share ${budget} connections and all are served`,
      seen: `${served} served${problems.length ? `, first problem: ${problems[0]}` : ''}`,
      holds: served === clients,
    },
    {
      claim: 'the database itself never counts more than the budget',
      seen: `at most ${peak} of ${budget} in ${looks} looks`,
      holds: peak <= budget && looks > 20,
    },
    {
      claim: 'the database never says "too many connections"',
      seen: tooMany ? 'it did' : 'not once in its log',
      holds: !tooMany,
    },
  ];
}
