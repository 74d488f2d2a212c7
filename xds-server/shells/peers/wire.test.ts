import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import protobuf from 'protobufjs';
import type { News, Order } from '../../pure/peers/messages.js';
import { refusals } from '../../pure/verdict/refusals.js';
import { decodeOrders, decodeTelling, encodeOrders, encodeTelling } from './wire.js';

const connection = 'a'.repeat(32);
const upstream = {
  localAddress: '10.0.0.1:4711',
  remoteAddress: '10.0.0.5:5432',
  serverId: 77,
  login: 'accepted',
} as const;
const work = {
  ...{ service: 'checkout', line: 'idle 1', ageMs: 5, bornMonotonicMs: 9 },
  client: { host: '2001:db8::7', port: 50_412 },
};

const news: readonly News[] = [
  {
    kind: 'check',
    question: {
      connection,
      node: 'n1',
      service: 'x',
      source: '10.0.0.9',
      bornMs: 900,
      sentMs: 5,
      frontId: 7,
    },
  },
  {
    kind: 'check',
    question: {
      connection,
      node: 'n1',
      service: 'x',
      source: undefined,
      bornMs: 900,
      sentMs: 0,
      frontId: undefined,
    },
  },
  { kind: 'cancel', connection },
  {
    kind: 'session',
    session: {
      event: { kind: 'report', connection, node: 'n1', service: 'checkout', upstream },
      known: { frontId: 3, cancelDigest: 'ab' },
      work: { ...work, isEnd: false },
      ended: undefined,
    },
  },
  {
    kind: 'session',
    session: {
      event: {
        ...{ kind: 'end', connection, node: 'n1', service: 'checkout', upstream },
        evidence: 'server-closed',
      },
      known: undefined,
      work: { ...work, bornMonotonicMs: undefined, client: undefined, isEnd: true },
      ended: { durationMs: 12, loginError: '', endedBy: undefined },
    },
  },
  { kind: 'login', login: { connection, node: 'n1', serverId: 77, frontId: 3, cancelDigest: undefined } },
  {
    kind: 'login',
    login: { connection, node: 'n1', serverId: 77, frontId: undefined, cancelDigest: 'ab' },
  },
  { kind: 'cut-off', node: 'n1' },
  { kind: 'node', node: 'n1', isHere: true, runtime: 'v1' },
  { kind: 'node', node: 'n1', isHere: false, runtime: undefined },
  { kind: 'ready', node: 'n1', service: 'checkout', needs: 'a b' },
  { kind: 'find', request: 5, node: 'n1', connection, frontId: 9 },
  { kind: 'idle', request: 7, node: 'n1', sessions: [{ connection, idleMs: 600 }] },
  { kind: 'idle', request: 7, node: 'n1', sessions: [] },
  {
    kind: 'interrupt',
    request: 6,
    asked: { pid: 11, secret: Buffer.from([1, 2, 3, 4]), address: '10.0.0.9', serverName: 'x.test' },
  },
];

test('what a brain tells is read as it was meant', () => {
  const said = { term: 12, monotonicMs: 1_000, unixMs: 5, news };
  assert.deepEqual(decodeTelling(encodeTelling(said)), said);
});

/** A report as one brain tells it, with this client. */
const told = (client: typeof work.client | undefined) => {
  const event = { kind: 'report', connection, node: 'n1', service: 'checkout', upstream } as const;
  const known = { frontId: 3, cancelDigest: 'ab' };
  const session = { event, known, work: { ...work, client, isEnd: false }, ended: undefined };
  return { monotonicMs: 1_000, unixMs: 5, news: [{ kind: 'session' as const, session }] };
};

test('a brain that knows no clients is told of a session, and tells of one, as before', () => {
  const json = structuredClone(createRequire(import.meta.url)('#sluice-api.json')) as protobuf.INamespace;
  const older = protobuf.Root.fromJSON(json).lookupType('sluice.v1.Telling');
  const itsWork = older.root.lookupType('sluice.v1.Work');
  itsWork.remove(itsWork.fields.client!);
  const read = older.decode(encodeTelling(told(work.client)));
  assert.ok(!JSON.stringify(older.toObject(read)).includes('2001:db8::7'));
  const tells = older.encode(older.fromObject(older.toObject(read))).finish();
  assert.deepEqual(decodeTelling(tells), told(undefined));
});

test('a client of whom a brain tells what is no address is not known, and the session is', () => {
  for (const host of ['', '1'.repeat(65), '1'.repeat(1 << 20)])
    assert.deepEqual(decodeTelling(encodeTelling(told({ host, port: 1 }))), told(undefined));
  const longest = { host: '1'.repeat(64), port: 1 };
  assert.deepEqual(decodeTelling(encodeTelling(told(longest))), told(longest));
});

test('what is answered is read as it was meant', () => {
  const refusal = refusals.connection_reused();
  const answer = { connection, service: 'checkout', sentMs: 7.25, waitedMs: 3 };
  const orders: readonly Order[] = [
    { kind: 'grant', ...answer, cluster: 'a', expiresMs: 1.5 },
    { kind: 'grant', ...answer, cluster: 'a', expiresMs: 1.5, onlyKill: refusal },
    { kind: 'refuse', ...answer, refusal },
    { kind: 'await', node: 'n1', service: 'checkout', needs: 'a b' },
    { kind: 'limits', spec: 's', limits: new Map([['checkout', 4]]) },
    { kind: 'limits', spec: 's', limits: new Map() },
    { kind: 'found', request: 5, serverId: 8 },
    { kind: 'found', request: 5, serverId: undefined },
    { kind: 'interrupted', request: 6 },
    { kind: 'surplus', request: 7, connections: [connection, 'b'.repeat(32)] },
    { kind: 'surplus', request: 8, connections: [] },
  ];
  assert.deepEqual(decodeOrders(encodeOrders(orders)), orders);
});

test('what a newer brain says that this one does not know is passed over, and the rest is read', () => {
  const known: News = { kind: 'cancel', connection };
  const order: Order = { kind: 'interrupted', request: 6 };
  // Field 100 of each is nobody's: three bytes, a tag of two and a value.
  const unknown = Uint8Array.of(0xa0, 0x06, 0x01);
  const entry = (bytes: Uint8Array, number: number) =>
    Uint8Array.of((number << 3) | 2, bytes.length, ...bytes);
  const said = { term: 12, monotonicMs: 1_000, unixMs: 5, news: [known] };
  const telling = Uint8Array.of(...encodeTelling(said), ...entry(unknown, 4));
  assert.deepEqual(decodeTelling(telling), said);
  const ordering = Uint8Array.of(...entry(unknown, 1), ...encodeOrders([order]));
  assert.deepEqual(decodeOrders(ordering), [order]);
});
