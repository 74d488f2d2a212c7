/**
 * Authorization served as the brain serves it, on the same channel: either decided (the service and the ledger that
 * ship, with a hundred services), or answered with one constant grant. What the first costs more is the decision.
 * A process of its own, so that its processor time can be read; forked with the word `decided` or `constant`.
 */
import { pino } from 'pino';
import type { LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { defaultSettings, recoveryMs } from '../../xds-server/pure/ledger/settings.js';
import { Desk } from '../../xds-server/pure/peers/desk.js';
import type { ListenerPlan } from '../../xds-server/pure/plan/plan.js';
import { type Method, unary } from '../../xds-server/pure/rpc/rpc.js';
import { grantMetadata } from '../../xds-server/pure/verdict/answer.js';
import { AuthzService } from '../../xds-server/shells/authz/authz-service.js';
import { writeOk } from '../../xds-server/shells/authz/check-response.js';
import { Channel } from '../../xds-server/shells/channel/channel.js';
import { Admission, type Asker } from '../../xds-server/shells/control/admission.js';
import { LedgerLoop } from '../../xds-server/shells/control/ledger-loop.js';
import { sketch } from '../simulation/sketch.js';

/** Told by the parent between measurements: these connections have ended. */
export interface Ended {
  readonly ended: readonly string[];
}

export const hostname = 's50.db.example.com';
const services = 100;
const target = 'orders/primary';
const slots = 100_000;

function decided(): { readonly method: Method<never>; readonly end: (connection: string) => void } {
  const sketched = sketch({
    targets: { [target]: { budget: slots } },
    services: Object.fromEntries(
      Array.from({ length: services }, (_, index) => [`s${index}`, { maxConnections: slots }]),
    ),
  });
  const listener: ListenerPlan = {
    name: 'pg',
    protocol: 'postgres',
    address: { host: '127.0.0.1', port: 5432 },
    certificate: { chain: 'chain', key: 'key' },
    allowPlaintext: false,
  };
  const plan = { ...sketched, listeners: new Map([[listener.name, listener]]) };
  const ledger = new Ledger(defaultSettings);
  let skippedMs = 0;
  const now = (): number => performance.now() + skippedMs;
  const loop = new LedgerLoop(ledger, now);
  const apply = (event: LedgerEvent): void => loop.apply(event);
  const desk = new Desk({
    pass: (news) => {
      if (news.kind === 'check') admission.ask(news.question, self);
      else if (news.kind === 'cancel') admission.withdraw(news.connection, self);
    },
    now,
    sessionsKeptMs: 0,
  });
  const authz = new AuthzService({
    now,
    plan: () => plan,
    ask: (question) => desk.ask(question),
    withdraw: (connection) => desk.withdraw(connection),
    checkTimeoutMs: 660_000,
    mostBehindMs: defaultSettings.grantTtlMs - defaultSettings.leastTtlMs,
    counted: () => undefined,
    cancel: async () => undefined,
    forged: () => undefined,
  });
  const self: Asker = {
    answer: (answer) => {
      const fresh = desk.answered(answer, now());
      if (fresh) authz.answer(fresh);
    },
    clockAt: (ms) => ms,
  };
  const admission = new Admission({
    ...{ now, apply },
    plan: () => plan,
    nodeOf: (connection) => ledger.nodeOf(connection),
    isDown: () => false,
    readiness: { isReady: () => true, whenReady: (_node, _service, _ms, told) => told(true) },
    forged: () => undefined,
    granted: () => undefined,
    untilMs: () => Number.POSITIVE_INFINITY,
  });
  loop.subscribe((effect) => admission.carryOut(effect));
  desk.open();
  apply({ kind: 'plan', plan });
  // Recovered, as a brain is that has run for a while.
  skippedMs = recoveryMs(defaultSettings);
  const facts = { own: [], listsLogins: true, loginTimeoutMs: 60_000 };
  apply({ kind: 'observed', target, sessions: [], askedAtMs: now(), ...facts });
  return {
    method: authz.method as Method<never>,
    end: (connection) =>
      apply({
        kind: 'end',
        connection,
        node: 'bench',
        service: undefined,
        upstream: {},
        evidence: 'never-opened',
      }),
  };
}

function constant(): Method<never> {
  const grant = { connection: '0'.repeat(32), cluster: 'service/s50', expiresMonotonicMs: 1 };
  const answer = writeOk(grantMetadata(grant));
  const path = '/envoy.service.auth.v3.Authorization/Check';
  return unary({ path, maxMessageBytes: 1 << 20, decode: (bytes) => bytes }, (_bytes, call) => {
    call.reply(answer);
    return () => undefined;
  }) as unknown as Method<never>;
}

if (process.send) {
  const authority = process.argv[2] === 'decided' ? decided() : { method: constant(), end: () => undefined };
  const channel = await Channel.listen({
    host: '127.0.0.1',
    port: 0,
    methods: [authority.method],
    log: pino({ level: 'silent' }),
    exhausted: () => undefined,
    refused: () => undefined,
  });
  process.on('message', ({ ended }: Ended) => {
    for (const connection of ended) authority.end(connection);
    process.send!('ended');
  });
  process.once('disconnect', () => process.exit());
  process.send(channel.port);
}
