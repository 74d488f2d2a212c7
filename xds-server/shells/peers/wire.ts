/**
 * The messages of pure/peers as bytes (protos/sluice/v1/brains.proto) and back. Whether what they say is believed is not
 * decided here.
 */
import { createRequire } from 'node:module';
import protobuf from 'protobufjs';
import type { ClientAddress } from '../../pure/activity/activity-book.js';
import type { Login } from '../../pure/cancel/session-directory.js';
import type { EndEvidence } from '../../pure/ledger/events.js';
import type { News, Order, Question, SessionNews } from '../../pure/peers/messages.js';
import { type Refusal, reasons } from '../../pure/verdict/refusals.js';
import { maxHostChars } from '../envoy-api/fields.js';

export interface Telling {
  /** Of the first message. */
  readonly term?: number;
  /** When it was sent, on the sender's clocks. */
  readonly monotonicMs: number;
  readonly unixMs: number;
  readonly news: readonly News[];
}

const root = protobuf.Root.fromJSON(
  createRequire(import.meta.url)('#sluice-api.json') as protobuf.INamespace,
);
const telling = root.lookupType('sluice.v1.Telling');
const ordering = root.lookupType('sluice.v1.Ordering');
/** What is absent stays absent, but for lists. */
const reading = { longs: Number, arrays: true, oneofs: true } as const;

const evidences: readonly EndEvidence[] = ['never-opened', 'server-closed', 'proxy-closed'];
const logins = ['accepted', 'failed', 'unavailable'] as const;

// biome-ignore lint/suspicious/noExplicitAny: what protobufjs makes of bytes has no type
type Raw = any;

export function encodeTelling({ term, monotonicMs, unixMs, news }: Telling): Uint8Array {
  const raw = { term, monotonicMs, unixMs, news: news.map((each) => rawNews(each, monotonicMs)) };
  return telling.encode(raw).finish();
}

/** Times are the sender's. @throws when the bytes are no such message */
export function decodeTelling(bytes: Uint8Array): Telling {
  const raw = telling.toObject(telling.decode(bytes), reading) as Raw;
  const { term } = raw;
  const [monotonicMs, unixMs] = [finite(raw.monotonicMs), finite(raw.unixMs)];
  const news = known<News>(raw.news.map((each: Raw) => readNews(each, monotonicMs)));
  return { ...(term !== undefined && { term }), monotonicMs, unixMs, news };
}

export function encodeOrders(orders: readonly Order[]): Uint8Array {
  return ordering.encode({ orders: orders.map(rawOrder) }).finish();
}

/** @throws when the bytes are no such message */
export function decodeOrders(bytes: Uint8Array): readonly Order[] {
  const raw = ordering.toObject(ordering.decode(bytes), { ...reading, objects: true }) as Raw;
  return known<Order>(raw.orders.map(readOrder));
}

/** A newer brain has more to say than an older one knows: that is passed over, and asked for by nobody. */
function known<What>(read: readonly (What | undefined)[]): readonly What[] {
  return read.filter((each) => each !== undefined);
}

function rawNews(news: News, nowMs: number): Raw {
  switch (news.kind) {
    case 'check': {
      const { bornMs, ...question } = news.question;
      return { check: { ...question, waitedMs: nowMs - bornMs } };
    }
    case 'cancel':
      return { cancel: news.connection };
    case 'cut-off':
      return { cutOff: news.node };
    case 'session':
      return { session: rawSession(news.session) };
    case 'login':
      return { login: news.login };
    case 'interrupt':
      return { interrupt: { request: news.request, ...news.asked } };
    default:
      return { [news.kind]: news };
  }
}

function readNews(raw: Raw, nowMs: number): News | undefined {
  const value = raw[raw.kind];
  switch (raw.kind) {
    case 'check': {
      const { connection = '', node = '', service = '', waitedMs, source, frontId, sentMs } = value;
      const bornMs = nowMs - finite(waitedMs);
      const question: Question = {
        ...{ connection, node, service, source, frontId, bornMs },
        sentMs: finite(sentMs),
      };
      return { kind: 'check', question };
    }
    case 'cancel':
      return { kind: 'cancel', connection: value };
    case 'cutOff':
      return { kind: 'cut-off', node: value };
    case 'session':
      return { kind: 'session', session: readSession(value) };
    case 'login':
      return { kind: 'login', login: readLogin(value) };
    case 'node': {
      const { node = '', isHere = false, runtime } = value;
      return { kind: 'node', node, isHere, runtime };
    }
    case 'ready':
      return { kind: 'ready', ...readReadiness(value) };
    case 'find': {
      const { request = 0, node = '', connection = '', frontId = 0 } = value;
      return { kind: 'find', request, node, connection, frontId };
    }
    case 'idle':
      return {
        kind: 'idle',
        request: value.request ?? 0,
        node: value.node ?? '',
        sessions: (value.sessions ?? []).map(({ connection = '', idleMs = 0 }: Raw) => ({
          connection,
          idleMs,
        })),
      };
    case 'interrupt': {
      const { request = 0, pid = 0, address = '', serverName } = value;
      const named = serverName !== undefined && { serverName };
      // A copy: the message's bytes are not ours for longer than this.
      const secret = Buffer.from(value.secret ?? []);
      return { kind: 'interrupt', request, asked: { pid, secret, address, ...named } };
    }
    default:
      return undefined;
  }
}

