/** A node's certificate ends while its channel is open: real certificates and connections, and a clock that the test turns. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { after, before, mock, test } from 'node:test';
import { pino } from 'pino';
import { type Call, unary } from '../../xds-server/pure/rpc/rpc.js';
import { Channel } from '../../xds-server/shells/channel/channel.js';
import { type Certificate, Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { waitUntil } from '../harness/wait-until.js';

let authority: Certificates;
let node: Certificate;
/** When it ends. */
let endsMs: number;
let channel: Channel;
/** Held until the test answers. */
const calls: Call[] = [];

const hold = unary({ path: '/test/Hold', maxMessageBytes: 10, decode: () => undefined }, (_, call) => {
  calls.push(call);
  return () => undefined;
});

before(async () => {
  authority = await Certificates.create();
  node = await authority.client('spiffe://sluice.test/node/edge-1');
  const brain = await authority.server('127.0.0.1');
  endsMs = Date.parse(new X509Certificate(readFileSync(node.chain)).validTo);
  mock.timers.enable({ apis: ['Date', 'setInterval'], now: endsMs - 61_500 });
  channel = await Channel.listen({
    host: '127.0.0.1',
    port: 0,
    credentials: {
      chain: readFileSync(brain.chain),
      key: readFileSync(brain.key),
      clientCa: Buffer.from(authority.caText),
    },
    methods: [hold],
    log: pino({ level: 'silent' }),
    refused: (reason) => assert.fail(reason),
    exhausted: ({ path }) => assert.fail(path),
  });
});

after(async () => {
  channel.destroy();
  mock.timers.reset();
  await stopEverything();
});

/** So often the brain looks at its channels. */
const lookMs = 1_000;

/** It has looked once more, and the node has heard of it. */
async function look(session: http2.ClientHttp2Session): Promise<void> {
  mock.timers.tick(lookMs);
  await new Promise((resolve) => session.ping(resolve));
}

function ask(session: http2.ClientHttp2Session): http2.ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/test/Hold',
    'content-type': 'application/grpc',
  });
  stream.on('error', () => undefined);
  stream.end(Buffer.alloc(5));
  return stream;
}

test('a channel takes no new calls a minute before its certificate ends, finishes its old ones, and is closed at the end', {
  timeout: 10_000,
}, async () => {
  const session = http2.connect(`https://127.0.0.1:${channel.port}`, {
    ca: authority.caText,
    cert: readFileSync(node.chain),
    key: readFileSync(node.key),
  });
  session.on('error', () => undefined);
  let goneAway = false;
  session.on('goaway', () => {
    goneAway = true;
  });
  const [answered, late, unanswered] = [ask(session), ask(session), ask(session)];
  while (calls.length < 3) await new Promise(setImmediate);

  await look(session);
  assert.deepEqual([endsMs - Date.now(), goneAway], [60_500, false]);

  await look(session);
  assert.equal(goneAway, true);
  assert.throws(() => session.request({ ':path': '/test/Hold' }), { code: 'ERR_HTTP2_GOAWAY_SESSION' });
  const answer = once(answered, 'data');
  calls[0]!.reply(Buffer.from('yes'));
  assert.equal(((await answer)[0] as Buffer).subarray(5).toString(), 'yes');

  while (endsMs - Date.now() > lookMs) mock.timers.tick(lookMs);
  const later = once(late, 'data');
  calls[1]!.reply(Buffer.from('late'));
  assert.equal(((await later)[0] as Buffer).subarray(5).toString(), 'late');
  assert.equal(unanswered.closed, false);
  mock.timers.tick(lookMs);
  await waitUntil('it is closed', () => unanswered.closed, 5_000);
});
