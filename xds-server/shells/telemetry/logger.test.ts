import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLogger, type LogLevel } from './logger.js';

function logged(
  level: LogLevel,
  say: (log: ReturnType<typeof createLogger>) => void,
): Record<string, unknown>[] {
  const lines: string[] = [];
  say(createLogger(level, { write: (line: string) => void lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a line is JSON with a time that people and machines read, the level by name and what was said', () => {
  const [line] = logged('info', (log) => log.info({ service: 'checkout' }, 'granted'));
  assert.match(String(line!.time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual([line!.level, line!.message, line!.service], ['info', 'granted', 'checkout']);
});

test('what is below the level is not written', () => {
  const lines = logged('warn', (log) => {
    log.info('no');
    log.warn('yes');
  });
  assert.deepEqual(
    lines.map((line) => line.message),
    ['yes'],
  );
});

test('fields that hold credentials by name are cut out', () => {
  const [line] = logged('info', (log) =>
    log.info(
      { password: 'hunter2', observer: { user: 'o', password: 'hunter2' }, tls: { key: 'hunter2' } },
      'x',
    ),
  );
  assert.doesNotMatch(JSON.stringify(line), /hunter2/);
  assert.deepEqual(line!.observer, { user: 'o', password: '[secret]' });
});

test('lines go to stderr, the last ones too, and stdout stays free for data', () => {
  const program = `
    import { createLogger } from './xds-server/shells/telemetry/logger.ts';
    const log = createLogger('info');
    for (let line = 1; line <= 1000; line += 1) log.info({ line }, 'said');
    process.exit(0);`;
  const top = new URL('../../..', import.meta.url);
  const stdout = execFileSync(
    'sh',
    ['-c', 'node --import tsx --input-type=module -e "$0" 2>&1 >/dev/null', program],
    { cwd: top, encoding: 'utf8' },
  );
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  assert.equal(lines.length, 1000);
  assert.equal((JSON.parse(lines.at(-1)!) as { line: number }).line, 1000);
});

test('a log that cannot be written neither ends the program nor keeps it from ending', {
  timeout: 30_000,
}, async () => {
  const file = fileURLToPath(new URL('./logger.ts', import.meta.url));
  const program = `
    const { createLogger } = await import(${JSON.stringify(file)});
    const log = createLogger('info');
    log.info('one');
    setTimeout(() => log.info('two'), 100);
    setTimeout(() => process.exit(7), 200);`;
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', full],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  closeSync(full);
  assert.deepEqual(await once(child, 'exit'), [7, null]);
});
