/** Targets: what brains say to each other. They prove who they are; a broken one must not break the others. */
import { strict as assert } from 'node:assert';
import { Ledger } from '../../../xds-server/pure/ledger/ledger.js';
import { defaultSettings } from '../../../xds-server/pure/ledger/settings.js';
import { Claims } from '../../../xds-server/pure/peers/claims.js';
import { Desk } from '../../../xds-server/pure/peers/desk.js';
import type { Answer } from '../../../xds-server/pure/peers/messages.js';
import { Admission } from '../../../xds-server/shells/control/admission.js';
import { SessionReports } from '../../../xds-server/shells/control/session-reports.js';
import {
  decodeOrders,
  decodeTelling,
  encodeOrders,
  encodeTelling,
  type Telling,
} from '../../../xds-server/shells/peers/wire.js';
import { sketch } from '../../simulation/sketch.js';

const plan = sketch({
  targets: { 'orders/primary': { budget: 3, reserve: 1 } },
  services: { checkout: { maxConnections: 2 }, reports: { maxConnections: 2, killReserve: 1 } },
});
const target = 'orders/primary';
const nothing = (): void => undefined;

/** Messages behind each other, each with two bytes of length before it. */
export function* messagesIn(input: Buffer): Generator<Buffer> {
  for (let at = 0; at + 2 <= input.length; ) {
    const length = input.readUInt16BE(at);
    yield input.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
}

/** The call ends with bytes that are no message, whatever is thrown at them. */
function read<Message>(decode: (bytes: Uint8Array) => Message, bytes: Buffer): Message | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

/** What is written of a message that was read is read as the same. Times are reckoned anew: a double may be rounded. */
function assertSame(one: unknown, other: unknown): void {
  const [ours, theirs] = [apart(one), apart(other)];
  assert.equal(ours.text, theirs.text);
  for (const [at, number] of ours.numbers.entries())
    assert.ok(Math.abs(number - theirs.numbers[at]!) <= 1e-3, `${number} is not ${theirs.numbers[at]}`);
}

/** The numbers of a value, and the rest of it. */
function apart(value: unknown): { readonly text: string; readonly numbers: readonly number[] } {
  const numbers: number[] = [];
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'number') return numbers.push(part) * 0;
    if (part instanceof Map) return { ofMap: [...part].sort() };
    if (part === null || typeof part !== 'object' || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
  return { text, numbers };
}

/** Beyond, doubles are too far apart for sums of times. */
const isModest = ({ monotonicMs, news }: Telling): boolean =>
  Math.abs(monotonicMs) < 1e12 &&
  news.every((each) => each.kind !== 'check' || Math.abs(each.question.bornMs) < 1e12);

/**
 * What a leader is told. Whatever it is: each number is one, the ledger keeps to its budget, a check is answered by one who
 * asked, and what is kept is bounded by what was said.
 */
export function tellings(input: Buffer): void {
  let nowMs = 10_000;
  const ledger = new Ledger(defaultSettings);
  const asked = new Set<string>();
  const asker = {
    answer: (answer: Answer) => {
      assert.ok(asked.has(answer.connection), 'an answer to nobody');
      assertSame(decodeOrders(encodeOrders([answer])), [answer]);
    },
    clockAt: (ms: number) => ms,
  };
  const apply = (event: Parameters<Ledger['apply']>[0]): void => {
    for (const effect of ledger.apply(event, nowMs)) admission.carryOut(effect);
  };
  const nodeOf = (connection: string): string | undefined => ledger.nodeOf(connection);
  const admission: Admission = new Admission({
    now: () => nowMs,
    plan: () => plan,
    ...{ apply, nodeOf, forged: nothing, granted: nothing },
    isDown: () => false,
    readiness: { isReady: () => true, whenReady: (_node, _service, _ms, told) => told(false) },
    untilMs: () => Number.POSITIVE_INFINITY,
  });
  const reports = new SessionReports({
    ...{ apply, nodeOf, forged: nothing, worked: nothing, ended: nothing },
    ...{ reported: nothing, loggedIn: nothing, gone: nothing },
  });
  const claims = new Claims<string>({ now: () => nowMs, ask: nothing });
  apply({ kind: 'plan', plan });
  nowMs += 20_000;
  apply({
    kind: 'observed',
    target,
    askedAtMs: nowMs,
    sessions: [],
    own: [],
    listsLogins: true,
    loginTimeoutMs: 60_000,
  });
  for (const bytes of messagesIn(input)) {
    const telling = read(decodeTelling, bytes);
    if (!telling) continue;
    if (isModest(telling)) assertSame(decodeTelling(encodeTelling(telling)), telling);
    assert.ok(Number.isFinite(telling.monotonicMs) && Number.isFinite(telling.unixMs));
    nowMs += 10;
    for (const news of telling.news) {
      if (news.kind === 'check') {
        assert.ok(Number.isFinite(news.question.bornMs));
        asked.add(news.question.connection);
        admission.ask(news.question, asker);
      } else if (news.kind === 'cancel') admission.withdraw(news.connection, asker);
      else if (news.kind === 'session') reports.take(news.session);
      else if (news.kind === 'login') reports.loggedIn(news.login);
      else if (news.kind === 'cut-off') apply({ kind: 'cut-off', node: news.node });
      else if (news.kind === 'node' && news.isHere) claims.claim('one', news.node, news.runtime);
      else if (news.kind === 'node') claims.release('one', news.node);
      else if (news.kind === 'ready') claims.becameReady('one', news.node, news.needs);
      else if (news.kind === 'interrupt') assert.ok(news.asked.secret.length <= bytes.length);
    }
    const view = ledger.view({ sessions: 1_000 });
    const { granted } = view.targets.get(target)!;
    assert.ok(granted <= 3, 'more is granted than there is');
    assert.ok(view.sessionCount + view.waiterCount <= input.length);
  }
}

/** What a follower is told. Nobody is answered who has not asked, and nobody twice. */
export function orders(input: Buffer): void {
  const connection = '0123456789abcdef0123456789abcdef';
  const desk = new Desk({ pass: nothing, now: () => 0, sessionsKeptMs: 1 });
  desk.open();
  const question = { connection, node: 'edge-1', service: 'checkout', bornMs: 0, sentMs: 0 };
  desk.ask({ ...question, source: undefined, frontId: undefined });
  let answers = 0;
  for (const bytes of messagesIn(input)) {
    const list = read(decodeOrders, bytes);
    if (!list) continue;
    assertSame(decodeOrders(encodeOrders(list)), list);
    for (const order of list) {
      if (order.kind === 'grant') assert.ok(Number.isFinite(order.expiresMs));
      if (order.kind === 'limits') for (const limit of order.limits.values()) assert.ok(limit >= 0);
      if (order.kind !== 'grant' && order.kind !== 'refuse') continue;
      const fresh = desk.answered(order, 1_000);
      if (!fresh) continue;
      assert.equal(fresh.connection, connection);
      answers += 1;
    }
  }
  assert.ok(answers <= 1, 'answered twice');
}
