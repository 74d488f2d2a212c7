/** Who gets a connection that becomes free: the higher priority, and within one who came first. */
import { postgresSession } from '../../test/e2e/sessions.js';
import type { Finding, Stage } from '../stage.js';
import { account, budget, type World } from '../world.js';

const each = 4;

export async function priorities({ sluice }: World, stage: Stage): Promise<Finding[]> {
  stage.act('Those who wait are served by priority');
  const login = { ...account, database: 'orders' };
  const holders = await Promise.all(
    Array.from({ length: budget }, () => postgresSession(sluice, 'batch', login)),
  );
  const served: string[] = [];
  const waiting: Promise<void>[] = [];
  for (const service of ['batch', 'checkout']) {
    for (let number = 1; number <= each; number += 1) {
      const turn = async () => {
        const session = await postgresSession(sluice, service, login);
        served.push(service);
        await session.end();
      };
      waiting.push(turn());
      await sluice.brain.waitForWaiters(service, number);
    }
  }
  stage.say(
    `   batch holds all ${budget}; first ${each} more of batch (priority 0) come to wait, then ${each} of checkout (priority 10)`,
  );
  await holders[0]!.end();
  await Promise.all(waiting);
  await Promise.all(holders.slice(1).map((session) => session.end()));
  stage.say(`   one connection becomes free and is passed on: ${served.join(', ')}`);
  const expected = [...Array(each).fill('checkout'), ...Array(each).fill('batch')];
  return [
    {
      claim: 'who waits with a higher priority is served first',
      seen: `${each} of checkout, who came last, before ${each} of batch: ${served.join() === expected.join() ? 'yes' : served.join()}`,
      holds: served.join() === expected.join(),
    },
  ];
}
