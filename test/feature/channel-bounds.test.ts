/** What a node that has been let in may make the brain hold, and for how long: the channel in clear, where a node is who it says it is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { after, before, mock, test } from 'node:test';
import { pino } from 'pino';
import { type Method, Status, unary } from '../../xds-server/pure/rpc/rpc.js';
import { Channel } from '../../xds-server/shells/channel/channel.js';
import { waitUntil } from '../harness/wait-until.js';

let channel: Channel;
/** Why calls were ended, and whose. */
const exhausted: string[] = [];
const sessions: http2.ClientHttp2Session[] = [];

const ask = unary({ path: '/test/Ask', maxMessageBytes: 10, decode: () => undefined }, (_, call) => {
  call.reply(Buffer.from(call.caller.node));
  return () => undefined;
});
const tell: Method<undefined> = {
  ...{ path: '/test/Tell', maxMessageBytes: 16 << 20, decode: () => undefined },
  accept: () => ({ message: () => undefined, finished: () => undefined, cancelled: () => undefined }),
};

/** What the brain takes for the time; its looks at its calls are the test's. */
let nowMs = 0;

const list: Method<undefined> = {
  ...{ ...tell, path: '/test/List' },
  records: { field: 3, maxRecordBytes: 1_000, decode: () => undefined },
};

before(async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  mock.method(performance, 'now', () => nowMs);
  channel = await Channel.listen({
    ...{ host: '127.0.0.1', port: 0, methods: [ask, tell, list], log: pino({ level: 'silent' }) },
    refused: (reason) => assert.fail(reason),
    exhausted: ({ path, caller, cause, why }) => exhausted.push(`${path} ${caller.node}: ${cause}: ${why}`),
  });
});
after(() => {
  channel.destroy();
  mock.timers.reset();
  mock.restoreAll();
});

function session(): http2.ClientHttp2Session {
  const made = http2.connect(`http://127.0.0.1:${channel.port}`, { maxSessionMemory: 100 });
  made.on('error', () => undefined);
  sessions.push(made);
  return made;
}

/** All of this test's have gone, and the brain has heard of it. */
async function leave(): Promise<void> {
  for (const each of sessions.splice(0)) each.destroy();
  exhausted.length = 0;
  await waitUntil('nothing is held', () => channel.partialBytes === 0);
}

interface Begun {
  readonly stream: http2.ClientHttp2Stream;
  /** gRPC's; undefined while it goes on. */
  status: number | undefined;
}

/** A call of this node's that has sent so much, and has not ended. */
async function begin(
  on: http2.ClientHttp2Session,
  node: string,
  path: string,
  bytes?: Uint8Array,
): Promise<Begun> {
  const stream = on.request({
    ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', 'x-sluice-node': node },
  });
  const begun: Begun = { stream, status: undefined };
  stream.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => {
    stream.on('response', (headers) => {
      begun.status = Number(headers['grpc-status'] ?? Number.NaN);
      resolve();
    });
  });
  if (bytes) await Promise.race([new Promise((resolve) => stream.write(bytes, resolve)), ended]);
  return begun;
}

/** Of the first so many the brain has all, or has ended one. */
async function areHeld(calls: readonly Begun[]): Promise<void> {
  const held = calls.length * (8 << 20);
  await waitUntil(
    'they are held',
    () => channel.partialBytes >= held || calls.some(({ status }) => status !== undefined),
  );
}

/** The brain looks so often, a second or what is said after the look before. */
async function look(times: number, afterMs = 1_000): Promise<void> {
  for (let time = 0; time < times; time++) {
    nowMs += afterMs;
    mock.timers.tick(1_000);
    // What is asked of the other end is answered.
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  }
}

const cutOff = (what: readonly Begun[]) => what.map(({ status }) => status);

/** @param on whatever was sent on it before has been read when this resolves */
async function isServed(node: string, on = session()): Promise<boolean> {
  const { stream } = await begin(on, node, '/test/Ask', Buffer.alloc(5));
  const [answer] = (await once(stream, 'data')) as [Buffer];
  return answer.subarray(5).toString() === node;
}

const head = (length: number): Buffer => {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 1);
  return bytes;
};
const framed = (length: number): Buffer => Buffer.concat([head(length), Buffer.alloc(length)]);
/** Seven of the eight MiB that it announces. */
const part = Buffer.concat([head(8 << 20), Buffer.alloc(7 << 20)]);

