/**
 * Runs every fuzz target for a while, several at once, and says what each has done. Ends with one line and exit code 1 where
 * something was found; the input is then kept under build/fuzz/.
 *
 *   node --import tsx test/fuzz/run.ts [--seconds N] [--jobs N] [--keep] [TARGET...]
 *
 * `--keep` puts what was learnt into the kept corpora, minimised.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { targetsOfBrain } from './brain.js';
import { emptied, keep, kept, unpack } from './corpus.js';
import { targetsOfFilters } from './filters.js';
import { type Target, top } from './target.js';

const work = path.join(top, 'build/fuzz');

interface Run {
  readonly target: Target;
  readonly seconds: number;
  readonly executions: number;
  /** Edges (the filters) or stretches of code (the brain) that were reached, and features: how often. */
  readonly reached: number;
  readonly features: number;
  readonly finding?: string;
}

async function fuzz(target: Target, seconds: number): Promise<Run> {
  const folder = path.join(work, target.name);
  const inputs = path.join(folder, 'inputs');
  unpack([...kept(target.corpus), ...target.seeds], inputs);
  const started = performance.now();
  const { code, output } = await libFuzzer(
    target,
    [inputs],
    [
      `-max_total_time=${seconds}`,
      `-artifact_prefix=${folder}/`,
      '-max_len=2048',
      '-timeout=120',
      '-rss_limit_mb=2048',
      '-print_final_stats=1',
    ],
  );
  writeFileSync(path.join(folder, 'log'), output);
  const last = [...output.matchAll(/^#\d+\s.*cov: (\d+) ft: (\d+)/gm)].at(-1);
  return {
    target,
    seconds: (performance.now() - started) / 1000,
    executions: Number(/number_of_executed_units: (\d+)/.exec(output)?.[1] ?? 0),
    reached: Number(last?.[1] ?? 0),
    features: Number(last?.[2] ?? 0),
    ...(code === 0 ? {} : { finding: findingIn(output) ?? `ended with ${code}; ${folder}/log` }),
  };
}

function findingIn(output: string): string | undefined {
  const why = /^(thread .* panicked at .*\n.*|==\d+== ?ERROR: .*|.*Uncaught Exception.*\n.*)$/m.exec(
    output,
  )?.[0];
  const file = /Test unit written to (\S+)/.exec(output)?.[1];
  return why === undefined && file === undefined ? undefined : `${why ?? ''}\n    ${file ?? ''}`;
}

/**
 * Puts a minimal set of what a run has learnt into the kept corpus: what is reached counts, and not how often, or the
 * whole connections would be more than can be kept.
 */
async function minimise(target: Target): Promise<void> {
  const folder = path.join(work, target.name);
  const minimal = emptied(path.join(folder, 'minimal'));
  const options = ['-set_cover_merge=1', '-use_counters=0', '-max_len=1024'];
  await libFuzzer(target, [minimal, path.join(folder, 'inputs')], options);
  keep(minimal, target.corpus);
}

function libFuzzer(
  { command: [program = '', ...first], env }: Target,
  folders: readonly string[],
  options: readonly string[],
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const args = [...first, ...folders, ...options];
    const child = spawn(program, args, {
      cwd: work,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      // Its progress is a line each second or so; what a crash says comes last.
      output = (output + text).slice(-4_000_000);
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

function row({ target, seconds, executions, reached, features, finding }: Run): string {
  const columns = [
    target.name.padEnd(24),
    `${seconds.toFixed(0)} s`.padStart(7),
    `${executions.toLocaleString('en')} executions`.padStart(26),
    `${reached} reached`.padStart(13),
    `${features} features`.padStart(16),
    finding === undefined ? 'nothing found' : 'FOUND',
  ];
  return `${columns.join('  ')}${finding === undefined ? '' : `\n  ${finding}`}\n`;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '60' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      keep: { type: 'boolean', default: false },
    },
  });
  mkdirSync(work, { recursive: true });
  const all = [...targetsOfFilters(), ...targetsOfBrain()];
  const unknown = positionals.filter((name) => !all.some((target) => target.name === name));
  if (unknown.length > 0) {
    process.stderr.write(
      `no target ${unknown.join(', ')}; there are: ${all.map(({ name }) => name).join(', ')}\n`,
    );
    process.exitCode = 2;
    return;
  }
  const waiting = all.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const runs: Run[] = [];
  const worker = async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const run = await fuzz(target, Number(values.seconds));
      if (values.keep) await minimise(target);
      runs.push(run);
      process.stdout.write(row(run));
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
  const found = runs.filter(({ finding }) => finding !== undefined).length;
  const executions = runs.reduce((sum, run) => sum + run.executions, 0);
  process.stdout.write(
    `${runs.length} targets, ${values.seconds} s each, ${executions.toLocaleString('en')} executions, ${found} findings\n`,
  );
  process.exitCode = found > 0 ? 1 : 0;
}

await main();
