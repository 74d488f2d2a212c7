/** Who may come to the brain, and as whom: the channel with real certificates and without, real strangers in front of it. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { pino } from 'pino';
import { type Caller, type Method, unary } from '../../xds-server/pure/rpc/rpc.js';
import { Channel } from '../../xds-server/shells/channel/channel.js';
import type { Credentials } from '../../xds-server/shells/channel/tls-handshakes.js';
import { type Certificate, Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { waitUntil } from '../harness/wait-until.js';

let ours: Certificates;
let others: Certificates;
let brain: Certificate;
let node: Certificate;
let channel: Channel;
/** Without certificates. */
let plain: Channel;
let callers: Caller[] = [];
const refused: string[] = [];
/** Where each of them came from. */
const peers: string[] = [];

const ask = unary({ path: '/test/Ask', maxMessageBytes: 10, decode: () => undefined }, (_, call) => {
  callers.push(call.caller);
  call.reply(Buffer.from(call.caller.node));
  return () => undefined;
});

const follow: Method<undefined> = {
  ...{ path: '/test/Follow', from: 'brains', maxMessageBytes: 10, decode: () => undefined },
  accept: (call) => ({
    message: () => call.reply(Buffer.from(`brain ${call.caller.brain}, node "${call.caller.node}"`)),
    finished: () => undefined,
    cancelled: () => undefined,
  }),
};

const credentials = (of: Certificate, ca: string): Credentials => ({
  chain: readFileSync(of.chain),
  key: readFileSync(of.key),
  clientCa: Buffer.from(ca),
});

const serving = {
  methods: [ask, follow],
  log: pino({ level: 'silent' }),
  exhausted: () => undefined,
  refused: (reason: string, peer: string) => {
    refused.push(reason);
    peers.push(peer);
  },
};

before(async () => {
  [ours, others] = await Promise.all([Certificates.create(), Certificates.create()]);
  [brain, node] = await Promise.all([
    ours.server('127.0.0.1'),
    ours.client('spiffe://sluice.test/node/edge-1'),
  ]);
  channel = await Channel.listen({
    host: '127.0.0.1',
    port: 0,
    credentials: credentials(brain, ours.caText),
    ...serving,
  });
  plain = await Channel.listen({ host: '127.0.0.1', port: 0, ...serving });
});
after(async () => {
  for (const each of [channel, plain]) each.destroy();
  await stopEverything();
});

const pem = (of: Certificate) => ({ cert: readFileSync(of.chain), key: readFileSync(of.key) });

function session(options: tls.ConnectionOptions): http2.ClientHttp2Session {
  const made = http2.connect(`https://127.0.0.1:${channel.port}`, { ca: ours.caText, ...options });
  made.on('error', () => undefined);
  return made;
}

/** The node that the brain takes the caller for; `undefined`: it was not let in. */
async function whoAmI(options: tls.ConnectionOptions): Promise<string | undefined> {
  const made = session(options);
  try {
    return await askOn(made);
  } catch {
    return undefined;
  } finally {
    made.destroy();
  }
}

function askOn(
  made: http2.ClientHttp2Session,
  headers: Record<string, string> = {},
  method = 'Ask',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new Error('not let in'));
    made.once('error', fail);
    made.once('close', fail);
    const stream = made.request({
      ':method': 'POST',
      ':path': `/test/${method}`,
      'content-type': 'application/grpc',
      ...headers,
    });
    stream.on('error', fail);
    stream.on('response', (answer) => {
      if (answer['grpc-status'] !== undefined) resolve(`status ${answer['grpc-status']}`);
    });
    stream.on('data', (chunk: Buffer) => resolve(chunk.subarray(5).toString()));
    stream.end(Buffer.alloc(5));
  });
}

test('a node is who its certificate says, whatever it says of itself', async () => {
  const made = session(pem(node));
  assert.equal(await askOn(made, { 'x-sluice-node': 'edge-2' }), 'edge-1');
  await askOn(made);
  made.destroy();
  const [one, other] = callers;
  assert.ok(one === other, 'one caller for all calls of a connection');
});

/** What a brain is told of itself. */
async function whoFollows(
  made: http2.ClientHttp2Session,
  headers: Record<string, string> = {},
): Promise<string> {
  made.on('error', () => undefined);
  try {
    return await askOn(made, headers, 'Follow');
  } finally {
    made.destroy();
  }
}

