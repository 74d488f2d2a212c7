/** COPY of many megabytes into Postgres and out again, each way compared with what was sent. */
import { spawn } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { libpqOf, type Way } from './sides.js';

export interface Copied {
  readonly bytes: number;
  readonly sha256: string;
  readonly ms: number;
}

const rowsOf1KiB = 1024;

/** A mebibyte of rows of one kibibyte each, in COPY's text format; all different. */
function* mebibytes(count: number): Generator<Buffer> {
  for (let n = 0; n < count; n += 1) {
    const rows: string[] = [];
    for (let i = 0; i < rowsOf1KiB; i += 1) {
      const number = String(n * rowsOf1KiB + i).padStart(12, '0');
      rows.push(
        `${number}\t${createHash('sha256').update(number).digest('hex').repeat(16).slice(0, 1010)}\n`,
      );
    }
    yield Buffer.from(rows.join(''));
  }
}

/** @throws when psql does not end well */
async function psql(way: Way, sql: string, feed: Iterable<Buffer>, hash: Hash): Promise<number> {
  const child = spawn(
    'setpriv',
    ['--pdeathsig=KILL', '--', 'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', `--command=${sql}`],
    { env: { ...process.env, ...libpqOf(way) }, stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let bytes = 0;
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  // Whoever ends too early says why on standard error.
  child.stdin.on('error', () => {});
  const ended = once(child, 'close');
  for (const chunk of feed)
    if (!child.stdin.write(chunk)) await Promise.race([once(child.stdin, 'drain'), ended]);
  child.stdin.end();
  const [code] = await ended;
  if (code !== 0) throw new Error(`psql ended (${code}): ${said}`);
  return bytes;
}

/** Fills the table `copied` anew. What was sent. */
export async function copyIn(way: Way, megabytes: number): Promise<Copied> {
  const none = createHash('sha256');
  await psql(
    way,
    'DROP TABLE IF EXISTS copied; CREATE UNLOGGED TABLE copied (n text, content text)',
    [],
    none,
  );
  const hash = createHash('sha256');
  let bytes = 0;
  function* counted(): Generator<Buffer> {
    for (const chunk of mebibytes(megabytes)) {
      bytes += chunk.length;
      hash.update(chunk);
      yield chunk;
    }
  }
  const started = performance.now();
  await psql(way, 'COPY copied FROM STDIN', counted(), none);
  return { bytes, sha256: hash.digest('hex'), ms: performance.now() - started };
}

/** What came of the table `copied`, in the order in which it was filled. */
export async function copyOut(way: Way): Promise<Copied> {
  const hash = createHash('sha256');
  const started = performance.now();
  const bytes = await psql(way, 'COPY copied TO STDOUT', [], hash);
  return { bytes, sha256: hash.digest('hex'), ms: performance.now() - started };
}
