/**
 * Who breaks off in his login gives his slot back, and not before the server has it: the shipped ledger and observer at a
 * real Postgres that does not list logins and has room for not one session more. In each round as many clients as there is
 * room for break off, at every stage of a login; each slot that is free again is taken by one who stays, so that a
 * process that comes up after all makes the server say "too many".
 *
 *   TRIES=2000 node --import tsx --test test/feature/broken-logins.test.ts
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { defaultSettings } from '../../xds-server/pure/ledger/settings.js';
import { LedgerLoop } from '../../xds-server/shells/control/ledger-loop.js';
import { connectPostgres } from '../../xds-server/shells/databases/postgres-link.js';
import { TargetObserver } from '../../xds-server/shells/databases/target-observer.js';
import { Postgres } from '../harness/postgres.js';
import { waitUntil } from '../harness/wait-until.js';
import { Random } from '../simulation/random.js';
import { sketch } from '../simulation/sketch.js';

const tries = Number(process.env.TRIES ?? 150);
const budget = 30;
/** The observer's two connections, and the one by which the harness asks. */
const reserve = 3;
/** Of one who does it wrong, until the server says so. */
const mostRounds = 10;
const target = 'orders/primary';
const stages = ['connected', 'sent 1', 'got 1', 'sent 2', 'got 2', 'sent 3', 'got 3'] as const;
type Stage = (typeof stages)[number];

/** Brain and node in one: grants are acted on at once, and what becomes of them is told. */
class Front {
  readonly server: Postgres;
  readonly loop: LedgerLoop;
  readonly #ledger: Ledger;
  readonly #observer: TargetObserver;
  readonly #granted = new Map<string, () => void>();
  #serial = 0;

  /** @param twist what the ledger is told in place of what the observer says */
  constructor(server: Postgres, twist = (event: LedgerEvent): LedgerEvent => event) {
    this.server = server;
    this.#ledger = new Ledger({
      ...defaultSettings,
      logins: { ...defaultSettings.logins, share: 1 },
    });
    this.loop = new LedgerLoop(this.#ledger);
    const { host, port } = server;
    const plan = sketch({
      targets: { [target]: { endpoints: [{ host, port }], budget, reserve } },
      services: { checkout: { maxConnections: budget, timeoutMs: 600_000, maxQueue: 1_000 } },
    });
    this.#observer = new TargetObserver({
      target: plan.targets.get(target)!,
      login: { user: 'watcher', password: () => 'w' },
      connect: connectPostgres,
      now: () => performance.now(),
      tell: (event) => this.loop.apply(twist(event)),
      connected: () => undefined,
    });
    this.loop.subscribe((effect) => {
      if (effect.kind === 'observe') this.#observer.soon(effect.dialledAfterMs);
      else if (effect.kind === 'grant') this.#granted.get(effect.connection)?.();
    });
    this.loop.apply({ kind: 'plan', plan });
  }

  /** Slots that may be of one who broke off. */
  get doubtful(): number {
    const { granted, closing } = this.#ledger.view().targets.get(target)!;
    return granted + closing;
  }

  stop(): void {
    this.loop.stop();
    this.#observer.stop();
  }

  async grant(): Promise<string> {
    const connection = `c${++this.#serial}`;
    const granted = new Promise<void>((resolve) => this.#granted.set(connection, resolve));
    this.loop.apply({ kind: 'check', connection, node: 'n1', service: 'checkout', waitedMs: 0 });
    await granted;
    this.#granted.delete(connection);
    return connection;
  }

  /** @param isTold whether the node lives to tell of it */
  async breakOff(stage: Stage, how: 'reset' | 'close', isTold: boolean): Promise<void> {
    const connection = await this.grant();
    const socket = new net.Socket();
    const isReached = new Promise<void>((resolve) => {
      let [sent, got] = [0, 0];
      socket.on('connect', () => {
        if (stage === 'connected') resolve();
        // Connecting gives a socket its own one back.
        const write = socket.write.bind(socket);
        Object.assign(socket, {
          write: (...given: Parameters<typeof write>) => {
            const result = write(...given);
            if (stage === `sent ${++sent}`) resolve();
            return result;
          },
        });
      });
      // Before the driver, which answers at once.
      socket.prependListener('data', () => {
        if (stage === `got ${++got}`) resolve();
      });
      socket.on('close', () => resolve());
    });
    const client = this.#client(socket);
    client.connect().catch(() => undefined);
    await isReached;
    const { localAddress, localPort } = socket;
    if (how === 'reset') socket.resetAndDestroy();
    else socket.destroy();
    if (!isTold) return;
    const upstream = { localAddress: `${localAddress}:${localPort}` };
    this.loop.apply({
      kind: 'end',
      connection,
      node: 'n1',
      service: 'checkout',
      upstream,
      evidence: 'proxy-closed',
    });
  }

  /** One who stays until the round is over. */
  async stay(over: Promise<void>): Promise<void> {
    const connection = await this.grant();
    const socket = new net.Socket();
    const client = this.#client(socket);
    const closed = once(socket, 'close');
    const facts = { connection, node: 'n1', service: 'checkout' };
    let upstream = {};
    let timer: NodeJS.Timeout | undefined;
    try {
      await client.connect();
      upstream = { serverId: (client as unknown as { processID: number }).processID, login: 'accepted' };
      const report = (): void => this.loop.apply({ kind: 'report', ...facts, upstream });
      report();
      timer = setInterval(report, defaultSettings.reportIntervalMs);
      await over;
      await client.end();
    } finally {
      clearInterval(timer);
      await closed;
      this.loop.apply({ kind: 'end', ...facts, upstream, evidence: 'server-closed' });
    }
  }

  #client(socket: net.Socket): pg.Client {
    const { host, port } = this.server;
    const connect = socket.connect.bind(socket) as (at: net.TcpSocketConnectOpts) => net.Socket;
    const client = new pg.Client({
      user: 'ann',
      password: 'secret',
      database: 'postgres',
      stream: () => Object.assign(socket, { connect: () => connect({ host, port }) }),
    });
    client.on('error', () => undefined);
    return client;
  }
}

