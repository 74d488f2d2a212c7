/** The fuzz targets of the filters: one instrumented program, built here, with all of them in it. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { seedsOf } from './filter-seeds.js';
import { type Target, top } from './target.js';

/**
 * What `cargo fuzz` passes too, without its need for a nightly compiler: counters on every edge, comparisons traced.
 * https://clang.llvm.org/docs/SanitizerCoverage.html
 */
const instrumentation = [
  '-Cpasses=sancov-module',
  '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
  '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares',
  '-Cllvm-args=-simplifycfg-branch-fold-threshold=0',
  '--cfg fuzzing',
];

const crate = path.join(top, 'filters/fuzz');

export function targetsOfFilters(): Target[] {
  const program = built();
  return targetNames().map((name) => ({
    name,
    command: [program],
    env: { SLUICE_FUZZ_TARGET: name },
    corpus: path.join(crate, 'corpus', `${name}.hex`),
    seeds: seedsOf(name),
  }));
}

/** The table of targets is the Rust source's. */
function targetNames(): string[] {
  const source = readFileSync(path.join(crate, 'src/lib.rs'), 'utf8');
  return [...source.matchAll(/^ {4}\("([a-z-]+)", [a-z_:]+\),$/gm)].map(([, name]) => name as string);
}

function built(): string {
  const host = /^host: (\S+)$/m.exec(run('rustc', ['-vV']).stdout)?.[1] ?? 'x86_64-unknown-linux-gnu';
  // A target of its own keeps the instrumentation out of build scripts, and the build out of everybody else's folder.
  const args = ['build', '--locked', '--manifest-path', 'filters/Cargo.toml', '--target', host];
  args.push('--package', 'sluice-fuzz', '--features', 'libfuzzer', '--profile', 'fuzz', '--quiet');
  const { status, stderr } = run('cargo', args, { RUSTFLAGS: instrumentation.join(' ') });
  if (status !== 0)
    throw new Error(`the fuzz targets of the filters do not build (a C++ compiler is needed):\n${stderr}`);
  // A copy, so that a later build does not swap the program under a run.
  const program = path.join(top, 'build/fuzz/sluice-fuzz');
  mkdirSync(path.dirname(program), { recursive: true });
  rmSync(program, { force: true });
  copyFileSync(path.join(top, 'filters/target', host, 'fuzz/sluice-fuzz'), program);
  return program;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(command, args, { cwd: top, env: { ...process.env, ...env }, encoding: 'utf8' });
}
