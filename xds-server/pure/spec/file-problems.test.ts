import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileProblems } from './file-problems.js';
import { parseSpec } from './parse-spec.js';
import { renderProblem } from './problem.js';
import { referencedFiles } from './referenced-files.js';
import { yaml } from './sound-spec.js';

const parsed = parseSpec(yaml());
assert.ok(parsed.ok);
const { spec } = parsed;

const certificate = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';
const key = '-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n';
const sound = {
  'front.pem': certificate,
  'front.key': key,
  'clients.pem': certificate,
  'search.pem': certificate,
  'search.key': key,
  'orders.password': 'hunter2\n',
};

function problems(changes: Readonly<Record<string, string>>): string[] {
  const files = Object.entries({ ...sound, ...changes }).map(
    ([path, text]) => [path, new TextEncoder().encode(text)] as const,
  );
  return fileProblems(spec, new Map(files)).map(renderProblem);
}

test('every file that a spec names is listed with its field', () => {
  assert.deepEqual(
    referencedFiles(spec).map(({ path, why }) => `${why} ${path}`),
    [
      'listeners.pg.tls.certificate.chain front.pem',
      'listeners.pg.tls.certificate.key front.key',
      'listeners.pg.tls.client_ca clients.pem',
      'listeners.mysql.tls.certificate.chain front.pem',
      'listeners.mysql.tls.certificate.key front.key',
      'databases.orders.observer.password.file orders.password',
      'services.search.certificate.chain search.pem',
      'services.search.certificate.key search.key',
    ],
  );
});

test('sound files have no problems', () => assert.deepEqual(problems({}), []));

test('a file that could not be read is a problem of every field that names it', () => {
  assert.deepEqual(fileProblems(spec, new Map()).map(renderProblem).slice(0, 1), [
    'listeners.pg.tls.certificate.chain: expected the file "front.pem", found none that can be read',
  ]);
  assert.equal(fileProblems(spec, new Map()).length, 8);
});

const faults: readonly [why: string, file: string, content: string, problem: string][] = [
  [
    'a key for a certificate',
    'search.pem',
    key,
    'services.search.certificate.chain: expected PEM certificates in "search.pem", found none',
  ],
  [
    'an encrypted key',
    'search.key',
    '-----BEGIN ENCRYPTED PRIVATE KEY-----\n',
    'services.search.certificate.key: expected a PEM private key without a passphrase in "search.key", found an encrypted one',
  ],
  [
    'an empty password',
    'orders.password',
    '\n',
    'databases.orders.observer.password.file: expected a password on one line in "orders.password", found an empty file',
  ],
  [
    'a password with more behind it',
    'orders.password',
    'hunter2\nuser\n',
    'databases.orders.observer.password.file: expected a password on one line in "orders.password", found several lines',
  ],
  [
    'a file that is too large',
    'search.pem',
    certificate + ' '.repeat(1024 * 1024),
    'services.search.certificate.chain: expected at most 1048576 bytes in "search.pem", found 1048635',
  ],
];

for (const [why, file, content, problem] of faults)
  test(`finds ${why}`, () => assert.deepEqual(problems({ [file]: content }), [problem]));
