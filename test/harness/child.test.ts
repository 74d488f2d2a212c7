import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { Child } from './child.js';
import { stopEverything } from './ending.js';
import { scratchFolder } from './scratch.js';
import { waitUntil } from './wait-until.js';

after(stopEverything);

const folder = scratchFolder('children');
const sleeper = (name: string) => ({
  title: name,
  command: 'sleep',
  args: ['600'],
  logFile: path.join(folder, `${name}.log`),
});

/** Zombies are gone, too: they wait for nobody but their parent. */
function isAlive(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && !/\) Z /.test(readFileSync(stat, 'utf8'));
}

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}

test('a child is stopped by its own id', async () => {
  const child = await Child.start(sleeper('stopped'));
  assert.equal(isAlive(child.pid), true);
  assert.deepEqual(await child.stop(), { code: null, signal: 'SIGTERM' });
  assert.equal(isAlive(child.pid), false);
});

test('a child does not outlive a test process that is killed', async () => {
  const program = path.join(folder, 'parent.mts');
  writeFileSync(
    program,
    `import { Child } from ${JSON.stringify(path.join(import.meta.dirname, 'child.js'))};
     const child = await Child.start(${JSON.stringify(sleeper('orphan'))});
     process.stdout.write(String(child.pid));`,
  );
  const parent = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), program]);
  const pid = Number(await new Promise<Buffer>((resolve) => parent.stdout.once('data', resolve)));
  // Until then it is still setpriv, which has yet to tie it to its parent.
  await waitUntil('it has become the command', () => nameOf(pid) === 'sleep');
  parent.kill('SIGKILL');
  await waitUntil('the orphan is gone', () => !isAlive(pid));
});

test('a program that cannot be started is an error, and one that ended will never be ready', async () => {
  const child = await Child.start({ ...sleeper('missing'), command: '/no/such/program' });
  await child.exited;
  assert.throws(() => child.assertRunning(), /no\/such\/program/);
});

test('waiting in vain says for what, and why the last look failed', async () => {
  const look = () => {
    throw new Error('still raining');
  };
  await assert.rejects(waitUntil('the sun shines', look, 30), (error: Error) => {
    assert.match(error.message, /within 30 ms: the sun shines/);
    assert.match((error.cause as Error).message, /still raining/);
    return true;
  });
});
