import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { Page, SessionStatus, Status } from '../../pure/status/status.js';
import { AdminServer, type Range, type StatusSource } from './admin-server.js';

const status: Status = {
  sluice: '0.1.0',
  started_at: '2026-01-01T00:00:00.000Z',
  now: '2026-01-01T00:01:00.000Z',
  spec: {
    source: '/etc/sluice.yaml',
    revision: null,
    store: null,
    version: null,
    loaded_at: null,
    problems: [],
    warnings: [],
  },
  leadership: {
    brain: null,
    leader: null,
    address: null,
    role: 'leader',
    namesake: null,
    term: null,
    remaining_ms: null,
    etcd: null,
    followers: [],
    link: null,
  },
  channel: { tls: false, certificate_expires_at: null, problems: [], warnings: [] },
  targets: [],
  services: [],
  tenants: [],
  nodes: [],
  rejections: [],
};

class Source implements StatusSource {
  missingNow: string[] = [];
  asked: Range[] = [];
  readonly #rows: SessionStatus[] = Array.from({ length: 250 }, (_, index) => ({
    connection: `${index}`.padStart(32, '0'),
    service: 'checkout',
    target: 'orders/primary',
    node: 'n',
    state: 'active',
    age_ms: index,
    server_id: index,
    user: null,
    client: null,
    activity: null,
  }));

  status = (): Status => status;
  sessions = (range: Range): Page<SessionStatus> => {
    this.asked.push(range);
    const { limit, offset } = range;
    return { total: this.#rows.length, offset, rows: this.#rows.slice(offset, offset + limit) };
  };
  waiting = ({ offset }: Range) => ({ total: 0, offset, rows: [] });
  missing = () => this.missingNow;
  metrics = async () => ({ contentType: 'text/plain; version=0.0.4', text: 'sluice_grants 1\n' });
}

describe('the admin API', () => {
  const source = new Source();
  let server: AdminServer;
  let base: string;
  before(async () => {
    server = await AdminServer.listen({ host: '127.0.0.1', port: 0 }, source);
    base = `http://127.0.0.1:${server.address.port}`;
  });
  after(() => server.close());

  const json = async (path: string) => {
    const response = await fetch(`${base}${path}`);
    return { code: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  /** fetch does not let a Host be chosen. */
  const codeForHost = (host: string) =>
    new Promise<number>((resolve, reject) => {
      const asked = request(`${base}/status`, { headers: { host } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode!);
      });
      asked.on('error', reject).end();
    });

  test('gives the status as it is told', async () => {
    assert.deepEqual(await json('/status'), { code: 200, body: status });
  });

  test('is alive before it is ready, and says what is missing', async () => {
    source.missingNow = ['a spec that can be taken'];
    assert.deepEqual(await json('/healthz'), { code: 200, body: { alive: true } });
    assert.deepEqual(await json('/readyz'), {
      code: 503,
      body: { ready: false, missing: ['a spec that can be taken'] },
    });
    source.missingNow = [];
    assert.deepEqual(await json('/readyz'), { code: 200, body: { ready: true, missing: [] } });
  });

  test('gives lists in parts, 100 rows unless told otherwise', async () => {
    assert.equal(((await json('/sessions')).body as unknown as Page<unknown>).rows.length, 100);
    const part = (await json('/sessions?limit=10&offset=245')).body as unknown as Page<SessionStatus>;
    assert.deepEqual([part.total, part.offset, part.rows.length, part.rows[0]?.age_ms], [250, 245, 5, 245]);
    assert.deepEqual((await json('/waiting')).body, { total: 0, offset: 0, rows: [] });
  });

  test('refuses a range that is none, and never asks for it', async () => {
    source.asked = [];
    for (const query of [
      'limit=0',
      'limit=1001',
      'limit=-1',
      'limit=1e3',
      'limit=',
      'limit=1&limit=2',
      'offset=-1',
      'offset=x',
      'offset=99999999999',
      'limits=1',
    ]) {
      const { code, body } = await json(`/sessions?${query}`);
      assert.equal(code, 400, query);
      assert.match(String(body.error), /expected/);
    }
    assert.deepEqual(source.asked, []);
  });

  test('gives metrics in their own content type', async () => {
    const response = await fetch(`${base}/metrics`);
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4');
    assert.equal(await response.text(), 'sluice_grants 1\n');
  });

  test('only answers: nothing can be changed, and what is not there is said not to be', async () => {
    assert.equal((await fetch(`${base}/status`, { method: 'POST', body: '{}' })).status, 404);
    assert.equal((await json('/nothing')).code, 404);
  });

  test('the page loads nothing from elsewhere and a browser may run only what is in it', async () => {
    const response = await fetch(`${base}/`);
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'sha256-[^']+'(;|$)/);
    assert.doesNotMatch(policy, /unsafe|\*/);
    const page = await response.text();
    assert.doesNotMatch(page, /https?:\/\//);
    assert.doesNotMatch(page, /innerHTML|\sstyle=|\son[a-z]+=/);
  });

  test('answers only who asks for this machine by its name (DNS rebinding)', async () => {
    for (const host of ['127.0.0.1', 'localhost:18080', '[::1]:1', '127.1.2.3:80', 'LOCALHOST'])
      assert.equal(await codeForHost(host), 200, host);
    for (const host of [
      'evil.example',
      '10.0.0.1',
      '127.0.0.1.evil.example',
      'localhost.evil.example:80',
      '[::2]',
    ])
      assert.equal(await codeForHost(host), 421, host);
  });
});

test('an address that is not loopback is refused in words', async () => {
  for (const host of ['0.0.0.0', '10.0.0.5', '::', 'fe80::1'])
    await assert.rejects(AdminServer.listen({ host, port: 0 }, new Source()), /loopback only.*found/);
});

test('IPv6 loopback serves as well, and a taken port is an error', async (t) => {
  const server = await AdminServer.listen({ host: '::1', port: 0 }, new Source());
  t.after(() => server.close());
  assert.equal((await fetch(`http://[::1]:${server.address.port}/healthz`)).status, 200);
  await assert.rejects(
    AdminServer.listen(server.address, new Source()),
    /cannot serve operators at \[::1\]:\d+ \(--admin\): .*EADDRINUSE/,
  );
});
