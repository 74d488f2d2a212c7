import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Overdue } from '../../pure/rpc/overdue.js';
import { Rooms } from '../../pure/rpc/rooms.js';
import { type Call, type Method, Status, unary } from '../../pure/rpc/rpc.js';
import { Http2Connection } from './http2-connection.js';

const echo = unary(
  { path: '/test/Echo', maxMessageBytes: 8 << 20, decode: (bytes) => Buffer.from(bytes) },
  (message, call) => {
    call.reply(message);
    return () => undefined;
  },
);
const header = unary(
  { path: '/test/Header', maxMessageBytes: 10, decode: () => undefined },
  (_message, call) => {
    call.reply(Buffer.from(call.header('x-text') ?? '', 'latin1'));
    return () => undefined;
  },
);
const broken = unary({ path: '/test/Broken', maxMessageBytes: 10, decode: () => undefined }, () => {
  throw new Error('a bug');
});
const picky = unary(
  {
    path: '/test/Picky',
    maxMessageBytes: 10,
    decode: () => {
      throw new RangeError('no');
    },
  },
  () => () => undefined,
);

interface Served {
  readonly port: number;
  readonly connections: Http2Connection[];
  readonly calls: Call[];
  readonly cancelled: () => number;
  readonly bugs: unknown[];
  /** Methods whose calls were ended at a bound. */
  readonly exhausted: string[];
  /** For what is not whole: 64 MiB. */
  readonly rooms: Rooms;
}

/** A server whose method `/test/Held` leaves calls to the test, and `/test/Count` answers with the bytes it was sent;
 * so does `/test/List`, and says by billions how often it was given a part of a list. */
async function serve(t: TestContext): Promise<Served> {
  const calls: Call[] = [];
  const bugs: unknown[] = [];
  const exhausted: string[] = [];
  const rooms = new Rooms({ ofEach: 64 << 20, ofAll: 256 << 20 });
  let cancelled = 0;
  const held = unary({ path: '/test/Held', maxMessageBytes: 10, decode: () => undefined }, (_, call) => {
    calls.push(call);
    return () => {
      cancelled += 1;
    };
  });
  const count: Method<number> = {
    path: '/test/Count',
    maxMessageBytes: 1 << 20,
    decode: (bytes) => bytes.length,
    accept(call) {
      let sum = 0;
      return {
        message: (length) => {
          sum += length;
        },
        finished: () => call.reply(Buffer.from(String(sum))),
        cancelled: () => undefined,
      };
    },
  };
  const list: Method<number> = {
    ...{ ...count, path: '/test/List' },
    records: { field: 3, maxRecordBytes: 1_000, decode: (bytes) => 1_000_000_000 + bytes.length },
  };
  const all = [echo, header, broken, picky, held, count, list] as Method[];
  const methods = new Map(all.map((method) => [method.path, method]));
  const connections: Http2Connection[] = [];
  const server = createServer((socket) => {
    const identify = (of: (name: string) => string | undefined) =>
      of('x-nobody') === undefined ? caller : 'nobody';
    const caller = { node: 'edge-1', peer: '' };
    connections.push(
      new Http2Connection(socket, {
        ...{ methods, identify },
        broken: (_path, error) => bugs.push(error),
        exhausted: ({ path }) => exhausted.push(path),
        room: ({ node }) => rooms.of(node),
        awaited: new Overdue(10),
      }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const connection of connections) connection.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { port, connections, calls, bugs, exhausted, rooms, cancelled: () => cancelled };
}

function client(t: TestContext, { port }: Served, options: http2.ClientSessionOptions = {}) {
  const session = http2.connect(`http://127.0.0.1:${port}`, options);
  session.on('error', () => undefined);
  t.after(() => session.destroy());
  return session;
}

const framed = (message: Uint8Array, compressed = 0): Buffer => {
  const head = Buffer.from([compressed, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

interface Answer {
  readonly http: number | undefined;
  readonly status: number;
  readonly details: string;
  readonly message: Buffer;
}

async function call(
  session: http2.ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: http2.OutgoingHttpHeaders = {},
): Promise<Answer> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let last: http2.IncomingHttpHeaders = {};
  let http: number | undefined;
  stream.on('response', (received) => {
    http = received[':status'];
    last = received;
  });
  stream.on('trailers', (received) => {
    last = received;
  });
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', () => undefined);
  stream.end(body);
  await once(stream, 'close');
  const message = Buffer.concat(chunks).subarray(5);
  const status = Number(last['grpc-status'] ?? -1);
  return { http, status, details: decodeURIComponent(String(last['grpc-message'] ?? '')), message };
}

test('calls at once on one connection are each given their own answer', async (t) => {
  const served = await serve(t);
  const session = client(t, served);
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, index) =>
      call(session, '/test/Echo', framed(Buffer.from(`call ${index}`))),
    ),
  );
  for (const [index, { status, message }] of answers.entries())
    assert.deepEqual([status, message.toString()], [Status.ok, `call ${index}`]);
  assert.equal(served.connections[0]!.streamCount, 0);
});

test('messages of megabytes pass both ways through windows of any size', async (t) => {
  const served = await serve(t);
  const message = Buffer.alloc(5_000_000, 'abcdefg');
  for (const initialWindowSize of [1_000, 65_535, 10_000_000]) {
    const session = client(t, served, { settings: { initialWindowSize } });
    const answers = await Promise.all([1, 2, 3].map(() => call(session, '/test/Echo', framed(message))));
    for (const answer of answers) assert.ok(answer.message.equals(message), `${initialWindowSize}`);
  }
});

test('a header is read whatever characters it has', async (t) => {
  const session = client(t, await serve(t));
  const visible = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index));
  const beyond = Array.from({ length: 0x80 }, (_, index) => String.fromCharCode(0x80 + index));
  for (const text of [...visible, ...beyond].map((one) => `0000000000000000${one}0000000000000000`)) {
    const { message } = await call(session, '/test/Header', framed(Buffer.alloc(0)), { 'x-text': text });
    assert.equal(message.toString('latin1'), text);
  }
});

