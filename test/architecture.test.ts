/**
 * Who may import whom in xds-server/. The stages are folders; a folder is wholly pure or wholly I/O. What a folder
 * is not allowed here, it does not import: a new folder, or a new dependency of one, begins with a line in this table.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import ts from 'typescript';

/** A folder may always import from itself. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  // The flow: spec ──▶ plan ──▶ snapshot, and what decides on connections beside it. No I/O, no clock, no chance.
  'pure/spec': ['zod', 'yaml'],
  'pure/plan': ['pure/spec'],
  'pure/snapshot': ['pure/spec', 'pure/plan', 'pure/identity', 'protobufjs', '#envoy-api'],
  'pure/identity': [],
  // What nodes ask, and the bytes in which they do.
  'pure/rpc': [],
  'pure/subscription': ['pure/snapshot'],
  'pure/verdict': ['pure/spec', 'pure/plan'],
  'pure/activity': [],
  // What time it is on a node: grants expire by its clock.
  'pure/clock': [],
  'pure/ledger': ['pure/plan', 'pure/verdict'],
  'pure/leadership': [],
  // Who is too many, and ends.
  'pure/surplus': ['pure/ledger', 'pure/plan'],
  'pure/cancel': ['pure/spec', 'pure/plan', 'pure/ledger'],
  // What brains tell each other.
  'pure/peers': ['pure/activity', 'pure/cancel', 'pure/ledger', 'pure/plan', 'pure/surplus', 'pure/verdict'],
  'pure/store': ['pure/spec'],
  'pure/status': ['pure/plan', 'pure/activity'],

  // The shells: each speaks to one thing outside. They get each other as arguments, never by import; what they
  // share is the Envoy API's messages and the client of etcd.
  'shells/envoy-api': ['node', 'protobufjs', '#envoy-api'],
  'shells/channel': ['node', 'pure', 'pino'],
  // etcd serves two of them, the store and the election.
  'shells/etcd': ['node', '@grpc/grpc-js', 'protobufjs', '#etcd-api'],
  'shells/store': ['node', 'pure', 'shells/etcd'],
  'shells/election': ['node', 'pure', 'shells/etcd', 'pino', 'zod'],
  'shells/xds': ['node', 'pure', 'shells/envoy-api', '#envoy-api', 'protobufjs', 'pino'],
  'shells/authz': ['node', 'pure', 'shells/envoy-api', '#envoy-api', 'protobufjs', 'pino'],
  'shells/sessions': ['node', 'pure', 'shells/envoy-api', '#envoy-api', 'protobufjs', 'pino'],
  'shells/peers': ['node', 'pure', 'shells/envoy-api', 'protobufjs', '#sluice-api', 'pino'],
  'shells/cancels': ['node', 'pure', 'shells/envoy-api', 'protobufjs', 'pino'],
  'shells/databases': ['node', 'pure', 'pg', 'mysql2', 'pino'],
  'shells/control': ['node', 'pure', 'pino'],
  'shells/admin': ['node', 'pure', 'fastify'],
  'shells/cli': ['node', 'pure', 'shells/envoy-api', 'commander', 'yaml', 'protobufjs'],
  'shells/telemetry': ['node', 'pure', 'pino', 'prom-client'],

  // The only place that joins shells, and the program that begins there.
  wiring: ['node', 'pure', 'shells', 'pino'],
  'main.ts': ['node', 'pure', 'shells', 'wiring', 'commander', 'pino'],
};

/** What a pure folder must be given as an argument instead. */
const impure = [
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'process',
  'crypto',
  'fetch',
  'console',
];

const top = path.resolve(import.meta.dirname, '../xds-server');

/** `pure/ledger/queue.ts` → `pure/ledger`; `wiring/brain.ts` → `wiring`; `main.ts` → `main.ts`. */
function folderOf(file: string): string {
  const parts = file.split('/');
  return parts.slice(0, Math.max(1, Math.min(2, parts.length - 1))).join('/');
}

