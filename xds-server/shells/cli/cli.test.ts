/** The commands as a shell runs them: real processes, their exit codes and what they print where. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sluiceProgram } from '../../../test/harness/program.js';
import { scratchFolder } from '../../../test/harness/scratch.js';
import type { Page, SessionStatus, Status, WaiterStatus } from '../../pure/status/status.js';
import { AdminServer } from '../admin/admin-server.js';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function sluice(...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...sluiceProgram(), ...args], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

const usage = { total: 8, granted: 1, active: 5, closing: 2, waiting: 3 };

const status: Status = {
  sluice: '0.1.0',
  started_at: '2026-01-01T00:00:00.000Z',
  now: '2026-01-01T01:00:00.000Z',
  spec: {
    source: '/etc/sluice.yaml',
    revision: null,
    store: null,
    version: '0123456789abcdef',
    loaded_at: '2026-01-01T00:00:01.000Z',
    problems: [
      { path: 'services.search', line: 7, message: 'services.search (line 7): expected a database' },
    ],
    warnings: [],
  },
  leadership: {
    brain: 'a',
    leader: 'a',
    address: null,
    role: 'leader',
    namesake: null,
    term: 17,
    remaining_ms: 900,
    etcd: { problem: 'no answer within 500 ms', for_ms: 4_200 },
    followers: [{ brain: 'b', nodes: 3 }],
    link: null,
  },
  channel: { tls: true, certificate_expires_at: null, problems: [], warnings: [] },
  targets: [
    {
      ...usage,
      target: 'orders/primary',
      engine: 'postgres',
      endpoints: ['10.0.0.5:5432'],
      budget: 90,
      reserve: 10,
      unclaimed: 0,
      recovering: false,
      observer: { state: 'failing', age_ms: null, problem: 'connection refused', server_capacity: null },
    },
  ],
  services: [
    {
      ...usage,
      service: 'checkout',
      hostname: 'checkout.orders.db.example.com',
      tenant: 'shop',
      target: 'orders/primary',
      max_connections: 10,
      guaranteed: 0,
      kill_reserve: 0,
      max_queue: 100,
      timeout_ms: 5000,
      priority: 7,
      longest_wait_ms: 1500,
      held_by: 'tenant',
    },
  ],
  tenants: [],
  nodes: [
    {
      node: 'edge-1',
      peer: '10.0.0.9:4711',
      stream: 'delta',
      connected_at: '2026-01-01T00:30:00.000Z',
      convergence: 'rejected',
      types: [
        { type: 'cluster', convergence: 'rejected' },
        { type: 'listener', convergence: 'converged' },
      ],
    },
  ],
  rejections: [
    {
      node: 'edge-1',
      type: 'cluster',
      at: '2026-01-01T00:40:00.000Z',
      owner: 'services.checkout',
      message: 'no such \x1b[31mthing',
    },
  ],
};

const noUsage = { total: null, granted: null, active: null, closing: null, waiting: null };

const follower: Status = {
  ...status,
  targets: status.targets.map((row) => ({
    ...{ ...row, ...noUsage },
    ...{ unclaimed: null, recovering: null, observer: null },
  })),
  services: status.services.map((row) => ({ ...row, ...noUsage, longest_wait_ms: null, held_by: null })),
  leadership: {
    ...{ brain: 'b', leader: 'a', address: '10.0.0.2:18000', role: 'follower', term: 17 },
    ...{ namesake: null, remaining_ms: null, etcd: null, followers: [] },
    link: { open: false, for_ms: 2_100, problem: 'it is silent' },
  },
};

const sessions: Page<SessionStatus> = {
  total: 2,
  offset: 0,
  rows: [
    {
      connection: 'ab'.repeat(16),
      service: 'checkout',
      target: 'orders/primary',
      node: 'edge-1',
      state: 'active',
      age_ms: 52_000,
      server_id: 4711,
      user: 'ann\x1b[2J',
      client: '[2001:db8::7]:50412',
      activity: {
        state: 'transaction',
        for_ms: 3_000,
        transactions: 12,
        queries: 345,
        errors: 6,
        transaction_ms: 40,
        query_ms: 30,
      },
    },
  ],
};

const granted: SessionStatus = {
  ...sessions.rows[0]!,
  ...{ state: 'granted', server_id: null, user: null, client: null, activity: null },
};

const waiter: WaiterStatus = {
  connection: 'cd'.repeat(16),
  service: 'checkout',
  target: 'orders/primary',
  node: 'edge-1',
  client: '10.1.2.3',
  priority: 7,
  waited_ms: 3_000,
  timeout_ms: 5_000,
};

const waiting: Page<WaiterStatus> = { total: 1, offset: 0, rows: [waiter] };

describe('asking a running brain', () => {
  let server: AdminServer;
  let admin: string;
  let says = status;
  let holds = sessions;
  before(async () => {
    server = await AdminServer.listen(
      { host: '127.0.0.1', port: 0 },
      {
        status: () => says,
        sessions: () => holds,
        waiting: () => waiting,
        missing: () => [],
        metrics: async () => ({ contentType: 'text/plain', text: '' }),
      },
    );
    admin = `127.0.0.1:${server.address.port}`;
  });
  after(() => server.close());

  test('status shows each service, its use, and what is wrong with whom', async () => {
    const { code, stdout } = await sluice('status', '--admin', admin);
    assert.equal(code, 0);
    assert.match(stdout, /^checkout +█{9}░{3} +10 +8 +5 +1 +2 +3 +tenant +7 +shop +checkout\.orders/m);
    assert.match(stdout, /^orders\/primary .*connection refused +ready$/m);
    assert.match(stdout, /^This is brain a\. It leads, term 17, 900 ms left before it is renewed\.$/m);
    assert.match(stdout, /^Followers: b \(3 nodes\)$/m);
    assert.match(stdout, /^etcd has not answered for 4 s: no answer within 500 ms$/m);
    assert.match(stdout, /^edge-1 +30 min ago +delta +rejected: cluster$/m);
    assert.match(stdout, /^ {2}services\.search \(line 7\): expected a database$/m);
    assert.match(stdout, /services\.checkout: no such {2}\[31mthing/);
    assert.ok(!stdout.includes('\x1b'), 'what a node says must not steer the terminal');
  });

  test('status of a brain that follows says who counts, and shows no counts of its own', async (t) => {
    says = follower;
    t.after(() => {
      says = status;
    });
    const { stdout } = await sluice('status', '--admin', admin);
    assert.match(
      stdout,
      /^This is brain b\. Brain a at 10\.0\.0\.2:18000 leads, term 17, and has the counts\.$/m,
    );
    assert.match(stdout, /^It has not reached it for 2 s: it is silent$/m);
    assert.match(stdout, /^DATABASE +BUDGET\norders\/primary +90$/m);
    assert.match(stdout, /^SERVICE +LIMIT +PRIORITY +TENANT +HOSTNAME\ncheckout +10 +7 +shop +checkout\./m);
  });

  test('status of a brain whose id another process leads under says so, and where that is', async (t) => {
    const { brain, etcd, followers } = follower.leadership;
    const nobody = { leader: null, address: null, role: 'none', term: null, remaining_ms: null } as const;
    const namesake = '10.0.0.2:18000';
    says = {
      ...follower,
      leadership: { ...nobody, ...{ brain, etcd, followers, link: null }, namesake },
    };
    t.after(() => {
      says = status;
    });
    const { stdout } = await sluice('status', '--admin', admin);
    assert.match(stdout, /^This is brain b\. Another process leads under that id, at 10\.0\.0\.2:18000: /m);
    assert.match(stdout, /one that was given its id: each needs its own \(--brain\)\.$/m);
    assert.doesNotMatch(stdout, /No brain leads/);
  });

  test('status --json is the admin API’s own answer', async () => {
    const { code, stdout, stderr } = await sluice('status', '--json', '--admin', admin);
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(JSON.parse(stdout), status);
  });

  test('sessions and waiting show rows and how many there are', async () => {
    const held = await sluice('sessions', '--admin', admin, '--limit', '1');
    assert.match(
      held.stdout,
      /^checkout +orders\/primary +ann .* +active +52 s +transaction +3 s +12 +345 +6 +4711 +edge-1 +(ab){16}$/m,
    );
    assert.match(held.stdout, /^1 to 1 of 2 in all$/m);
    const queue = await sluice('waiting', '--admin', admin);
    assert.match(queue.stdout, /^checkout +orders\/primary .* 7 +3 s +5 s +edge-1 +(cd){16}\n1 in all$/m);
    assert.deepEqual(JSON.parse((await sluice('sessions', '--json', '--admin', admin)).stdout), sessions);
  });

  test('sessions shows whose each is, by account and address, and cannot be made to steer the terminal', async (t) => {
    holds = { ...sessions, rows: [...sessions.rows, granted] };
    t.after(() => {
      holds = sessions;
    });
    const { stdout } = await sluice('sessions', '--admin', admin);
    assert.match(stdout, /^SERVICE +DATABASE +USER +CLIENT +STATE /m);
    assert.match(stdout, /^checkout +orders\/primary +ann \[2J +\[2001:db8::7\]:50412 +active /m);
    assert.match(stdout, /^checkout +orders\/primary +- +- +granted /m);
    assert.ok(!stdout.includes('\x1b'));
  });

  test('waiting shows where each client comes from', async () => {
    const { stdout } = await sluice('waiting', '--admin', admin);
    assert.match(
      stdout,
      /^SERVICE +DATABASE +CLIENT +PRIORITY .*\ncheckout +orders\/primary +10\.1\.2\.3 +7 /m,
    );
  });
});

test('where no brain answers the answer is no, in one line', async (t) => {
  const nobody = await sluice('status', '--admin', '127.0.0.1:1');
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /^sluice: nothing answers at 127\.0\.0\.1:1: .*\n$/);

  const other = createServer((_request, response) => response.end('<html>'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(() => other.close());
  const stranger = await sluice('status', '--admin', `127.0.0.1:${(other.address() as AddressInfo).port}`);
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /is not a brain/);
});

test('a command that is used wrongly exits with 2 and says how on stderr', async () => {
  for (const args of [
    [],
    ['nonsense'],
    ['check'],
    ['check', 'a', 'b'],
    ['status', '--admin', 'localhost:1'],
    ['status', '--nonsense'],
    ['sessions', '--limit', '0'],
    ['bootstrap', '--node', 'n'],
    ['bootstrap', '--node', 'n', '--xds', '127.0.0.1:0'],
    ['bootstrap', '--node', 'n n', '--xds', '127.0.0.1:18000'],
    ['bootstrap', '--node', 'n', '--xds', '127.0.0.1:18000', '--admin', '0.0.0.0:9901'],
    ['bootstrap', '--node', 'n', '--xds', '127.0.0.1:18000', '--as', '/etc/envoy'],
  ]) {
    const { code, stdout, stderr } = await sluice(...args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(stdout, '', args.join(' '));
    assert.notEqual(stderr, '', args.join(' '));
  }
});

test('help and version are good answers, on stdout', async () => {
  const help = await sluice('help');
  assert.equal(help.code, 0);
  for (const command of ['serve', 'check', 'bootstrap', 'status', 'sessions', 'waiting'])
    assert.match(help.stdout, new RegExp(`^ +${command}\\b`, 'm'));
  const version = await sluice('--version');
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

test('check of a file that is not there answers no and names it', async () => {
  const file = join(scratchFolder('cli'), 'none.yaml');
  const { code, stdout } = await sluice('check', file);
  assert.equal(code, 1);
  assert.match(stdout, /expected a readable file, found none/);
});

test('bootstrap says in one line where it cannot write', async () => {
  const taken = join(scratchFolder('cli'), 'file');
  writeFileSync(taken, '');
  const tls = ['--tls-certificate', '/tls/c.pem', '--tls-key', '/tls/k.pem', '--tls-ca', '/tls/ca.pem'];
  const into = ['bootstrap', '--node', 'n', '--xds', 'brain:18000', ...tls, '--into', taken];
  const { code, stdout, stderr } = await sluice(...into);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^sluice: --into: expected a folder that can be written to: EEXIST.*\n$/);
});

test('bootstrap prints one document that names the node, as YAML and as JSON', async () => {
  const args = ['bootstrap', '--node', 'edge-1', '--xds', '127.0.0.1:18000'];
  const yaml = await sluice(...args);
  assert.equal(yaml.code, 0);
  assert.match(yaml.stdout, /^node:\n {2}id: edge-1$/m);
  const json = JSON.parse((await sluice(...args, '--json')).stdout) as { node: { id: string } };
  assert.equal(json.node.id, 'edge-1');
});
