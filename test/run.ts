/**
 * Runs every test there is, in the order in which they fail soonest, and says where the time went. The last line is
 * `N passed, N failed`; the exit code is 0 only when nothing failed and nothing was left out.
 *
 *   node --import tsx test/run.ts [SUITE...]     all suites, or those named
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const top = path.resolve(import.meta.dirname, '..');

interface Suite {
  readonly name: string;
  readonly run: () => Promise<Outcome>;
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Test files with the time each took, where a suite has files. */
  readonly files?: ReadonlyMap<string, number>;
}

const cores = availableParallelism();

/** A file that takes longer than this hangs. */
const fileTimeoutMs = 180_000;

const suites: readonly Suite[] = [
  { name: 'filters', run: cargoTests },
  {
    name: 'units and properties',
    run: () =>
      nodeTests([...testFiles('xds-server'), ...testFiles('test', 0), ...testFiles('test/harness')], cores),
  },
  { name: 'golden', run: () => nodeTests(testFiles('test/golden'), cores) },
  { name: 'feature', run: () => nodeTests(testFiles('test/feature'), cores) },
  // Each starts an Envoy, a brain and databases: more than one a core measures nothing but the wait for a core.
  { name: 'e2e', run: () => nodeTests(testFiles('test/e2e'), Math.max(1, Math.floor(cores / 2))) },
];

function testFiles(folder: string, depth = Number.POSITIVE_INFINITY): string[] {
  const from = path.join(top, folder);
  if (!existsSync(from)) return [];
  return readdirSync(from, { recursive: depth > 0, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .sort()
    .map((file) => path.join(from, file));
}

function nodeTests(files: readonly string[], concurrency: number): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const outcome = { passed: 0, failed: 0, files: new Map<string, number>() };
    if (files.length === 0) return resolve(outcome);
    const events = run({ files: [...files], concurrency, timeout: fileTimeoutMs });
    const count = (key: 'passed' | 'failed') => (event: TestEvent) => {
      if (event.nesting === 0 && event.file !== undefined) {
        const file = path.relative(top, event.file);
        outcome.files.set(file, (outcome.files.get(file) ?? 0) + event.details.duration_ms);
      }
      if (event.details.type !== 'suite') outcome[key] += 1;
    };
    events.on('test:pass', count('passed'));
    events.on('test:fail', count('failed'));
    events.once('error', reject);
    const report = events.compose(new spec());
    report.once('end', () => resolve(outcome));
    report.pipe(process.stdout, { end: false });
  });
}

interface TestEvent {
  readonly nesting: number;
  readonly file?: string;
  readonly details: { readonly duration_ms: number; readonly type?: string };
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
  const total = { passed: 0, failed: 0, ms: 0 };
  for (const suite of suites) {
    if (names.length > 0 && !names.includes(suite.name)) continue;
    process.stdout.write(`\n== ${suite.name}\n`);
    const started = performance.now();
    const { passed, failed, files = new Map<string, number>() } = await suite.run();
    const ms = performance.now() - started;
    total.passed += passed;
    total.failed += failed;
    total.ms += ms;
    slowest.push(...files);
    rows.push(`${suite.name.padEnd(22)}${seconds(ms)}  ${passed} passed, ${failed} failed`);
  }
  slowest.sort(([, a], [, b]) => b - a);
  process.stdout.write(`\n== where the time went\n${rows.join('\n')}\n`);
  process.stdout.write(`${'all'.padEnd(22)}${seconds(total.ms)}\n`);
  for (const [file, ms] of slowest.slice(0, 8)) process.stdout.write(`  ${seconds(ms)}  ${file}\n`);
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
}

await main(process.argv.slice(2));
