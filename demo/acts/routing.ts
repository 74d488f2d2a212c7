/** Unmodified clients, each by its own normal options: the name that it connects to decides where it gets. */

import type { Login, Told } from '../../test/e2e/clients/conversation.js';
import { clientPrograms } from '../../test/e2e/clients.js';
import { mariadbCli, pgbench } from '../../test/e2e/command-line.js';
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
  const named = clientPrograms.filter(({ sendsName }) => sendsName);
  const work = named.map(({ name, protocol, run }) => async () => {
    const ways = routes[protocol];
    stage.live(`   ${name} connects to ${ways.map(({ service }) => hostnameOf(service)).join(', ')}`);
    const port = protocol === 'postgres' ? sluice.ports.pg : sluice.ports.mysql;
    const told = await run(
      ways.map(({ service, database }) => login(service, database, port)),
      sluice.clientEnvironment,
    );
    for (const [index, { service, database }] of ways.entries())
      note(name, hostnameOf(service), database, told[index]!);
  });
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
