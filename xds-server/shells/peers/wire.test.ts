import assert from 'node:assert/strict';
import { test } from 'node:test';
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
const work = { service: 'checkout', line: 'idle 1', ageMs: 5, bornMonotonicMs: 9 };

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
      work: { ...work, bornMonotonicMs: undefined, isEnd: true },
      ended: { durationMs: 12, loginError: '', endedBy: undefined },
    },
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
