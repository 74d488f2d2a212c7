/** The fuzz targets of the filters: one instrumented program, built here, with all of them in it. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
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
const captures = path.join(top, 'filters/core/tests/captures');

export function filterTargets(): Target[] {
  const program = built();
  return targetNames().map((name) => ({
    name,
    command: [program],
    env: { SLUICE_FUZZ_TARGET: name },
    corpus: path.join(crate, 'corpus', `${name}.hex`),
    seeds: [
      ...(seeds[name] ?? []).flatMap(([prefix, like]) => captured(prefix, like)),
      ...(conversations[name] ?? []),
    ],
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

/** For each target the captures to begin with, behind the bytes that say how an input is cut: `00` is "not at all". */
const seeds: Record<string, readonly (readonly [prefix: string, like: RegExp])[]> = {
  'postgres-negotiation': [['0000', /^postgres\/.*opening/]],
  'postgres-startup': [['', /^postgres\/.*first/]],
  'postgres-login': [['00', /^postgres\/.*server/]],
  'mysql-negotiation': [['0000', /^mysql\/.*opening/]],
  'mysql-response': [['', /^mysql\/.*first/]],
  'mysql-greeting': [['', /^mysql\/.*greeting/]],
  'mysql-commands': [['00000000ffff', /^mysql\/.*client/]],
  'mysql-change-user': [['0000080000016d', /^mysql\/change-user.*client/]],
};

/** The form of a conversation's steps: `filters/fuzz/src/pieces.rs`. */
const actors = { client: 0x00, server: 0x40, other: 0xc0 } as const;
type Said = readonly [actor: keyof typeof actors, bytes: Uint8Array];

function conversation(flags: number, said: readonly Said[]): Buffer {
  const steps = said.flatMap(([actor, bytes]) => {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 62) {
      const piece = bytes.subarray(at, at + 62);
      pieces.push(Buffer.from([actors[actor] | piece.length]), piece);
    }
    return pieces;
  });
  return Buffer.concat([Buffer.from([flags]), ...steps]);
}

const capture = (name: string): Buffer => readFileSync(path.join(captures, name));
const grant: Said = ['other', Buffer.from([0])];
const grantWithTls: Said = ['other', Buffer.from([3])];
const yes = Buffer.from('S');

/** Whole connections of real programs, cut where their sides take turns. */
const conversations: Record<string, readonly Buffer[]> = {
  'postgres-connection': [
    conversation(0, [
      ['client', capture('postgres/psql-15.opening.bin')],
      ['client', capture('postgres/psql-15.first.bin')],
      grant,
      ['server', capture('postgres/login-scram-15.server.bin')],
      ['client', Buffer.from('Q\0\0\0\x0dselect 1\0')],
    ]),
    conversation(3, [
      ['client', capture('postgres/node-pg.first.bin')],
      grantWithTls,
      ['server', yes],
      ['server', capture('postgres/login-wrong-password-15.server.bin')],
    ]),
  ],
  'mysql-connection': ['login-native-10.11', 'login-wrong-password-10.11', 'change-user-10.11'].flatMap(
    (name) =>
      [grant, grantWithTls].map((leave) => {
        const server = packetsOf(capture(`mysql/${name}.server.bin`));
        const [, ...client] = packetsOf(capture(`mysql/${name}.client.bin`));
        const turns = Array.from({ length: Math.max(server.length, client.length) }, (_, at): Said[] => [
          ['server', server[at + 1] ?? Buffer.alloc(0)],
          // The client's numbers run ahead of those that the recorder saw, until the login is over.
          ['client', at === 0 ? renumbered(client[at], 1) : (client[at] ?? Buffer.alloc(0))],
        ]).flat();
        return conversation(3, [
          ['client', capture('mysql/pymysql.first.bin')],
          leave,
          ['server', server[0] ?? Buffer.alloc(0)],
          ...turns,
        ]);
      }),
  ),
};

function packetsOf(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4 + bytes.readUIntLE(at, 3))
    packets.push(bytes.subarray(at, at + 4 + bytes.readUIntLE(at, 3)));
  return packets;
}

function renumbered(packet: Buffer | undefined, by: number): Buffer {
  const copy = Buffer.from(packet ?? []);
  if (copy.length > 3) copy.writeUInt8(copy.readUInt8(3) + by, 3);
  return copy;
}

function captured(prefix: string, like: RegExp): Buffer[] {
  return readdirSync(captures, { recursive: true, encoding: 'utf8' })
    .filter((name) => like.test(name))
    .map((name) => Buffer.concat([Buffer.from(prefix, 'hex'), readFileSync(path.join(captures, name))]));
}
