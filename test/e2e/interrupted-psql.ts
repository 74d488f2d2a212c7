/** psql in a statement that sleeps, stopped as by Ctrl-C. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * @param env libpq's own variables, beside those that clients have here
 * @param isSleeping resolves when the server shows the statement; rejects when `assertRunning` throws
 * @returns what psql said of it
 */
export async function interruptedPsql(
  env: NodeJS.ProcessEnv,
  isSleeping: (assertRunning: () => void) => Promise<unknown>,
): Promise<string> {
  const child = spawn(
    'setpriv',
    ['--pdeathsig=KILL', '--', 'psql', '--no-psqlrc', '--command=SELECT pg_sleep(60)'],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'pipe'] },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    said += part;
  });
  const closed = once(child, 'close');
  await isSleeping(() => {
    if (child.exitCode !== null) throw new Error(`psql has ended: ${said}`);
  });
  child.kill('SIGINT');
  await closed;
  return said;
}
