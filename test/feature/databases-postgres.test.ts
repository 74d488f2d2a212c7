import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import pg from 'pg';
import type { LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import type { Endpoint, TargetPlan } from '../../xds-server/pure/plan/plan.js';
import type { LinkTls } from '../../xds-server/shells/databases/link.js';
import { connectPostgres } from '../../xds-server/shells/databases/postgres-link.js';
import { TargetObserver } from '../../xds-server/shells/databases/target-observer.js';
import { Postgres } from '../harness/postgres.js';
import { waitUntil } from '../harness/wait-until.js';

type Observed = Extract<LedgerEvent, { kind: 'observed' }>;

let server: Postgres;
before(async () => {
  server = await Postgres.start({
    accounts: [
      { name: 'ann', password: 'secret' },
      { name: 'watcher', password: 'w', memberOf: ['pg_read_all_stats'] },
      { name: 'blind', password: 'b' },
    ],
  });
});
after(() => server?.stop());

const target = (endpoints: readonly Endpoint[]): TargetPlan => ({
  name: 'orders/primary',
  database: 'orders',
  role: 'primary',
  engine: 'postgres',
  endpoints,
  budget: 10,
  reserve: 2,
});

interface Watching {
  readonly observer: TargetObserver;
  readonly events: LedgerEvent[];
  /** The first observation for which `is` holds. */
  see(what: string, is: (event: Observed) => boolean): Promise<Observed>;
  seeProblem(): Promise<string>;
}

async function watching(
  body: (watching: Watching) => Promise<void>,
  {
    user = 'watcher',
    password = 'w',
    endpoints = [{ host: server.host, port: server.port }] as Endpoint[],
  } = {},
): Promise<void> {
  const events: LedgerEvent[] = [];
  const observer = new TargetObserver({
    target: target(endpoints),
    login: { user, password: () => password },
    connect: connectPostgres,
    now: () => performance.now(),
    tell: (event) => events.push(event),
    connected: () => undefined,
  });
  try {
    await body({
      observer,
      events,
      see: (what, is) =>
        waitUntil(what, () =>
          events.find((event): event is Observed => event.kind === 'observed' && is(event)),
        ),
      seeProblem: () =>
        waitUntil('a problem', () => events.find((event) => event.kind === 'unobserved')?.problem),
    });
  } finally {
    observer.stop();
  }
}

/** The server name that an observer sends to a server that offers TLS and has no certificate to show. */
async function serverNameSent(host: string, tls: LinkTls): Promise<string | undefined> {
  let sent: string | undefined;
  const secure = createTlsServer({
    SNICallback: (name, done) => {
      sent = name;
      done(new Error('no certificate'));
    },
  });
  const liar = net.createServer((socket) => {
    socket
      .on('error', () => undefined)
      .once('data', () => {
        socket.write('S');
        secure.emit('connection', socket);
      });
  });
  await new Promise<void>((resolve) => liar.listen(0, 'localhost', resolve));
  const { port } = liar.address() as net.AddressInfo;
  const login = { user: 'watcher', password: () => 'w' };
  try {
    await assert.rejects(connectPostgres({ host, port }, login, { tls }, 3_000));
    return sent;
  } finally {
    liar.close();
  }
}

test('the observer sends the name that nodes send', { timeout: 10_000 }, async () => {
  const tls = { negotiation: 'request', serverName: 'orders.internal' } as const;
  assert.equal(await serverNameSent('localhost', tls), 'orders.internal');
  assert.equal(await serverNameSent('localhost', { negotiation: 'request' }), 'localhost');
});

async function ann(): Promise<pg.Client> {
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    user: 'ann',
    password: 'secret',
    database: 'postgres',
  });
  await client.connect();
  return client;
}

const pidOf = async (client: pg.Client): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;