interface Round {
  readonly name: string;
  /** Resolves when clients may come; the second when they have gone. */
  readonly trouble: (server: Postgres) => Promise<() => Promise<void>>;
}

const rounds: readonly Round[] = [
  { name: 'ordinary', trouble: async () => async () => undefined },
  {
    name: 'the postmaster stands still while they come, and for a while after',
    trouble: async ({ pid }) => {
      process.kill(pid, 'SIGSTOP');
      return async () => {
        await pause(2_500);
        process.kill(pid, 'SIGCONT');
      };
    },
  },
  {
    name: 'the postmaster stands still after they came',
    trouble:
      async ({ pid }) =>
      async () => {
        process.kill(pid, 'SIGSTOP');
        await pause(2_500);
        process.kill(pid, 'SIGCONT');
      },
  },
  {
    name: 'all of the server stands still',
    trouble: async (server) => async () => {
      server.signal('SIGSTOP');
      await pause(1_200);
      server.signal('SIGCONT');
    },
  },
  {
    name: 'many log in at once, on too few processors',
    trouble: async () => {
      const busy = Array.from({ length: 12 }, () => burn());
      return async () => {
        await pause(1_500);
        await Promise.all(busy.map(stopBurning));
      };
    },
  },
];

const burning = new Set<ChildProcess>();
after(() => Promise.all([...burning].map(stopBurning)));

function burn(): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  burning.add(child);
  return child;
}

