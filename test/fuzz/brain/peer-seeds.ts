/** What brains really say to each other, behind each other as the targets of peers.ts read it. */
import type { News, Order } from '../../../xds-server/pure/peers/messages.js';
import { refusals } from '../../../xds-server/pure/verdict/refusals.js';
import { encodeOrders, encodeTelling } from '../../../xds-server/shells/peers/wire.js';

const connection = '0123456789abcdef0123456789abcdef';
const [node, service] = ['edge-1', 'checkout'];
const upstream = { localAddress: '10.1.0.1:4711', remoteAddress: '10.0.0.5:5432', serverId: 77 };
const client = { host: '10.0.0.9', port: 50_412 };
const work = { service, line: 'idle 1', ageMs: 5, bornMonotonicMs: 9, client };

const question = { connection, node, service, source: '10.0.0.9', bornMs: 990, sentMs: 980, frontId: 7 };
const told: readonly (readonly News[])[] = [
  [
    { kind: 'node', node, isHere: true, runtime: 'v1' },
    { kind: 'ready', node, service, needs: 'a b' },
    { kind: 'check', question },
    { kind: 'check', question: { ...question, connection: 'a', service: 'reports', frontId: undefined } },
  ],
  [
    {
      kind: 'session',
      session: {
        event: { kind: 'report', connection, node, service, upstream: { ...upstream, login: 'accepted' } },
        known: { frontId: 3, cancelDigest: 'ab' },
        work: { ...work, isEnd: false },
        ended: undefined,
      },
    },
    { kind: 'login', login: { connection, node, serverId: 77, frontId: 3, cancelDigest: 'ab' } },
    { kind: 'find', request: 1, node, connection, frontId: 3 },
    {
      kind: 'interrupt',
      request: 2,
      asked: { pid: 7, secret: Buffer.from([1, 2, 3, 4]), address: '::1', serverName: 'x.test' },
    },
  ],
  [
    {
      kind: 'session',
      session: {
        event: { kind: 'end', connection, node, service, upstream, evidence: 'server-closed' },
        known: undefined,
        work: { ...work, isEnd: true },
        ended: { durationMs: 12, loginError: '28P01', endedBy: undefined },
      },
    },
    { kind: 'cancel', connection: 'a' },
    { kind: 'cut-off', node },
    { kind: 'node', node, isHere: false, runtime: undefined },
  ],
];

const refusal = refusals.connection_reused();
const answer = { connection, service, sentMs: 980, waitedMs: 3 };
const ordered: readonly (readonly Order[])[] = [
  [{ kind: 'limits', spec: 's', limits: new Map([[service, 4]]) }],
  [
    { kind: 'await', node, service, needs: 'a b' },
    { kind: 'found', request: 5, serverId: 8 },
    { kind: 'interrupted', request: 6 },
  ],
  [
    { kind: 'grant', ...answer, cluster: 'a', expiresMs: 2_000, onlyKill: refusal },
    { kind: 'refuse', ...answer, refusal },
  ],
];

function joined(messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    messages.flatMap((bytes) => [Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]),
  );
}

const stamps = { monotonicMs: 1_000, unixMs: 1.7e12 };

export const tellings = (): Buffer[] => [
  joined(told.map((news, at) => encodeTelling({ ...stamps, ...(at === 0 && { term: 3 }), news }))),
];

export const orders = (): Buffer[] => [joined(ordered.map((each) => encodeOrders(each)))];
