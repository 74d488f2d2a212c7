/**
 * Fuzzes one target of the brain, led by coverage. Takes and says what libFuzzer does, as far as run.ts uses it.
 *
 *   node --import tsx test/fuzz/brain/main.ts TARGET FOLDER -max_total_time=N -artifact_prefix=PATH -max_len=N
 *   node --import tsx test/fuzz/brain/main.ts TARGET MINIMAL FOLDER -set_cover_merge=1
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Coverage } from './coverage.js';
import { Chance, mutated } from './mutate.js';
import { brainTargets } from './targets.js';

const [name = '', ...rest] = process.argv.slice(2);
const option = (key: string): string | undefined =>
  rest.find((word) => word.startsWith(`-${key}=`))?.slice(key.length + 2);
const folders = rest.filter((word) => !word.startsWith('-'));
const target = brainTargets[name];
if (!target) throw new Error(`no target ${name}; there are: ${Object.keys(brainTargets).join(', ')}`);
const { fuzz, words = [] } = target;
const tokens = words.map((word) => Buffer.from(word));
const maxBytes = Number(option('max_len') ?? 2048);
/** Whatever takes longer is a finding: the brain serves thousands of connections on one thread. */
const maxMs = 1_000;

const coverage = new Coverage();
let executions = 0;

/** Inputs that are run before it is asked what they have reached. */
const batch = 256;

function execute(input: Buffer): void {
  executions += 1;
  // Of the processor, not by the clock: the machine may have other things to do.
  const before = process.cpuUsage();
  try {
    fuzz(input);
  } catch (error) {
    found(input, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const { user, system } = process.cpuUsage(before);
  const ms = (user + system) / 1000;
  if (ms > maxMs) found(input, `took ${ms.toFixed(0)} ms for ${input.length} bytes`);
}

function isNews(input: Buffer): boolean {
  execute(input);
  return coverage.news() > 0;
}

function found(input: Buffer, why: string): never {
  const file = `${option('artifact_prefix') ?? './'}crash-${digest(input)}`;
  writeFileSync(file, input);
  process.stderr.write(`==1== ERROR: ${why}\nTest unit written to ${file}\n`);
  say('DONE');
  process.exit(77);
}

function say(event: string): void {
  process.stderr.write(
    `#${executions} ${event} cov: ${coverage.blocks} ft: ${coverage.features} corp: ${corpus.length}\n`,
  );
  if (event === 'DONE') process.stderr.write(`stat::number_of_executed_units: ${executions}\n`);
}

function digest(input: Buffer): string {
  return createHash('sha1').update(input).digest('hex');
}

function inputsIn(folder: string): Buffer[] {
  return readdirSync(folder)
    .map((file) => readFileSync(path.join(folder, file)))
    .sort((a, b) => a.length - b.length);
}

function keepIn(folder: string, input: Buffer): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, digest(input)), input);
}

const corpus: Buffer[] = [];
// The first run of anything also loads and compiles; that is no merit of the first input.
fuzz(Buffer.alloc(0));
coverage.skip();

if (option('set_cover_merge') !== undefined) {
  const [minimal = '', from = ''] = folders;
  // What cannot be kept need not be run.
  for (const input of inputsIn(from).filter(({ length }) => length <= maxBytes))
    if (isNews(input)) keepIn(minimal, input);
} else {
  const [folder = ''] = folders;
  const seconds = Number(option('max_total_time') ?? 60);
  corpus.push(Buffer.alloc(0));
  for (const input of inputsIn(folder)) if (isNews(input.subarray(0, maxBytes))) corpus.push(input);
  const chance = new Chance(Date.now());
  const end = performance.now() + seconds * 1000;
  let told = performance.now();
  while (performance.now() < end) {
    const inputs = Array.from({ length: batch }, () => mutated(corpus, tokens, chance, maxBytes));
    for (const input of inputs) execute(input);
    for (const input of coverage.isPromising() ? inputs : []) {
      if (!isNews(input)) continue;
      corpus.push(input);
      keepIn(folder, input);
    }
    if (performance.now() - told > 10_000) {
      told = performance.now();
      say('pulse');
    }
  }
}
say('DONE');
