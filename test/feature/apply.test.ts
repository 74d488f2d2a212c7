/** `sluice apply`, `diff` and `show` as an operator runs them: what they say, and their exit codes. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { Certificates } from '../harness/certificates.js';
import { scratchFolder } from '../harness/scratch.js';
import { sluiceCommand } from '../harness/sluice-command.js';

let folder: string;
let file: string;

const spec = (limit: number, more = ''): string => `# ours
listeners:
  pg: {protocol: postgres, address: 127.0.0.1:5432, tls: {certificate: {chain: chain.pem, key: key.pem}}}
databases:
  orders:
    engine: postgres
    endpoints: [{host: 127.0.0.1, port: 5433}]
    capacity: 100
    reserve: 10
    observer: {user: sluice_observer, password: {env: HOME}}
tenants: {shop: {}}
services:
  checkout:
    hostname: checkout.orders.db.example.com
    tenant: shop
    database: orders
    max_connections: ${limit}
    allow: [{cidr: 127.0.0.0/8}]
${more}`;

before(async () => {
  folder = scratchFolder('apply');
  const { chain, key } = await (await Certificates.create()).server('*.orders.db.example.com');
  writeFileSync(path.join(folder, 'chain.pem'), readFileSync(chain));
  writeFileSync(path.join(folder, 'key.pem'), readFileSync(key));
  file = path.join(folder, 'spec.yaml');
});

const save = (text: string): void => writeFileSync(file, text);

describe('a store that was empty', () => {
  const place = path.join(scratchFolder('apply'), 'store');
  const store = `dir:${place}`;
  const run = (command: string, ...args: string[]) => sluiceCommand(command, ...args, '--store', store);

  test('has nothing to show', async () => {
    mkdirSync(place);
    const { code, stderr } = await run('show');
    assert.deepEqual([code, stderr], [1, `sluice: ${store} is empty\n`]);
  });

  test('takes a spec, says what that adds, and shows it as it was written', async () => {
    save(spec(40));
    const diff = await run('diff', file);
    assert.equal(diff.code, 1);
    assert.match(diff.stdout, /^\+ services\.checkout$/m);
    const { code, stdout } = await run('apply', file);
    assert.equal(code, 0);
    assert.match(stdout, /^\+ databases\.orders$/m);
    assert.match(stdout, /is revision 1 of dir:/);
    const shown = await run('show');
    assert.deepEqual([shown.stdout, shown.stderr], [spec(40), `sluice: revision 1 of ${store}\n`]);
    assert.equal((await run('diff', file)).code, 0);
  });

  test('what is there already makes no new revision', async () => {
    const { code, stdout } = await run('apply', file);
    assert.equal(code, 0);
    assert.match(stdout, /has it already \(revision 1\)/);
  });

  test('a change is told field by field, to people and as JSON', async () => {
    save(spec(41));
    const text = await run('diff', file);
    assert.match(text.stdout, /^~ services\.checkout {2}max_connections: 40 → 41$/m);
    const json = await run('diff', file, '--json');
    assert.equal(json.code, 1);
    const { different, revision, changes } = JSON.parse(json.stdout);
    assert.deepEqual([different, revision], [true, 1]);
    assert.deepEqual(changes, [
      {
        object: 'services.checkout',
        kind: 'changed',
        fields: [{ field: 'max_connections', before: 40, after: 41 }],
      },
    ]);
  });

  test('a change of comments alone is a change, and said to be one', async () => {
    save(spec(40, '# more\n'));
    const { code, stdout } = await run('diff', file);
    assert.equal(code, 1);
    assert.match(stdout, /^no object is different: comments, order or layout are$/m);
  });

  test('a change of a revision that is not there any more is refused, and says what to do', async () => {
    save(spec(42));
    const first = await run('apply', file, '--revision', '1', '--json');
    assert.deepEqual([first.code, JSON.parse(first.stdout).revision], [0, 2]);
    save(spec(43));
    const late = await run('apply', file, '--revision', '1');
    assert.equal(late.code, 1);
    assert.match(late.stderr, /nothing is applied to dir:.*: expected revision 1, found revision 2/);
    assert.match(late.stderr, /sluice diff.*--revision 2/);
    const json = await run('apply', file, '--revision', '0', '--json');
    assert.deepEqual(JSON.parse(json.stdout), { ok: false, conflict: { expected: 0, found: 2 } });
    assert.equal((await run('show')).stdout, spec(42));
  });

  test('a spec that `sluice check` refuses is refused in the same words', async () => {
    save(spec(41).replace('database: orders', 'database: order'));
    const [checked, applied] = [await sluiceCommand('check', file), await run('apply', file)];
    assert.deepEqual([checked.code, applied.code], [1, 1]);
    const [problem] = checked.stdout.split('\n');
    assert.match(problem!, /services\.checkout\.database/);
    assert.ok(applied.stdout.startsWith(`${problem}\n`));
    const compared = await run('diff', file);
    assert.deepEqual([compared.code, compared.stdout], [2, applied.stdout], 'trouble, not a difference');
    assert.equal(compared.stderr, `sluice: ${file} has problems; see \`sluice check\`\n`);
    const json = await run('diff', file, '--json');
    assert.deepEqual([json.code, JSON.parse(json.stdout).ok], [2, false]);
    assert.equal((await run('show')).stdout, spec(42));
  });

  test('files that are not on this machine are a problem, unless they are left out', async () => {
    save(spec(44).replace('chain.pem', 'elsewhere.pem'));
    assert.equal((await run('apply', file)).code, 1);
    assert.equal((await run('apply', file, '--no-files')).code, 0);
  });
});

test('a folder that is not there is no empty store, but for who applies', async () => {
  save(spec(40));
  const place = path.join(scratchFolder('apply'), 'not', 'there');
  const store = `dir:${place}`;
  const missing = `sluice: ${store}: expected a folder, found none; look at the path, or begin a store there with \`sluice apply\`\n`;
  for (const [args, code] of [
    [['show'], 1],
    [['show', '--json'], 1],
    [['diff', file], 2],
    [['diff', file, '--json'], 2],
  ] as const) {
    const said = await sluiceCommand(...args, '--store', store);
    assert.deepEqual([said.code, said.stdout, said.stderr], [code, '', missing], args.join(' '));
    assert.ok(!existsSync(place));
  }
  const changed = await sluiceCommand('apply', file, '--revision', '3', '--store', store);
  assert.deepEqual([changed.code, changed.stdout, changed.stderr], [1, '', missing]);
  assert.equal((await sluiceCommand('apply', file, '--store', store)).code, 0);
  assert.equal((await sluiceCommand('diff', file, '--store', store)).code, 0);
});

test('a change of the oldest MySQL or MariaDB version says which listeners it drains, before it is applied', async () => {
  const store = ['--store', `dir:${path.join(scratchFolder('apply'), 'store')}`];
  const withVersion = (version: string, limit = 40): string =>
    spec(limit)
      .replace(
        'databases:',
        '  my: {protocol: mysql, address: 127.0.0.1:3306, tls: {certificate: {chain: chain.pem, key: key.pem}}}\n$&',
      )
      .replace('postgres\n', `mariadb\n    version: "${version}"\n`);
  save(withVersion('10.6'));
  const first = await sluiceCommand('apply', file, ...store);
  assert.deepEqual([first.code, /drain/.test(first.stdout)], [0, false], first.stdout);
  save(withVersion('10.6', 41));
  assert.doesNotMatch((await sluiceCommand('diff', file, ...store)).stdout, /drain/);
  save(withVersion('10.11'));
  const said = /^! listeners\.my: all connections drain\. .*10\.6\.0-MariaDB → 5\.5\.5-10\.11\.0-MariaDB/m;
  assert.match((await sluiceCommand('diff', file, ...store)).stdout, said);
  const { greeting } = JSON.parse((await sluiceCommand('diff', file, '--json', ...store)).stdout);
  assert.deepEqual(greeting.listeners, ['my']);
  assert.match((await sluiceCommand('apply', file, ...store)).stdout, said);
});

test('options that do not go together are a usage error that names them', async () => {
  save(spec(40));
  const wrong: readonly [args: readonly string[], words: RegExp][] = [
    [['apply', file], /expected --store, found none/],
    [['apply', file, '--store', 'redis:x'], /expected dir:PATH or etcd:URL/],
    [['apply', file, '--store', 'etcd:http://10.0.0.1:2379'], /loopback only/],
    [['apply', file, '--store', 'etcd:https://etcd:2379'], /expected --etcd-ca/],
    [['apply', file, '--store', 'dir:x', '--etcd-ca', 'ca.pem'], /--etcd-ca.* with --store etcd:https/],
    [['apply', file, '--store', 'dir:x', '--etcd-prefix', '/a'], /--etcd-prefix with --store etcd:/],
    [
      ['apply', file, '--store', 'etcd:https://e:1', '--etcd-ca', 'a', '--etcd-key', 'k'],
      /together, found one/,
    ],
    [['apply', file, '--store', 'dir:x', '--revision', '-1'], /Expected a revision/],
    [['diff', '--store', 'dir:x'], /missing required argument 'file'/],
    [['serve', '--xds-plaintext'], /expected --spec or --store, found neither/],
    [
      ['serve', '--xds-plaintext', '--spec', file, '--store', 'dir:x'],
      /expected --spec or --store, found both/,
    ],
    [['serve', '--xds-plaintext', '--spec', file, '--files', '.'], /expected --files with --store only/],
  ];
  const withPassword = ['show', '--store', 'etcd:https://root:hunter2@etcd:2379'];
  assert.doesNotMatch((await sluiceCommand(...withPassword)).stderr, /hunter2/);
  const told = await Promise.all(wrong.map(([args]) => sluiceCommand(...args)));
  for (const [index, { code, stderr }] of told.entries()) {
    const [args, words] = wrong[index]!;
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, words);
  }
});

test('an etcd that does not answer is told, and nothing is applied', async () => {
  save(spec(40));
  for (const [command, code] of [
    ['apply', 1],
    ['diff', 2],
  ] as const) {
    const said = await sluiceCommand(command, file, '--store', 'etcd:http://127.0.0.1:1');
    assert.equal(said.code, code, command);
    assert.equal(said.stdout, '');
    assert.match(said.stderr, /^sluice: etcd: 127\.0\.0\.1:1: connect ECONNREFUSED 127\.0\.0\.1:1\n$/);
  }
});