/** What an import leads to, in the words of the table. */
function targetOf(specifier: string, file: string): string {
  if (specifier.startsWith('.')) {
    return folderOf(path.posix.join(path.posix.dirname(file), specifier).replace(/\.js$/, '.ts'));
  }
  if (specifier.startsWith('node:')) return 'node';
  if (specifier.startsWith('#')) return specifier.split(/[/.]/, 1)[0]!;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function importProblems(file: string, text: string): string[] {
  const folder = folderOf(file);
  const allowed = mayImport[folder];
  if (!allowed) return [`${file}: ${folder} has no line in the table`];
  const targets = ts.preProcessFile(text).importedFiles.map(({ fileName }) => targetOf(fileName, file));
  const isAllowed = (target: string) =>
    target === folder || allowed.some((entry) => target === entry || target.startsWith(`${entry}/`));
  return targets
    .filter((target) => !isAllowed(target))
    .map((target) => `${file}: ${folder} may not import ${target}`);
}

function purityProblems(file: string, text: string): string[] {
  if (!file.startsWith('pure/')) return [];
  const problems: string[] = [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node)) return;
    if (ts.isIdentifier(node) && impure.includes(node.text)) problems.push(`${file}: uses ${node.text}`);
    if (ts.isPropertyAccessExpression(node)) {
      if (node.getText(source) === 'Math.random') problems.push(`${file}: uses Math.random`);
      // `request.process` is nobody's global.
      visit(node.expression);
    } else if (ts.isPropertyAssignment(node)) {
      visit(node.initializer);
    } else {
      ts.forEachChild(node, visit);
    }
  };
  visit(source);
  return problems;
}

function problemsOf(file: string, text: string): string[] {
  return [...importProblems(file, text), ...purityProblems(file, text)];
}

test('every import in xds-server is one that the table allows, and pure folders use no clock and no chance', () => {
  const files = readdirSync(top, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  );
  assert.ok(files.length > 0);
  assert.deepEqual(
    files.flatMap((file) => problemsOf(file, readFileSync(path.join(top, file), 'utf8'))),
    [],
  );
});

const planted: readonly [file: string, text: string, problem: string][] = [
  ['pure/ledger/a.ts', "import fs from 'node:fs';", 'pure/ledger may not import node'],
  ['pure/plan/a.ts', "import { x } from '../snapshot/x.js';", 'pure/plan may not import pure/snapshot'],
  [
    'pure/plan/a.ts',
    "const x = await import('../../shells/xds/x.js');",
    'pure/plan may not import shells/xds',
  ],
  ['pure/plan/a.ts', "import type { X } from 'pino';", 'pure/plan may not import pino'],
  [
    'shells/authz/a.ts',
    "export { x } from '../databases/x.js';",
    'shells/authz may not import shells/databases',
  ],
  ['shells/authz/a.ts', "import { x } from '../../wiring/x.js';", 'shells/authz may not import wiring'],
  ['wiring/a.ts', "import { x } from '../main.js';", 'wiring may not import main.ts'],
  ['pure/a.ts', '', 'pure has no line in the table'],
  ['shells/new/a.ts', '', 'shells/new has no line in the table'],
  ['pure/ledger/a.ts', 'const now = Date.now();', 'uses Date'],
  ['pure/ledger/a.ts', 'const a = { id: Math.random() };', 'uses Math.random'],
  ['pure/ledger/a.ts', 'setTimeout(() => {}, 1);', 'uses setTimeout'],
];

for (const [file, text, problem] of planted) {
  test(`a planted violation is found: ${file}: ${text || 'a new folder'}`, () => {
    assert.deepEqual(problemsOf(file, text), [`${file}: ${problem}`]);
  });
}

test('what looks like a violation and is none is not reported', () => {
  const text =
    "import { x } from './x.js';\n// Date.now()\nconst a: Date | undefined = x.process; const b = { crypto: 'Date' };";
  assert.deepEqual(problemsOf('pure/plan/a.ts', text), []);
});