test('what a node has begun to say has a bound over all its connections, and another node is served', {
  timeout: 60_000,
}, async () => {
  const calls: Begun[] = [];
  while (calls.every(({ status }) => status === undefined) && calls.length < 20) {
    calls.push(await begin(session(), 'edge-1', '/test/Tell', part));
    await areHeld(calls);
  }
  assert.equal(calls.length, 8, 'the eighth would have 64 MiB and their bookkeeping');
  assert.equal(calls.at(-1)!.status, Status.resourceExhausted);
  assert.ok(channel.partialBytes <= 64 << 20);
  assert.match(exhausted.join(), /^\/test\/Tell edge-1: partial_bytes: .* 67108864 bytes of one node$/);
  assert.ok(await isServed('edge-2'));
  const other = await begin(session(), 'edge-2', '/test/Tell', part);
  assert.equal(other.status, undefined);
  await leave();
});

test('what all nodes together have begun to say has a bound', { timeout: 60_000 }, async () => {
  const calls: Begun[] = [];
  for (let node = 0; calls.every(({ status }) => status === undefined) && node < 50; node += 1)
    for (let call = 0; call < 4; call++) {
      calls.push(await begin(session(), `edge-${node}`, '/test/Tell', part));
      await areHeld(calls);
    }
  assert.ok(channel.partialBytes > 240 << 20 && channel.partialBytes <= 256 << 20, `${channel.partialBytes}`);
  assert.match(exhausted[0]!, / 268435456 bytes of all nodes$/);
  assert.ok(await isServed('edge-99'));
  await leave();
});

test('a message that stays incomplete for ten seconds ends its call, and those between two messages live on', {
  timeout: 60_000,
}, async () => {
  const on = session();
  const [dripping, silent, between, late] = [
    await begin(on, 'edge-1', '/test/Tell', head(100)),
    await begin(on, 'edge-1', '/test/Tell'),
    await begin(on, 'edge-1', '/test/Tell', framed(3)),
    await begin(on, 'edge-1', '/test/Tell', Buffer.concat([framed(3), head(100).subarray(0, 2)])),
  ];
  assert.ok(await isServed('edge-1', on));
  await look(5);
  late.stream.write(Buffer.concat([head(100).subarray(2), Buffer.alloc(100), head(100)]));
  dripping.stream.write(Buffer.alloc(1));
  assert.ok(await isServed('edge-1', on));
  await look(5);
  assert.deepEqual(cutOff([dripping, silent, between, late]), Array(4).fill(undefined));
  await look(1);
  await waitUntil('the first is ended', () => dripping.status !== undefined);
  assert.equal(dripping.status, Status.deadlineExceeded);
  assert.match(exhausted.join(), /^\/test\/Tell edge-1: message_time: the message did not come/);
  await look(4);
  assert.deepEqual(cutOff([silent, between, late]), Array(3).fill(undefined));
  await look(1);
  await waitUntil('what began behind a whole one has as long', () => late.status !== undefined);
  await look(100);
  assert.deepEqual(cutOff([silent, between]), [undefined, undefined]);
  await leave();
});

test('a call of one message that brings none for ten seconds is ended', { timeout: 60_000 }, async () => {
  const on = session();
  const call = await begin(on, 'edge-1', '/test/Ask');
  assert.ok(await isServed('edge-1', on));
  await look(10);
  assert.equal(call.status, undefined);
  await look(1);
  await waitUntil('it is ended', () => call.status !== undefined);
  assert.equal(call.status, Status.deadlineExceeded);
  await leave();
});

test('time for which the brain itself stood still is nobody’s fault', { timeout: 60_000 }, async () => {
  const on = session();
  const call = await begin(on, 'edge-1', '/test/Tell', head(100));
  await waitUntil('it is held', () => channel.partialBytes > 0);
  await look(10);
  await look(1, 60_000);
  assert.equal(call.status, undefined);
  await look(1);
  await waitUntil('it is ended', () => call.status !== undefined);
  await leave();
});

test('of a long list each part has ten seconds: it may come slowly, and not stand still', {
  timeout: 60_000,
}, async () => {
  const on = session();
  const record = Buffer.concat([Buffer.from('0a64', 'hex'), Buffer.alloc(100)]);
  // Field 3, of 5,000 records; its head is four bytes long.
  const begun = Buffer.concat([head(5_000 * record.length + 4), Buffer.from('1ab0901f', 'hex'), record]);
  const call = await begin(on, 'edge-1', '/test/List', begun);
  for (let part = 0; part < 3; part++) {
    assert.ok(await isServed('edge-1', on));
    await look(8);
    call.stream.write(record);
  }
  assert.ok(await isServed('edge-1', on));
  await look(10);
  assert.equal(call.status, undefined);
  await look(1);
  await waitUntil('it is ended', () => call.status !== undefined);
  assert.equal(call.status, Status.deadlineExceeded);
  await leave();
});
