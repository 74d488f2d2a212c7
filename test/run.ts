/**
 * Runs every test there is, in the order in which they fail soonest, and says where the time went. The last line is
 * `N passed, N failed`; the exit code is 0 only when nothing failed and nothing was left out.
 *
 *   node --import tsx test/run.ts [--built] [SUITE...]     those named, or all but the optional ones
 *
 * With `--built` the brain is what was last built, otherwise its sources.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { runBuiltProgram } from './harness/program.js';

const top = path.resolve(import.meta.dirname, '..');

interface Suite {
  readonly name: string;
  /** Needs what `make setup` does not fetch, or long: runs only when it is named. */
  readonly optional?: boolean;
  readonly run: () => Promise<Outcome>;
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Could not be told here, and says why. */
  readonly skipped?: number;
  /** Test files with the time each took, where a suite has files. */
  readonly files?: ReadonlyMap<string, number>;
  /** Each test that failed, and why. */
  readonly failures?: readonly string[];
}

const cores = availableParallelism();

/** A file that takes longer than this hangs. */
const fileTimeoutMs = 180_000;

const folders = {
  golden: 'test/golden/',
  feature: 'test/feature/',
  simulation: 'test/simulation/',
  'end to end': 'test/e2e/',
  mysql: 'test/mysql/',
  long: 'test/long/',
} as const;

/**
 * These hold times against a bound, or take every core there is. The other end-to-end files wait for most of their time
 * (for reports, deadlines, the start of a brain), so one a core leaves none of them short.
 */
const alone: readonly string[] = [
  'test/e2e/faults.test.ts',
  'test/e2e/hostile-crowd.test.ts',
  'test/e2e/leader.test.ts',
  'test/e2e/reload.test.ts',
  'test/e2e/take-over.test.ts',
  'test/e2e/timeout.test.ts',
];

const suites: readonly Suite[] = [
  { name: 'filters', run: cargoTests },
  { name: 'units', run: () => nodeTests(testFiles(elsewhere), cores) },
  { name: 'golden', run: () => nodeTests(testFiles(within(folders.golden)), cores) },
  { name: 'feature', run: () => nodeTests(testFiles(within(folders.feature)), cores) },
  { name: 'simulation', run: () => nodeTests(testFiles(within(folders.simulation)), cores) },
  { name: 'end to end', run: () => nodeTests(testFiles(togetherEndToEnd), cores) },
  { name: 'alone', run: () => nodeTests(testFiles(isAlone), 1) },
  { name: 'mysql', optional: true, run: () => nodeTests(testFiles(within(folders.mysql)), cores) },
  { name: 'long', optional: true, run: () => nodeTests(testFiles(within(folders.long)), 1, 1_800_000) },
];

function within(folder: string): (file: string) => boolean {
  return (file) => file.startsWith(folder);
}

function isAlone(file: string): boolean {
  return alone.includes(file);
}

function togetherEndToEnd(file: string): boolean {
  return within(folders['end to end'])(file) && !isAlone(file);
}

/** Everything that no other suite has, so that no test file is left out. */
function elsewhere(file: string): boolean {
  return !Object.values(folders).some((folder) => file.startsWith(folder));
}

const sources = ['xds-server', 'demo', 'protos', 'test'];

function testFiles(isWanted: (file: string) => boolean): string[] {
  return sources
    .flatMap((folder) =>
      readdirSync(path.join(top, folder), { recursive: true, encoding: 'utf8' }).map(
        (file) => `${folder}/${file}`,
      ),
    )
    .filter((file) => file.endsWith('.test.ts') && isWanted(file))
    .sort()
    .map((file) => path.join(top, file));
}