const denied = 'status 7';
const unauthenticated = 'status 16';

test('over TLS a brain is who its certificate says, and a node that calls itself a brain is a node', async () => {
  const brainOne = pem(await ours.peer('spiffe://sluice.test/brain/one', '127.0.0.1'));
  const two = { 'x-sluice-brain': 'two', 'x-sluice-node': 'edge-1' };
  assert.equal(await whoFollows(session(brainOne)), 'brain one, node ""');
  assert.equal(await whoFollows(session(brainOne), two), 'brain one, node ""');
  assert.equal(await whoFollows(session(pem(node)), two), denied);
  assert.equal(await askOn(session(pem(node)), two), 'edge-1');
  assert.equal(await askOn(session(brainOne), two), denied, 'a brain is no node');
});

test('where channels are in clear a brain is who its header says, and nobody else follows', async () => {
  const toPlain = () => http2.connect(`http://127.0.0.1:${plain.port}`);
  assert.equal(await whoFollows(toPlain(), { 'x-sluice-brain': 'two' }), 'brain two, node ""');
  const both = { 'x-sluice-brain': 'two', 'x-sluice-node': 'edge-1' };
  assert.equal(await whoFollows(toPlain(), both), 'brain two, node ""');
  assert.equal(await whoFollows(toPlain(), { 'x-sluice-node': 'edge-1' }), denied);
  for (const id of ['', 'a b', 'x'.repeat(129)])
    assert.equal(await whoFollows(toPlain(), { 'x-sluice-brain': id }), unauthenticated, JSON.stringify(id));
  const made = toPlain();
  assert.equal(await askOn(made, { 'x-sluice-node': 'edge-1' }), 'edge-1');
  assert.equal(await askOn(made, both), denied, 'a brain is no node');
  made.destroy();
});

async function refusal(what: string, options: tls.ConnectionOptions): Promise<void> {
  callers = [];
  refused.length = 0;
  assert.equal(await whoAmI(options), undefined);
  await waitUntil('it is counted', () => refused.length > 0);
  assert.deepEqual([refused[0], callers], [what, []]);
  assert.match(peers.at(-1)!, /^127\.0\.0\.1:[1-9]\d*$/);
}

test('a stranger without a certificate is not let in', () => refusal('no_certificate', {}));

test('one of another CA is not', async () =>
  refusal('untrusted_certificate', pem(await others.client('spiffe://sluice.test/node/edge-1'))));

test('a client of the same CA is not', async () =>
  refusal('not_a_node', pem(await ours.client('spiffe://shop/checkout'))));

test('a server of the same CA is not, whatever its name', async () =>
  refusal('untrusted_certificate', pem(brain)));

test('one whose time is over is not', async () => {
  const folder = ours.folder;
  const file = (name: string): string => path.join(folder, name);
  const expired = { chain: file('expired.pem'), key: node.key };
  execFileSync('openssl', ['req', '-new', '-key', node.key, '-subj', '/', '-out', file('expired.csr')]);
  execFileSync(
    'sh',
    [
      '-c',
      'printf "subjectAltName=critical,URI:spiffe://sluice.test/node/edge-1" > expired.ext && touch index && openssl x509 -req -in expired.csr -CA ca.pem -CAkey ca-key.pem -days -1 -set_serial 99 -extfile expired.ext -out expired.pem',
    ],
    { cwd: folder, stdio: 'ignore' },
  );
  await refusal('expired_certificate', pem(expired));
});

test('TLS below 1.3 is not spoken', () => refusal('not_tls', { ...pem(node), maxVersion: 'TLSv1.2' }));

test('a node that does not trust the brain, for its name or its CA, says so and is named for it', async () => {
  for (const [trusted, name] of [
    [ours, 'brain.test'],
    [others, '127.0.0.1'],
  ] as const) {
    refused.length = 0;
    const itself = ['-cert', node.chain, '-key', node.key];
    const check = ['-CAfile', trusted.ca, '-verify_hostname', name, '-verify_return_error'];
    // As Envoy does; a client in Node only hangs up.
    execFile('openssl', [
      's_client',
      '-connect',
      `127.0.0.1:${channel.port}`,
      ...itself,
      ...check,
    ]).stdin?.end();
    await waitUntil('it is counted', () => refused.length > 0);
    assert.deepEqual(refused, ['brain_not_trusted']);
  }
});