function rawSession({ event, known, work, ended }: SessionNews): Raw {
  const { connection, node, service, upstream } = event;
  const line = typeof work?.line === 'string' ? work.line : undefined;
  return {
    ...{ connection, node, service, ...upstream, ...known },
    evidence: event.kind === 'end' ? event.evidence : undefined,
    work: work && { ...work, line },
    ended,
  };
}

function readSession(raw: Raw): SessionNews {
  const { connection = '', node = '', service, evidence } = raw;
  const upstream = {
    ...(raw.localAddress !== undefined && { localAddress: raw.localAddress }),
    ...(raw.remoteAddress !== undefined && { remoteAddress: raw.remoteAddress }),
    ...(raw.serverId !== undefined && { serverId: finite(raw.serverId) }),
    ...(raw.login !== undefined && { login: oneOf(logins, raw.login) }),
  };
  const isEnd = evidence !== undefined;
  const { service: worksFor = '', line } = raw.work ?? {};
  const client = readClient(raw.work?.client);
  const ageMs = finite(raw.work?.ageMs);
  const bornMonotonicMs =
    raw.work?.bornMonotonicMs === undefined ? undefined : finite(raw.work.bornMonotonicMs);
  const { loginError, endedBy } = raw.ended ?? {};
  const durationMs = finite(raw.ended?.durationMs);
  return {
    event: isEnd
      ? { kind: 'end', connection, node, service, upstream, evidence: oneOf(evidences, evidence) }
      : { kind: 'report', connection, node, service: service ?? '', upstream },
    known: isEnd ? undefined : { frontId: raw.frontId, cancelDigest: raw.cancelDigest },
    work: raw.work && { service: worksFor, line, ageMs, bornMonotonicMs, client, isEnd },
    ended: raw.ended && { durationMs, loginError, endedBy },
  };
}

function readLogin({ connection = '', node = '', serverId, frontId, cancelDigest }: Raw): Login {
  return { connection, node, serverId: finite(serverId), frontId, cancelDigest };
}

/** An older brain does not tell it. It is kept for each session, so nothing is taken for one that is too long. */
function readClient({ host = '', port = 0 }: Raw = {}): ClientAddress | undefined {
  return host === '' || host.length > maxHostChars ? undefined : { host, port };
}

function rawOrder(order: Order): Raw {
  if (order.kind === 'limits')
    return { limits: { spec: order.spec, limits: Object.fromEntries(order.limits) } };
  if (order.kind === 'interrupted') return { interrupted: order.request };
  return { [order.kind]: order };
}

function readOrder(raw: Raw): Order | undefined {
  const value = raw[raw.kind];
  switch (raw.kind) {
    case 'grant': {
      const { connection = '', service = '', cluster = '', onlyKill } = value;
      const [sentMs, expiresMs] = [finite(value.sentMs), finite(value.expiresMs)];
      const waitedMs = finite(value.waitedMs);
      const only = onlyKill && { onlyKill: readRefusal(onlyKill) };
      return { kind: 'grant', connection, service, sentMs, cluster, expiresMs, waitedMs, ...only };
    }
    case 'refuse': {
      const { connection = '', service = '', refusal = {} } = value;
      const [sentMs, waitedMs] = [finite(value.sentMs), finite(value.waitedMs)];
      return { kind: 'refuse', connection, service, sentMs, waitedMs, refusal: readRefusal(refusal) };
    }
    case 'await':
      return { kind: 'await', ...readReadiness(value) };
    case 'limits':
      return { kind: 'limits', spec: value.spec ?? '', limits: new Map(Object.entries(value.limits ?? {})) };
    case 'found':
      return {
        kind: 'found',
        request: value.request ?? 0,
        serverId: value.serverId === undefined ? undefined : finite(value.serverId),
      };
    case 'interrupted':
      return { kind: 'interrupted', request: value };
    case 'surplus':
      return { kind: 'surplus', request: value.request ?? 0, connections: value.connections ?? [] };
    default:
      return undefined;
  }
}

function readReadiness({ node = '', service = '', needs = '' }: Raw) {
  return { node, service, needs };
}

function readRefusal(raw: Raw): Refusal {
  const { sqlstate = '', errno = 0, message = '', hint, retryable = false } = raw;
  const reason = oneOf(reasons, raw.reason);
  return { reason, sqlstate, errno, message, retryable, ...(hint !== undefined && { hint }) };
}

/** Times and ids are reckoned with: NaN and infinity would get into the ledger's clocks. */
function finite(value: number = 0): number {
  if (Number.isFinite(value)) return value;
  throw new RangeError('a number that is none');
}

function oneOf<Word extends string>(words: readonly Word[], value: unknown): Word {
  const found = words.find((word) => word === value);
  if (found === undefined) throw new RangeError(`expected one of ${words.join(', ')}`);
  return found;
}
