/** What to try next, on the very servers that the demo ran on. */
import path from 'node:path';
import { hostnameOf } from '../test/harness/sluice.js';
import type { Stage } from './stage.js';
import { account, type World } from './world.js';

export function invite({ sluice }: World, stage: Stage): void {
  const { host, ports, certificates, brain, file } = sluice;
  const admin = `${brain.admin.host}:${brain.admin.port}`;
  const cli = path.relative(process.cwd(), path.resolve(import.meta.dirname, '../bin/sluice'));
  const psql = (service: string, database: string) =>
    [
      `PGPASSWORD=${account.password} psql "host=${hostnameOf(service)} hostaddr=${host} port=${ports.pg}`,
      `user=${account.user} dbname=${database} sslmode=verify-full sslrootcert=${certificates.ca}"`,
    ].join(' ');
  const lines = [
    ['The status page:', `http://${admin}/`],
    ['Two Postgres, one port, told apart by name:', psql('checkout', 'orders')],
    ['', psql('accounts', 'users')],
    [
      'MariaDB; this client sends no name and gets the default service:',
      `MYSQL_PWD=${account.password} mariadb --host=${host} --port=${ports.mysql} --user=${account.user} --ssl-ca=${certificates.ca} reports`,
    ],
    ['A client with one connection too many (open two of these):', psql('impatient', 'users')],
    ['Who holds what, who waits:', `${cli} status --admin ${admin}`],
    ['', `${cli} sessions --admin ${admin}`],
    ['Change a limit and save; it is in force before you are back in the other window:', file.path],
  ];
  stage.say(`\n${stage.style('bold', 'All of it is still running. Try:')}`);
  for (const [what, how] of lines) {
    if (what) stage.say(`\n   ${what}`);
    stage.say(`     ${how}`);
  }
  stage.say(`\n${stage.style('bold', 'Ctrl-C ends it and leaves nothing behind.')}`);
}

/** Until the one who watches has had enough. The servers, being children, keep this process alive. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    // The harness would end the process at once and show its logs, as after a failed test.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.removeAllListeners(signal);
      process.once(signal, () => resolve());
    }
  });
}
