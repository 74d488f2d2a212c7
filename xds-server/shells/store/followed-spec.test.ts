import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, mock, type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Certificate, Certificates } from '../../../test/harness/certificates.js';
import { scratchFolder } from '../../../test/harness/scratch.js';
import { waitUntil } from '../../../test/harness/wait-until.js';
import type { Problem } from '../../pure/spec/problem.js';
import { FollowedSpec } from './followed-spec.js';
import { inFile, type LoadedSpec, type Origin } from './load-spec.js';

const spec = (maxConnections: number | string, password = '{file: password}'): string => `
listeners:
  pg: {protocol: postgres, address: 127.0.0.1:5432, tls: {certificate: {chain: chain.pem, key: key.pem}}}
databases:
  orders:
    engine: postgres
    endpoints: [{host: 127.0.0.1, port: 5433}]
    capacity: 100
    reserve: 10
    observer: {user: sluice_observer, password: ${password}}
tenants: {shop: {}}
services:
  checkout:
    hostname: checkout.orders.db.example.com
    tenant: shop
    database: orders
    max_connections: ${maxConnections}
    allow: [{cidr: 127.0.0.0/8}]
`;

/** What was told, in order. */
class Told {
  readonly loaded: LoadedSpec[] = [];
  readonly problems: (readonly Problem[])[] = [];
  onChange = (loaded: LoadedSpec): void => void this.loaded.push(loaded);
  onProblems = (problems: readonly Problem[]): void => void this.problems.push(problems);

  get limit(): number | undefined {
    return this.loaded.at(-1)?.spec.services.checkout?.max_connections;
  }
}