test('who hangs up before the handshake is over is said to have done that', async () => {
  refused.length = 0;
  const socket = connectTcp(channel.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.end();
  await waitUntil('it is counted', () => refused.length > 0);
  await refusal('hung_up', { ...pem(node), ca: others.caText });
});

test('garbage, and HTTP/2 without TLS, are closed', async () => {
  refused.length = 0;
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\0'.repeat(1000)]) {
    const socket = connectTcp(channel.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(bytes);
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  }
  await waitUntil('they are counted', () => refused.length === 3);
  assert.deepEqual([...new Set(refused)], ['not_tls']);
});

test('thousands who open a connection and say nothing keep no node out, and have an end', async () => {
  refused.length = 0;
  const idle: Socket[] = [];
  let closed = 0;
  for (let batch = 0; batch < 20; batch++) {
    const sockets = Array.from({ length: 75 }, () => connectTcp(channel.port, '127.0.0.1'));
    for (const socket of sockets)
      socket
        .on('error', () => undefined)
        .once('close', () => {
          closed += 1;
        });
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    idle.push(...sockets);
  }
  // Those beyond the bound have given way already; the rest have seconds.
  assert.equal(await whoAmI(pem(node)), 'edge-1');
  await waitUntil('all of them are closed', () => closed === idle.length);
  assert.deepEqual([...new Set(refused)].sort(), ['handshake_timeout', 'too_many']);
});

test('one who drips its handshake has no more time than others', async () => {
  refused.length = 0;
  const socket = connectTcp(channel.port, '127.0.0.1');
  socket.on('error', () => undefined);
  // A ClientHello of 512 bytes, as far as its random.
  socket.write(Buffer.from('16030102000100' + '01fc0303', 'hex'));
  const dripping = setInterval(() => socket.write(Buffer.from([7])), 100);
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(dripping);
  assert.deepEqual(refused, ['handshake_timeout']);
});

test('a node that answers nothing any more is given up within some three seconds', async () => {
  const silent = connectTcp(plain.port, '127.0.0.1');
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  silent.write(Buffer.concat([Buffer.from(preface), Buffer.from('000000040000000000', 'hex')]));
  const fromMs = performance.now();
  silent.resume();
  await once(silent, 'close');
  const ms = performance.now() - fromMs;
  assert.ok(ms < 4_500, `given up after ${ms} ms`);
});

test('certificates are renewed under an open channel; a CA that is taken away ends what it stood for', async () => {
  const open = session(pem(node));
  assert.equal(await askOn(open), 'edge-1');
  const renewed = await others.server('127.0.0.1');
  // Both CAs, as in the middle of a change.
  channel.replaceCredentials(credentials(renewed, ours.caText + others.caText));
  assert.equal(await askOn(open), 'edge-1');
  const newcomer = await others.client('spiffe://sluice.test/node/edge-2');
  const both = { ca: [others.caText] };
  assert.equal(await whoAmI({ ...pem(newcomer), ...both }), 'edge-2');
  assert.equal(await whoAmI({ ...pem(node), ...both }), 'edge-1');

  channel.replaceCredentials(credentials(renewed, others.caText));
  await new Promise((resolve) => (open.closed ? resolve(undefined) : open.once('close', resolve)));
  assert.equal(await whoAmI({ ...pem(node), ...both }), undefined);
  assert.equal(await whoAmI({ ...pem(newcomer), ...both }), 'edge-2');
});

test('a session is not resumed: each connection is held against the CA of its time', async () => {
  const newcomer = await others.client('spiffe://sluice.test/node/edge-2');
  const options = { ...pem(newcomer), ca: others.caText, ALPNProtocols: ['h2'], port: channel.port };
  const first = tls.connect({ ...options, host: '127.0.0.1' });
  let ticket: Buffer | undefined;
  first.on('session', (given: Buffer) => {
    ticket = given;
  });
  await once(first, 'secureConnect');
  await once(first, 'data');
  const given = ticket ?? first.getSession();
  first.destroy();
  const second = tls.connect({ ...options, host: '127.0.0.1', ...(given && { session: given }) });
  await once(second, 'secureConnect');
  assert.equal(second.isSessionReused(), false);
  second.destroy();
});
