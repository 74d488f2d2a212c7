/** Clients that dawdle: each byte on its own is well; silence is cut at the deadline, at every stage before the login. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { stopEverything } from '../harness/ending.js';
import { hostnameOf, type Sluice } from '../harness/sluice.js';
import { ann, annOfReports, ordersAndReports } from './orders-and-reports.js';
import { mysqlSession, postgresSession } from './sessions.js';

let sluice: Sluice;

before(async () => {
  ({ sluice } = await ordersAndReports({
    budgets: { orders: 5, reports: 8 },
    services: {
      checkout: { database: 'orders', max_connections: 2 },
      dashboard: { database: 'reports', max_connections: 2 },
    },
  }));
});

after(stopEverything);

/** A socket that sends each byte as a segment of its own. */
class Trickle extends Duplex {
  readonly #socket: net.Socket;
  segments = 0;

  constructor(socket = new net.Socket()) {
    super();
    this.#socket = socket.setNoDelay(true);
    for (const event of ['connect', 'close', 'error'] as const)
      socket.on(event, (...all) => this.emit(event, ...all));
    socket.on('data', (chunk) => this.push(chunk));
    socket.on('end', () => this.push(null));
  }

  connect(port: number, host: string): this {
    this.#socket.connect(port, host);
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const sendFrom = (at: number): void => {
      if (at === chunk.length) {
        done();
        return;
      }
      this.segments += 1;
      // The next one only after the kernel took this one: Nagle is off, so each leaves at once.
      this.#socket.write(chunk.subarray(at, at + 1), (error) => {
        if (error) done(error);
        else setImmediate(sendFrom, at + 1);
      });
    };
    sendFrom(0);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  // What drivers call on their sockets.
  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }
}

test('a Postgres client that sends one byte at a time logs in and queries', { timeout: 30_000 }, async () => {
  const stream = new Trickle();
  const session = await postgresSession(sluice, 'checkout', ann, { stream });
  assert.equal((await session.query('SELECT 1 AS n')).rows[0].n, 1);
  assert.ok(stream.segments > 500, `${stream.segments} segments`);
  await session.end();
});

test('a MySQL client that sends one byte at a time logs in and queries', { timeout: 30_000 }, async () => {
  const stream = new Trickle(net.connect(sluice.ports.mysql, sluice.host));
  const session = await mysqlSession(sluice, 'dashboard', annOfReports, stream as unknown as net.Socket);
  await session.query('SELECT 1');
  assert.ok(stream.segments > 500, `${stream.segments} segments`);
  await session.end();
});

/** Before any login: the deadline of the filters, with room for a busy machine. */
const deadlineMs = 10_000;
const graceMs = 3_000;

const sslRequest = Buffer.from('0000000804d2162f', 'hex');

const silences: Readonly<Record<string, () => Promise<net.Socket>>> = {
  'a Postgres client that says nothing': async () => net.connect(sluice.ports.pg, sluice.host),
  'a Postgres client that stops in its first message': async () => {
    const socket = net.connect(sluice.ports.pg, sluice.host);
    socket.write(sslRequest.subarray(0, 3));
    return socket;
  },
  'a Postgres client that asks for TLS and then says nothing': askedForTls,
  'a Postgres client that speaks TLS and then says nothing': async () => {
    const servername = hostnameOf('checkout');
    const socket = await askedForTls();
    return new Promise((resolve, reject) => {
      const secure = tls.connect({ socket, servername, ca: sluice.certificates.caText }, () =>
        resolve(secure),
      );
      secure.once('error', reject);
    });
  },
  'a MySQL client that says nothing': async () => net.connect(sluice.ports.mysql, sluice.host),
};

async function askedForTls(): Promise<net.Socket> {
  const socket = net.connect(sluice.ports.pg, sluice.host);
  socket.write(sslRequest);
  const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  assert.equal(answer.toString(), 'S');
  return socket;
}

describe('silence is cut at the deadline', { concurrency: true }, () => {
  for (const [who, connect] of Object.entries(silences)) {
    test(who, { timeout: 30_000 }, async () => {
      const started = performance.now();
      const socket = await connect();
      socket.on('error', () => {}).resume();
      await new Promise((resolve) => socket.once('close', resolve));
      const tookMs = performance.now() - started;
      assert.ok(tookMs <= deadlineMs + graceMs, `cut after ${tookMs} ms`);
      assert.ok(tookMs >= 1000, `cut after only ${tookMs} ms`);
    });
  }
});
