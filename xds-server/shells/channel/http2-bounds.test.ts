/** What an end may cost that sends in part, too much or another protocol, says nothing or does not read: a bound, and the others nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Status } from '../../pure/rpc/rpc.js';
import { call, client, framed, type Served, serve } from './served-methods.js';

/** Preface and SETTINGS of nothing, RFC 9113, section 3.4. */
const hello = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000', 'hex'),
]);
const settingsAckBytes = Buffer.from('000000040100000000', 'hex');

interface Raw {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  until(seen: (bytes: Buffer) => boolean): Promise<void>;
}

function raw(t: TestContext, { port }: Served): Raw {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  let bytes: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
  });
  // `once` would fail with the socket's error.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  return {
    socket,
    closed,
    async until(seen) {
      while (!seen(bytes)) await once(socket, 'data');
    },
  };
}

/** A call that has sent this and sends more later, and how it ends. */
function begun(session: http2.ClientHttp2Session, path: string, bytes: Uint8Array) {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
  stream.on('error', () => undefined);
  const status = new Promise<number>((resolve) => {
    stream.once('response', (headers) => resolve(Number(headers['grpc-status'] ?? -1)));
    stream.once('close', () => resolve(-1));
  });
  const written = Promise.race([new Promise((resolve) => stream.write(bytes, resolve)), status]);
  return { stream, status, written };
}

test('an end that says nothing is asked, and given up when it does not answer', async (t) => {
  const served = await serve(t);
  const answering = client(t, served);
  await once(answering, 'connect');
  await call(answering, '/test/Echo', framed(Buffer.alloc(1)));
  const silent = raw(t, served);
  silent.socket.write(hello);
  await silent.until((bytes) => bytes.includes(settingsAckBytes));
  const stranger = raw(t, served);
  await once(stranger.socket, 'connect');
  await call(answering, '/test/Echo', framed(Buffer.alloc(1)));
  for (let look = 0; look < 3; look++) {
    for (const connection of served.connections) connection.look();
    await new Promise((resolve) => answering.ping(resolve));
  }
  await Promise.all([silent.closed, stranger.closed]);
  assert.equal((await call(answering, '/test/Echo', framed(Buffer.from('on')))).message.toString(), 'on');
});

test('messages that wait for their rest have a bound over all calls: the one that would pass it ends, the others go on', async (t) => {
  const served = await serve(t);
  const session = client(t, served);
  const part = Buffer.concat([Buffer.from([0, 0, 0x10, 0, 0]), Buffer.alloc(960_000)]);
  const calls = [];
  let ended: number | undefined;
  for (; ended === undefined && calls.length < 200; ) {
    const call = begun(session, '/test/Count', part);
    calls.push(call);
    void call.status.then((status) => {
      ended = status;
    });
    await call.written;
  }
  assert.equal(ended, Status.resourceExhausted);
  assert.ok(calls.length * part.length < 70_000_000, `${calls.length} calls`);
  assert.ok(served.rooms.taken <= 64 << 20);
  assert.deepEqual(served.exhausted, ['/test/Count']);
  for (const { stream } of calls) stream.close(http2.constants.NGHTTP2_CANCEL);
  assert.equal((await call(session, '/test/Echo', framed(Buffer.from('on')))).message.toString(), 'on');
  assert.equal(served.rooms.taken, 0);
});

test('a long message that is a list is given to its method in parts as it comes, and the call goes on behind it', async (t) => {
  const session = client(t, await serve(t));
  const record = Buffer.concat([Buffer.from([0x0a, 0x64]), Buffer.alloc(100)]);
  // Field 3, of 510,000 bytes.
  const list = Buffer.concat([
    Buffer.from([0x1a, 0xb0, 0x90, 0x1f]),
    Buffer.concat(Array(5_000).fill(record)),
  ]);
  const short = Buffer.alloc(10);
  const { message } = await call(
    session,
    '/test/List',
    Buffer.concat([list, short].map((each) => framed(each))),
  );
  const sum = Number(message.toString());
  assert.equal(sum % 1_000_000_000, 5_000 * record.length + short.length);
  assert.ok(sum > 5_000_000_000, `${sum}`);
});

test('a record that is too large ends its call, and so does a list that is none', async (t) => {
  const session = client(t, await serve(t));
  const large = Buffer.concat([
    Buffer.from('1ab0901f', 'hex'),
    Buffer.from('0aac901f', 'hex'),
    Buffer.alloc(509_996),
  ]);
  const answer = await call(session, '/test/List', framed(large));
  assert.deepEqual(
    [answer.status, answer.details],
    [Status.resourceExhausted, 'expected a record of at most 1000 bytes, found 510000'],
  );
  assert.equal(
    (await call(session, '/test/List', framed(Buffer.alloc(100_000, 0xff)))).status,
    Status.invalidArgument,
  );
});

test('a call that has ended gives up the message that it had begun, though its caller has not ended it', async (t) => {
  const served = await serve(t);
  const session = client(t, served);
  const begin = framed(Buffer.alloc(10)).subarray(0, 9);
  begun(session, '/test/Held', Buffer.concat([framed(Buffer.alloc(1)), begin]));
  while (served.rooms.taken === 0) await call(session, '/test/Echo', framed(Buffer.alloc(1)));
  served.calls[0]!.reply(Buffer.from('yes'));
  assert.equal(served.rooms.taken, 0);
});

test('an end that speaks another protocol is closed, and others live on', async (t) => {
  const served = await serve(t);
  const other = client(t, served);
  const { socket, closed } = raw(t, served);
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await closed;
  assert.equal((await call(other, '/test/Echo', framed(Buffer.from('on')))).message.toString(), 'on');
});

test('an end that asks and does not read is closed before its answers fill the memory', async (t) => {
  const served = await serve(t);
  const { socket, closed } = raw(t, served);
  socket.pause();
  socket.write(hello);
  let isClosed = false;
  void closed.then(() => {
    isClosed = true;
  });
  const ping = Buffer.concat([Buffer.from('000008060000000000', 'hex'), Buffer.alloc(8)]);
  const pings = Buffer.concat(Array.from({ length: 10_000 }, () => ping));
  let sent = 0;
  // The answers that the kernel takes come on top.
  for (; !isClosed && sent < 400_000_000; sent += pings.length)
    if (!socket.write(pings))
      await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed]);
  assert.ok(isClosed, `${sent} bytes`);
});
