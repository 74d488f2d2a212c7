import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { test } from 'node:test';
import { Status } from '../../pure/rpc/rpc.js';
import { call, client, framed, serve } from './served-methods.js';

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