for (const [what, path, body, headers, status, details] of [
  [
    'a method that is not there',
    '/test/Nothing',
    framed(Buffer.alloc(1)),
    {},
    12,
    /no method \/test\/Nothing/,
  ],
  ['a caller who is nobody', '/test/Echo', framed(Buffer.alloc(1)), { 'x-nobody': '1' }, 16, /^nobody$/],
  ['a compressed message', '/test/Echo', framed(Buffer.alloc(1), 1), {}, 12, /not compressed/],
  [
    'a message that is too large',
    '/test/Held',
    framed(Buffer.alloc(11)),
    {},
    8,
    /at most 10 bytes, found 11/,
  ],
  ['one that says it is', '/test/Held', Buffer.from('00ffffffff', 'hex'), {}, 8, /found 4294967295/],
  ['one that does not decode', '/test/Picky', framed(Buffer.alloc(1)), {}, 3, /no message of this method/],
  ['one that is not whole', '/test/Echo', framed(Buffer.alloc(9)).subarray(0, 9), {}, 3, /not whole/],
  ['no message', '/test/Echo', Buffer.alloc(0), {}, 3, /found none/],
  [
    'a second message',
    '/test/Held',
    Buffer.concat([framed(Buffer.alloc(1)), framed(Buffer.alloc(1))]),
    {},
    3,
    /another one/,
  ],
  ['a method that fails', '/test/Broken', framed(Buffer.alloc(1)), {}, 13, /has failed/],
] as const)
  test(`${what} is answered with a status, and the connection goes on`, async (t) => {
    const served = await serve(t);
    const session = client(t, served);
    const answer = await call(session, path, body, headers);
    assert.equal(answer.status, status);
    assert.deepEqual(served.exhausted, status === Status.resourceExhausted ? [path] : []);
    assert.match(answer.details, details);
    assert.equal((await call(session, '/test/Echo', framed(Buffer.from('on')))).message.toString(), 'on');
  });

test('what is no gRPC is told so', async (t) => {
  const session = client(t, await serve(t));
  assert.equal(
    (await call(session, '/test/Echo', Buffer.alloc(3), { 'content-type': 'text/html' })).http,
    415,
  );
});

test('a call that its caller gives up is cancelled once, and what is answered later goes nowhere', async (t) => {
  const served = await serve(t);
  const session = client(t, served);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/test/Held',
    'content-type': 'application/grpc',
  });
  stream.on('error', () => undefined);
  stream.end(framed(Buffer.alloc(1)));
  await call(session, '/test/Echo', framed(Buffer.alloc(1)));
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await once(stream, 'close');
  await call(session, '/test/Echo', framed(Buffer.alloc(1)));
  assert.equal(served.cancelled(), 1);
  served.calls[0]!.reply(Buffer.alloc(1));
  await call(session, '/test/Echo', framed(Buffer.alloc(1)));
  assert.equal(served.cancelled(), 1);
});

test('a connection that is drained lets its calls end, takes no more, and then closes', async (t) => {
  const served = await serve(t);
  const session = client(t, served);
  const held = call(session, '/test/Held', framed(Buffer.alloc(1)));
  await call(session, '/test/Echo', framed(Buffer.alloc(1)));
  served.connections[0]!.drain();
  await once(session, 'goaway');
  served.calls[0]!.reply(Buffer.from('end'));
  assert.equal((await held).message.toString(), 'end');
  if (!session.closed) await once(session, 'close');
});

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
