import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { primary } from '../../../test/simulation/driven-ledger.js';
import { sketch } from '../../../test/simulation/sketch.js';
import { Ledger } from '../../pure/ledger/ledger.js';
import { defaultSettings, recoveryMs } from '../../pure/ledger/settings.js';
import type { Answer } from '../../pure/peers/messages.js';
import type { Plan } from '../../pure/plan/plan.js';
import { Admission } from './admission.js';

const users = 'users/primary';
const at = (target: string): Plan =>
  sketch({
    targets: {
      [primary]: { budget: 1, endpoints: [{ host: '10.0.0.5', port: 5432 }] },
      [users]: { endpoints: [{ host: '10.0.0.6', port: 5432 }] },
    },
    services: { checkout: { target } },
  });

let nowMs: number;
let plan: Plan;
let ledger: Ledger;
let admission: Admission;
/** Clusters that the node has. */
let has: Set<string>;
/** Who waits for it to have another one. */
let told: ((isReady: boolean) => void)[];
let answers: Answer[];

const clusterAt = (target: string): string => at(target).services.get('checkout')!.cluster;

function apply(event: Parameters<Ledger['apply']>[0]): void {
  for (const effect of ledger.apply(event, nowMs)) admission.carryOut(effect);
}

function goBy(next: Plan): void {
  plan = next;
  apply({ kind: 'plan', plan });
}

function ask(connection: string): void {
  const question = { connection, node: 'n1', service: 'checkout', source: undefined, frontId: undefined };
  const asker = { answer: (answer: Answer) => answers.push(answer), clockAt: (ms: number) => ms };
  admission.ask({ ...question, bornMs: nowMs, sentMs: nowMs }, asker);
}

beforeEach(() => {
  [nowMs, plan, answers, told] = [1_000, at(primary), [], []];
  has = new Set([clusterAt(primary)]);
  ledger = new Ledger(defaultSettings);
  const isReady = (): boolean => has.has(plan.services.get('checkout')!.cluster);
  admission = new Admission({
    now: () => nowMs,
    plan: () => plan,
    apply,
    nodeOf: (connection) => ledger.nodeOf(connection),
    isDown: () => false,
    readiness: { isReady, whenReady: (_node, _service, _ms, tell) => told.push(tell) },
    forged: () => undefined,
    granted: () => undefined,
    untilMs: () => Number.POSITIVE_INFINITY,
  });
  apply({ kind: 'plan', plan });
  nowMs += recoveryMs(defaultSettings);
  for (const target of plan.targets.keys())
    apply({
      ...{ kind: 'observed', target, askedAtMs: nowMs, sessions: [], own: [] },
      ...{ listsLogins: true, loginTimeoutMs: 60_000 },
    });
  ask('first');
  ask('waits');
  assert.equal(answers.length, 1);
});

test('who waits while his service moves has his answer when his node has the new cluster, for its full time', () => {
  goBy(at(users));
  assert.deepEqual([answers.length, told.length], [1, 1]);
  nowMs += 800;
  has.add(clusterAt(users));
  told[0]!(true);
  const { kind, ...grant } = answers[1] as Extract<Answer, { kind: 'grant' }>;
  assert.deepEqual(
    [kind, grant.connection, grant.cluster, grant.expiresMs],
    ['grant', 'waits', clusterAt(users), nowMs + defaultSettings.grantTtlMs],
  );
  assert.equal(ledger.view().targets.get(users)?.used, 1);
});

test('who waits while his service moves is refused when his node does not get the new cluster', () => {
  goBy(at(users));
  told[0]!(false);
  const answer = answers[1]!;
  assert.deepEqual(
    [answer.connection, answer.kind === 'refuse' && answer.refusal.reason],
    ['waits', 'not_ready'],
  );
});

test('a node that is ready for what the service needed before it moved again is waited for anew', () => {
  goBy(at(users));
  has.add(clusterAt(users));
  const third = sketch({
    targets: { [users]: { endpoints: [{ host: '10.0.0.7', port: 5432 }] } },
    services: { checkout: { target: users } },
  });
  goBy(third);
  told[0]!(true);
  assert.equal(answers.length, 1);
});