function nodeTests(files: readonly string[], concurrency: number, timeout = fileTimeoutMs): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const failures: string[] = [];
    const outcome = { passed: 0, failed: 0, skipped: 0, files: new Map<string, number>(), failures };
    if (files.length === 0) return resolve(outcome);
    const events = run({ files: [...files], concurrency, timeout });
    const count = (key: 'passed' | 'failed') => (event: TestEvent) => {
      if (event.nesting === 0 && event.file !== undefined) {
        const file = path.relative(top, event.file);
        outcome.files.set(file, (outcome.files.get(file) ?? 0) + event.details.duration_ms);
      }
      if (event.details.type !== 'suite') outcome[event.skip === undefined ? key : 'skipped'] += 1;
    };
    events.on('test:pass', count('passed'));
    events.on('test:fail', count('failed'));
    events.on('test:fail', (event) => {
      if (event.details.type !== 'suite') failures.push(failureOf(event));
    });
    events.once('error', reject);
    const report = events.compose(new spec());
    report.once('end', () => resolve(outcome));
    report.pipe(process.stdout, { end: false });
  });
}

interface TestEvent {
  readonly nesting: number;
  readonly file?: string;
  readonly skip?: string | boolean;
  readonly details: { readonly duration_ms: number; readonly type?: string };
}

interface FailedTest {
  readonly name: string;
  readonly file?: string;
  readonly details: { readonly error: Error };
}

/** Where the failure is, and the first lines of what it says: a difference of two long values may have thousands. */
function failureOf({ name, file = top, details }: FailedTest): string {
  const { cause, message } = details.error;
  const said = (cause instanceof Error ? cause.message : String(cause ?? message))
    .split('\n')
    .slice(0, 20)
    .join('\n')
    .slice(0, 2_000);
  return `${path.relative(top, file)}: ${name}\n${said}`.replaceAll('\n', '\n    ');
}

function cargoTests(): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const args = ['test', '--quiet', '--locked', '--workspace', '--manifest-path', 'filters/Cargo.toml'];
    const cargo = spawn('cargo', args, { cwd: top, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    cargo.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      process.stdout.write(text);
    });
    cargo.once('error', reject);
    cargo.once('close', (code) => {
      const outcome = { passed: 0, failed: 0 };
      for (const [, passed, failed] of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)) {
        outcome.passed += Number(passed);
        outcome.failed += Number(failed);
      }
      // It did not compile, or a test brought the whole process down.
      if (code !== 0 && outcome.failed === 0) outcome.failed = 1;
      resolve(outcome);
    });
  });
}

function counts({ passed, failed, skipped }: Record<'passed' | 'failed' | 'skipped', number>): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`.padStart(9);
}

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    process.stderr.write(
      `no suite ${unknown.join(', ')}; there are: ${suites.map((s) => s.name).join(', ')}\n`,
    );
    process.exitCode = 2;
    return;
  }
  const rows: string[] = [];
  const slowest: [file: string, ms: number][] = [];
  const allFailures: string[] = [];
  const total = { passed: 0, failed: 0, skipped: 0, ms: 0 };
  for (const suite of suites) {
    if (names.length > 0 ? !names.includes(suite.name) : suite.optional) continue;
    process.stdout.write(`\n== ${suite.name}\n`);
    const started = performance.now();
    const {
      passed,
      failed,
      skipped = 0,
      files = new Map<string, number>(),
      failures = [],
    } = await suite.run();
    const ms = performance.now() - started;
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    total.ms += ms;
    slowest.push(...files);
    allFailures.push(...failures);
    rows.push(`${suite.name.padEnd(22)}${seconds(ms)}  ${counts({ passed, failed, skipped })}`);
  }
  slowest.sort(([, a], [, b]) => b - a);
  process.stdout.write(`\n== where the time went\n${rows.join('\n')}\n`);
  process.stdout.write(`${'all'.padEnd(22)}${seconds(total.ms)}\n`);
  for (const [file, ms] of slowest.slice(0, 8)) process.stdout.write(`  ${seconds(ms)}  ${file}\n`);
  // At the end, where it is still read when only the end of a long log is kept.
  for (const failure of allFailures) process.stdout.write(`\n== failed\n${failure}\n`);
  process.stdout.write(`\n${counts(total)}\n`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
}

const { values, positionals } = parseArgs({
  options: { built: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (values.built) runBuiltProgram();
await main(positionals);