test('the session list joins a client by its pid and by its own address', () =>
  watching(async ({ see }) => {
    const client = await ann();
    const pid = await pidOf(client);
    const seen = await see('the client', ({ sessions }) => sessions.some(({ serverId }) => serverId === pid));
    const { stream } = (client as unknown as { connection: { stream: net.Socket } }).connection;
    assert.equal(
      seen.sessions.find(({ serverId }) => serverId === pid)?.peer,
      `${stream.localAddress}:${stream.localPort}`,
    );
    assert.equal(seen.listsLogins, false);
    assert.equal(seen.loginTimeoutMs, 60_000);
    await client.end();
  }));

test('the observer names its own session, and holds no more than one', () =>
  watching(async ({ see }) => {
    const { own, sessions } = await see('an observation', () => true);
    assert.equal(own.length, 1);
    assert.ok(!sessions.some(({ serverId }) => serverId === own[0]));
    assert.equal(await server.count('watcher'), 1);
  }));

test('a session that has ended is seen to have gone within tens of milliseconds when that is asked for', () =>
  watching(async ({ see, observer, events }) => {
    const client = await ann();
    const pid = await pidOf(client);
    await see('the client', ({ sessions }) => sessions.some(({ serverId }) => serverId === pid));
    await waitUntil('the calm pace', () => events.length >= 7);
    await client.end();
    const endedMs = performance.now();
    observer.soon();
    const gone = await see(
      'no client',
      ({ sessions, askedAtMs }) => askedAtMs >= endedMs && !sessions.some(({ serverId }) => serverId === pid),
    );
    assert.ok(performance.now() - endedMs < 500, `${performance.now() - endedMs} ms`);
    assert.ok(gone.askedAtMs - endedMs < 400);
  }));

test('an account that may not see other sessions is no observer', () =>
  watching(
    async ({ seeProblem }) => assert.match(await seeProblem(), /expected it to be granted pg_read_all_stats/),
    {
      user: 'blind',
      password: 'b',
    },
  ));

test('a right that is taken away ends the observing', () =>
  watching(async ({ see, seeProblem, observer }) => {
    await see('an observation', () => true);
    const other = await ann();
    await server.query('REVOKE pg_read_all_stats FROM watcher');
    try {
      observer.soon();
      assert.match(await seeProblem(), /pg_read_all_stats/);
    } finally {
      await server.query('GRANT pg_read_all_stats TO watcher');
      await other.end();
    }
  }));

test('a wrong password is a problem that does not repeat the password', () =>
  watching(
    async ({ seeProblem }) => {
      const problem = await seeProblem();
      assert.match(problem, /password authentication failed/);
      assert.doesNotMatch(problem, /s3cr3t/);
    },
    { password: 's3cr3t' },
  ));

test('an observing session that is killed is followed by another', () =>
  watching(async ({ see }) => {
    const first = await see('an observation', () => true);
    await server.query('SELECT pg_terminate_backend($1)', [first.own[0]]);
    await see('another session', ({ own }) => own[0] !== first.own[0]);
  }));

test('a server that does not answer is a problem and not yet down; one where nobody listens is', async () => {
  const silent = net.createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const { port } = silent.address() as net.AddressInfo;
  const endpoints = [{ host: '127.0.0.1', port }];
  await watching(
    async ({ seeProblem, observer }) => {
      await seeProblem();
      assert.equal(observer.isDown, false);
    },
    { endpoints },
  );
  await new Promise((resolve) => silent.close(resolve));
  await watching(
    async ({ observer }) => {
      assert.equal(observer.isDown, false);
      await waitUntil('down', () => observer.isDown);
    },
    { endpoints },
  );
});

test('with one of two servers silent the other proves nothing', () =>
  watching(
    async ({ seeProblem, events }) => {
      assert.match(await seeProblem(), /ECONNREFUSED/);
      assert.ok(events.every(({ kind }) => kind === 'unobserved'));
    },
    {
      endpoints: [
        { host: server.host, port: server.port },
        { host: server.host, port: 1 },
      ],
    },
  ));