async function stopBurning(child: ChildProcess): Promise<void> {
  burning.delete(child);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function startServer(): Promise<Postgres> {
  return await Postgres.start({
    name: 'broken-logins',
    maxConnections: budget + reserve,
    accounts: [
      { name: 'ann', password: 'secret' },
      { name: 'watcher', password: 'w', memberOf: ['pg_read_all_stats'] },
    ],
  });
}

/**
 * @param until what is waited for
 * @returns how long that took, from the end of the trouble on
 */
async function play(
  front: Front,
  { trouble }: Round,
  random: Random,
  until = () => front.doubtful === 0,
): Promise<number> {
  const mend = await trouble(front.server);
  // Where nobody is let in, nobody gets to a later stage.
  await Promise.race([
    Promise.all(
      Array.from({ length: budget }, () =>
        front.breakOff(random.pick(stages), random.pick(['reset', 'close']), random.chance(0.9)),
      ),
    ),
    pause(1_000),
  ]);
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const staying = Promise.allSettled(Array.from({ length: budget }, () => front.stay(over)));
  try {
    await mend();
    const mendedMs = performance.now();
    await waitUntil('every slot to be free', until, 40_000);
    const tookMs = performance.now() - mendedMs;
    // One that comes up after all finds no room.
    await pause(1_500);
    return tookMs;
  } finally {
    end();
    await staying;
  }
}

test(`${tries} logins that are broken off: no slot is given while the server may still take it`, async (t) => {
  const server = await startServer();
  const front = new Front(server);
  const random = new Random(Number(process.env.SEED ?? 1));
  const took = new Map<string, number[]>();
  try {
    await front.stay(Promise.resolve());
    for (let done = 0; done < tries; )
      for (const round of rounds) {
        const ms = await play(front, round, random);
        took.set(round.name, [...(took.get(round.name) ?? []), Math.round(ms)]);
        done += budget;
        assert.ok(!server.hasSaidTooMany, `after ${done} tries, ${round.name}`);
      }
  } finally {
    front.stop();
    await server.stop();
  }
  for (const [name, ms] of took) t.diagnostic(`${name}: free after ${ms.join(', ')} ms`);
});

test('one who believes any list, whenever its connection was dialled, is told "too many" by the server', async () => {
  const server = await startServer();
  const front = new Front(server, (event) =>
    event.kind === 'observed' && event.logins
      ? { ...event, logins: { ...event.logins, dialledMs: Number.POSITIVE_INFINITY, letInMs: -1e9 } }
      : event,
  );
  const [, stopped] = rounds;
  try {
    await front.stay(Promise.resolve());
    const random = new Random(1);
    const isOver = (): boolean => server.hasSaidTooMany || front.doubtful === 0;
    // On a busy machine those who broke off may be gone, one by one, before the next ones come.
    for (let round = 1; round <= mostRounds && !server.hasSaidTooMany; round++)
      await play(front, stopped!, random, isOver);
    assert.ok(server.hasSaidTooMany, `not in ${mostRounds} rounds`);
  } finally {
    front.stop();
    await server.stop();
  }
});

/** As many as there is room for log in and say no more, before there is a ledger; then as many come who have a password. */
async function beginBeside(hanging: number, twist?: (event: LedgerEvent) => LedgerEvent): Promise<Postgres> {
  const server = await startServer();
  const sockets = await Promise.all(Array.from({ length: hanging }, () => hangingLogin(server)));
  const front = new Front(server, twist);
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  try {
    const staying = Promise.allSettled(Array.from({ length: budget }, () => front.stay(over)));
    const areIn = (clients: number) => async () =>
      server.hasSaidTooMany || (await server.count('ann')) === clients;
    await waitUntil('those to be in for whom there is room', areIn(budget - hanging));
    for (const socket of sockets) socket.destroy();
    await waitUntil('all to be in', areIn(budget));
    end();
    await staying;
    return server;
  } finally {
    end();
    front.stop();
    await server.stop();
  }
}

/** The server has asked it for its proof, which does not come. */
async function hangingLogin({ host, port }: Postgres): Promise<net.Socket> {
  const words = Buffer.from('user\0ann\0database\0postgres\0\0', 'latin1');
  const startup = Buffer.alloc(8 + words.length);
  startup.writeUInt32BE(startup.length, 0);
  startup.writeUInt32BE(0x0003_0000, 4);
  words.copy(startup, 8);
  const socket = net.connect(port, host, () => socket.write(startup));
  socket.on('error', () => undefined);
  await once(socket, 'data');
  return socket;
}

test('a ledger that begins while others log in, of whom nobody tells it, gives what they leave, and the rest when they are gone', async () => {
  const server = await beginBeside(budget - 5);
  assert.ok(!server.hasSaidTooMany);
});

test('one who goes by those who are in is told "too many" by the server', async () => {
  const server = await beginBeside(budget - 5, (event) =>
    event.kind === 'observed' && event.logins
      ? { ...event, logins: { ...event.logins, serverIds: [] } }
      : event,
  );
  assert.ok(server.hasSaidTooMany);
});