describe('a spec file', () => {
  let authority: Certificates;
  let certificates: [Certificate, Certificate];
  before(async () => {
    authority = await Certificates.create();
    const make = () => authority.server('*.orders.db.example.com');
    certificates = await Promise.all([make(), make()]);
  });

  function fill(folder: string, text = spec(40)): string {
    writeFileSync(join(folder, 'chain.pem'), readFileSync(certificates[0].chain));
    writeFileSync(join(folder, 'key.pem'), readFileSync(certificates[0].key));
    writeFileSync(join(folder, 'password'), 'hunter2\n');
    const file = join(folder, 'spec.yaml');
    writeFileSync(file, text);
    return file;
  }

  async function open(t: TestContext, file: string, env: Record<string, string> = {}): Promise<Told> {
    const told = new Told();
    const opened = await FollowedSpec.open(inFile(file), told, env);
    t.after(() => opened.close());
    return told;
  }

  test('is told with what its files hold, the password apart from what nodes are sent', async (t) => {
    const told = await open(t, fill(scratchFolder('spec')));
    assert.equal(told.limit, 40);
    const { files, passwords } = told.loaded[0]!;
    assert.deepEqual([...files.keys()].sort(), ['chain.pem', 'key.pem']);
    assert.deepEqual(Buffer.from(files.get('key.pem')!), readFileSync(certificates[0].key));
    assert.equal(passwords.get('orders')?.reveal(), 'hunter2');
  });

  test('is told again when a certificate that nobody has touched comes near its end', async (t) => {
    const hourMs = 3_600_000;
    const endsMs = Date.parse(new X509Certificate(readFileSync(certificates[0].chain)).validTo);
    mock.timers.enable({ apis: ['Date', 'setInterval'], now: endsMs - (14 * 24 + 0.5) * hourMs });
    t.after(() => mock.timers.reset());
    const told = await open(t, fill(scratchFolder('spec')));
    mock.timers.tick(hourMs);
    await waitUntil('the warning', () => told.loaded.length > 1);
    assert.deepEqual(
      told.loaded.map(({ warnings }) => warnings.map(({ path }) => path)),
      [[], ['listeners.pg.tls.certificate']],
    );
  });

  test('says of each file when the first of its certificates ends, and again of one that is renewed', async (t) => {
    const folder = scratchFolder('spec');
    const end = (pem: Uint8Array) => Date.parse(new X509Certificate(pem).validTo);
    const [own, later] = certificates.map(({ chain }) => readFileSync(chain)) as [Buffer, Buffer];
    const ca = readFileSync(authority.ca);
    const request = ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=next', '-days', '90'];
    const next = execFileSync('openssl', [...request, '-keyout', '/dev/null'], { stdio: 'pipe' });
    assert.ok(end(ca) < end(own) && end(own) < end(next), 'their order');
    writeFileSync(join(folder, 'both.pem'), Buffer.concat([next, ca]));
    writeFileSync(join(folder, 'ca.pem'), ca);
    const tls = 'certificate: {chain: chain.pem, key: key.pem}';
    const text = spec(40)
      .replace(tls, `${tls}, client_ca: both.pem`)
      .replace('    engine:', '    tls: {mode: verify-full, ca: ca.pem}\n    engine:')
      .replace('    tenant:', '    certificate: {chain: chain.pem, key: key.pem}\n    tenant:');
    const told = await open(t, fill(folder, text));
    assert.deepEqual(told.problems, []);
    assert.deepEqual(Object.fromEntries(told.loaded[0]!.expiriesMs), {
      'listeners.pg.tls.certificate': end(own),
      'listeners.pg.tls.client_ca': end(ca),
      'databases.orders.tls.ca': end(ca),
      'services.checkout.certificate': end(own),
    });
    writeFileSync(join(folder, 'chain.pem'), Buffer.concat([later, ca]));
    writeFileSync(join(folder, 'key.pem'), readFileSync(certificates[1].key));
    await waitUntil('the renewed certificate', () => told.loaded.length > 1);
    assert.equal(told.loaded.at(-1)!.expiriesMs.get('listeners.pg.tls.certificate'), end(ca));
  });

  test('takes a password from the environment', async (t) => {
    const folder = scratchFolder('spec');
    const file = fill(folder, spec(40, '{env: ORDERS_PASSWORD}'));
    const told = await open(t, file, { ORDERS_PASSWORD: 'hunter3' });
    assert.equal(told.loaded[0]?.passwords.get('orders')?.reveal(), 'hunter3');
    const without = await open(t, file, {});
    assert.match(without.problems[0]![0]!.expected, /the environment variable ORDERS_PASSWORD/);
  });

  test('that is saved is told once, well within 200 ms, whichever way an editor saves', async (t) => {
    const folder = scratchFolder('spec');
    const file = fill(folder);
    const told = await open(t, file);
    const saves: ((text: string) => void)[] = [
      (text) => writeFileSync(file, text),
      (text) => {
        writeFileSync(`${file}~`, text);
        renameSync(`${file}~`, file);
      },
      (text) => {
        renameSync(file, `${file}.bak`);
        writeFileSync(file, text);
      },
      (text) => {
        rmSync(file);
        writeFileSync(file, text);
      },
    ];
    for (const [index, save] of saves.entries()) {
      const at = performance.now();
      save(spec(41 + index));
      await waitUntil('the change is told', () => told.limit === 41 + index, 2000);
      t.diagnostic(`told after ${Math.round(performance.now() - at)} ms`);
    }
    assert.equal(told.loaded.length, 1 + saves.length);
    assert.deepEqual(told.problems, []);
  });

  test('that is broken is reported with its place, and the next good one is told, even an equal one', async (t) => {
    const file = fill(scratchFolder('spec'));
    const told = await open(t, file);
    writeFileSync(file, spec('many'));
    await waitUntil('the problem is told', () => told.problems.length === 1);
    assert.equal(told.problems[0]![0]!.path, 'services.checkout.max_connections');
    assert.equal(told.loaded.length, 1);
    writeFileSync(file, spec(40));
    await waitUntil('the mended spec is told', () => told.loaded.length === 2);
    assert.equal(told.limit, 40);
  });

  test('caught in the middle of being written is no change: empty, cut off, gone', async (t) => {
    const file = fill(scratchFolder('spec'));
    const told = await open(t, file);
    const cutOff = spec(50).slice(0, spec(50).indexOf('max_connections') + 5);
    for (const half of [
      () => writeFileSync(file, ''),
      () => writeFileSync(file, cutOff),
      () => rmSync(file),
    ]) {
      const before = told.problems.length;
      half();
      await waitUntil('the problem is told', () => told.problems.length > before);
      assert.equal(told.limit, 40);
    }
    writeFileSync(file, spec(50));
    await waitUntil('the whole spec is told', () => told.limit === 50);
  });

  test('that may be cut off, though a good spec by itself, is taken only when it stays so', async (t) => {
    const file = fill(scratchFolder('spec'));
    const told = await open(t, file);
    const upToServices = spec(40).slice(0, spec(40).indexOf('services:'));
    for (const cutOff of [upToServices, upToServices.trimEnd()]) {
      writeFileSync(file, spec(40));
      await waitUntil('the whole spec is in force', () => told.limit === 40);
      const at = performance.now();
      writeFileSync(file, cutOff);
      await waitUntil('the shorter spec is told', () => told.limit === undefined);
      assert.ok(performance.now() - at >= 100);
    }
  });

  test('touched without a change is not told again', async (t) => {
    const file = fill(scratchFolder('spec'));
    const told = await open(t, file);
    writeFileSync(file, spec(40));
    writeFileSync(join(file, '..', 'password'), 'hunter2\n');
    const later = await open(t, file);
    writeFileSync(file, spec(41));
    await waitUntil('both have seen the next change', () => told.limit === 41 && later.limit === 41);
    assert.equal(told.loaded.length, 2);
  });

  test('follows the files it names: a rotated certificate, and nothing of a half rotated one', async (t) => {
    const folder = scratchFolder('spec');
    const told = await open(t, fill(folder));
    writeFileSync(join(folder, 'chain.pem'), readFileSync(certificates[1].chain));
    await waitUntil('the pair that does not match is reported', () => told.problems.length === 1);
    assert.deepEqual(told.problems[0], [
      {
        path: 'listeners.pg.tls.certificate',
        expected: 'the key that belongs to the certificate',
        found: 'the key of another one',
        hint: 'the files are chain.pem and key.pem',
      },
    ]);
    writeFileSync(join(folder, 'key.pem'), readFileSync(certificates[1].key));
    await waitUntil('the pair is told', () => told.loaded.length === 2);
    assert.deepEqual(Buffer.from(told.loaded[1]!.files.get('key.pem')!), readFileSync(certificates[1].key));
  });

  test('that the system failed to read, or a file that it names, is taken without another change', async (t) => {
    const file = fill(scratchFolder('spec'));
    const told = await open(t, file);
    const handle = await openFile(file);
    const { read } = Object.getPrototypeOf(handle);
    t.after(() => mock.restoreAll());
    for (const [passes, limit] of [
      [0, 41],
      [1, 42],
    ] as const) {
      // The spec is read first.
      let [passing, failing] = [passes as number, 3];
      const mocked = mock.method(
        Object.getPrototypeOf(handle),
        'read',
        function (this: unknown, ...args: unknown[]) {
          if (passing-- > 0 || failing-- <= 0) return read.apply(this, args);
          passing = passes;
          return Promise.reject(Object.assign(new Error('too many open files'), { code: 'EMFILE' }));
        },
      );
      const before = told.problems.length;
      writeFileSync(file, spec(limit));
      await waitUntil('the failure is told', () => told.problems.length > before);
      assert.equal(told.problems.at(-1)![0]!.found, 'error EMFILE');
      await waitUntil('the change is taken', () => told.limit === limit, 5_000);
      mocked.mock.restore();
    }
    await handle.close();
  });

  test('follows a file that a change of the spec names for the first time', async (t) => {
    const folder = scratchFolder('spec');
    const file = fill(folder);
    const told = await open(t, file);
    mkdirSync(join(folder, 'secrets'));
    writeFileSync(file, spec(40, '{file: secrets/orders}'));
    await waitUntil('the missing file is told', () => told.problems.length === 1);
    assert.equal(told.problems[0]![0]!.found, 'none');
    writeFileSync(join(folder, 'secrets', 'orders'), 'hunter4');
    await waitUntil('it is taken once it is there', () => told.loaded.length === 2);
    assert.equal(told.loaded[1]!.passwords.get('orders')?.reveal(), 'hunter4');
  });

  test('and its files change together when a folder link is swapped (Kubernetes ConfigMap)', async (t) => {
    const folder = scratchFolder('spec');
    const point = (version: string, limit: number) => {
      mkdirSync(join(folder, version));
      fill(join(folder, version), spec(limit));
      symlinkSync(version, join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    point('..1', 40);
    for (const name of ['spec.yaml', 'chain.pem', 'key.pem', 'password'])
      symlinkSync(join('..data', name), join(folder, name));
    const told = await open(t, join(folder, 'spec.yaml'));
    for (const limit of [41, 42]) {
      point(`..${limit}`, limit);
      await waitUntil('the swap is told', () => told.limit === limit);
    }
    assert.deepEqual(told.problems, []);
  });

  test('with a password that is none is refused, and no report shows what the file holds', async (t) => {
    const folder = scratchFolder('spec');
    const file = fill(folder);
    for (const content of [
      '',
      '\n',
      'hunter2\nhunter2\n',
      'hunter2\0',
      'hunter2'.repeat(200),
      Buffer.from([0xff, 0xfe]),
    ]) {
      writeFileSync(join(folder, 'password'), content);
      const told = await open(t, file);
      assert.equal(told.problems[0]?.[0]?.path, 'databases.orders.observer.password');
      assert.doesNotMatch(JSON.stringify(told), /hunter2/);
    }
  });

  test('that is not text, too large or not there is reported, not thrown', async (t) => {
    const folder = scratchFolder('spec');
    const file = join(folder, 'spec.yaml');
    assert.equal((await open(t, file)).problems[0]![0]!.found, 'none');
    writeFileSync(file, Buffer.from([0xc3, 0x28]));
    assert.equal((await open(t, file)).problems[0]![0]!.expected, 'UTF-8 text');
    writeFileSync(file, Buffer.alloc(4 * 1024 * 1024 + 1, 0x20));
    assert.match((await open(t, file)).problems[0]![0]!.expected, /at most/);
  });
});

test('what the system fails to read is read again ever more seldom, and each ten seconds at least', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const [readMs, told] = [[] as number[], new Told()];
  let [nowMs, mayPass] = [0, true];
  const origin: Origin = {
    ...{ folder: '/', files: [] },
    text: async () => {
      readMs.push(nowMs);
      const failure = { kind: 'unreadable', expected: 'a readable file', found: 'error EIO' } as const;
      return mayPass ? { ...failure, mayPass } : failure;
    },
  };
  const opened = await FollowedSpec.open(origin, told);
  t.after(() => opened.close());
  const pass = async (ms: number): Promise<void> => {
    for (const endMs = nowMs + ms; nowMs < endMs; await nextTurn()) {
      nowMs += 100;
      mock.timers.tick(100);
    }
  };
  await pass(40_000);
  assert.deepEqual(readMs, [0, 100, 300, 700, 1_500, 3_100, 6_300, 12_700, 22_700, 32_700]);
  assert.equal(told.problems.length, 1);
  mayPass = false;
  await pass(60_000);
  assert.deepEqual(readMs.slice(10), [42_700]);
});
