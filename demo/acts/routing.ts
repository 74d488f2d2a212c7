/** Unmodified clients, each by its own normal options: the name that it connects to decides where it gets. */

import type { Login, Told } from '../../test/e2e/clients/conversation.js';
import { clientPrograms, mariadbCli, pgbench } from '../../test/e2e/clients.js';
import { hostnameOf } from '../../test/harness/sluice.js';
import type { Finding, Stage } from '../stage.js';
import { account, type World } from '../world.js';

const routes = {
  postgres: [
    { service: 'checkout', database: 'orders' },
    { service: 'accounts', database: 'users' },
  ],
  mysql: [{ service: 'dashboard', database: 'reports' }],
} as const;

export async function routing({ sluice }: World, stage: Stage): Promise<Finding[]> {
  stage.act('Clients reach a database by the name they connect to, and keep their drivers');
  const login = (service: string, database: string, port: number): Login => ({
    ...account,
    ...{ host: hostnameOf(service), port, database, ca: sluice.certificates.ca },
  });
  const rows = [['client', 'connects to', 'is in']];
  let wrong = 0;
  const note = (client: string, service: string, database: string, told: Told | string) => {
    const reached = typeof told === 'string' ? told : 'message' in told ? told.message.trim() : told.database;
    if (reached !== database) wrong += 1;
    rows.push([client, service, reached]);
  };
  const work = clientPrograms.flatMap(({ name, protocol, run }) =>
    routes[protocol].map(({ service, database }) => async () => {
      stage.live(`   ${name} connects to ${hostnameOf(service)}`);
      const port = protocol === 'postgres' ? sluice.ports.pg : sluice.ports.mysql;
      note(
        name,
        hostnameOf(service),
        database,
        await run(login(service, database, port), sluice.clientEnvironment),
      );
    }),
  );
  await atOnce(2, work);
  const bench = await pgbench(login('checkout', 'orders', sluice.ports.pg), sluice.clientEnvironment);
  note(
    'pgbench',
    hostnameOf('checkout'),
    'orders',
    bench.processed === 40 ? 'orders' : JSON.stringify(bench),
  );
  const cli = await mariadbCli(login('nightly', 'reports', sluice.ports.mysql), sluice.clientEnvironment);
  note('mariadb CLI', 'no name sent', 'reports', cli);
  stage.columns(rows);
  stage.say(
    '   TLS verified against the service’s name, passwords by SCRAM and by MySQL’s own exchange with the server.',
  );
  return [
    {
      claim: 'each client is routed by its name',
      seen: `${rows.length - 1 - wrong} of ${rows.length - 1} reached the right database`,
      holds: wrong === 0,
    },
  ];
}

async function atOnce(most: number, work: readonly (() => Promise<void>)[]): Promise<void> {
  const left = [...work];
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) await next();
  };
  await Promise.all(Array.from({ length: most }, worker));
}
