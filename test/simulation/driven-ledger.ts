import assert from 'node:assert/strict';
import type {
  EndEvidence,
  LedgerEffect,
  LedgerEvent,
  ObservedSession,
  UpstreamFacts,
} from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { defaultSettings, type LedgerSettings, recoveryMs } from '../../xds-server/pure/ledger/settings.js';
import type { ServiceView, TargetView } from '../../xds-server/pure/ledger/view.js';
import { type PlanSketch, sketch } from './sketch.js';

type Observed = Extract<LedgerEvent, { kind: 'observed' }>;

export const primary = 'orders/primary';

/**
 * A ledger with a clock that only the test moves. Effects are given in short: `grant a`, `refuse b queue_full`,
 * `observe orders/primary`. After each step the ledger is audited.
 */
export class DrivenLedger {
  readonly ledger: Ledger;
  readonly settings: LedgerSettings;
  nowMs = 1_000;
  /** In full, of the last step. */
  effects: readonly LedgerEffect[] = [];

  /** One that has just started. */
  constructor(plan: PlanSketch, settings: Partial<LedgerSettings> = {}) {
    this.settings = { ...defaultSettings, ...settings };
    this.ledger = new Ledger(this.settings);
    this.plan(plan);
  }

  /** One that has recovered, from databases without any sessions. */
  static recovered(plan: PlanSketch, settings: Partial<LedgerSettings> = {}): DrivenLedger {
    const driven = new DrivenLedger(plan, settings);
    driven.nowMs += recoveryMs(driven.settings);
    for (const target of driven.ledger.view().targets.keys()) driven.observed([], { target });
    return driven;
  }

  tell(event: LedgerEvent): string[] {
    this.effects = this.ledger.apply(event, this.nowMs);
    assert.deepEqual(this.ledger.audit(), [], `after ${JSON.stringify(event)}`);
    return this.effects.map(inShort);
  }

  plan(plan: PlanSketch): string[] {
    return this.tell({ kind: 'plan', plan: sketch(plan) });
  }

  check(connection: string, service = 'checkout', waitedMs = 0, source?: string): string[] {
    const from = source === undefined ? {} : { source };
    return this.tell({ kind: 'check', connection, node: 'n1', service, waitedMs, ...from });
  }

  cancel(connection: string): string[] {
    return this.tell({ kind: 'cancel', connection });
  }

  report(connection: string, upstream: UpstreamFacts = {}, service = 'checkout'): string[] {
    return this.tell({ kind: 'report', connection, node: 'n1', service, upstream });
  }

  login(connection: string, serverId: number): string[] {
    return this.tell({ kind: 'login', connection, node: 'n1', serverId });
  }

  end(
    connection: string,
    evidence: EndEvidence,
    upstream: UpstreamFacts = {},
    service: string | undefined = 'checkout',
  ): string[] {
    return this.tell({ kind: 'end', connection, node: 'n1', service, upstream, evidence });
  }

  /** Asked for and answered now unless said otherwise; a millisecond passes before, so that "afterwards" is true. */
  observed(sessions: readonly ObservedSession[], given: Partial<Observed> = {}): string[] {
    this.nowMs += 1;
    return this.tell({
      kind: 'observed',
      target: primary,
      askedAtMs: this.nowMs,
      sessions,
      own: [],
      listsLogins: true,
      loginTimeoutMs: 60_000,
      ...given,
    });
  }

  /** Lets time pass from deadline to deadline. @returns all effects on the way. */
  pass(ms: number): string[] {
    const untilMs = this.nowMs + ms;
    const effects: string[] = [];
    for (
      let due = this.ledger.nextDeadlineMs();
      due !== undefined && due <= untilMs;
      due = this.ledger.nextDeadlineMs()
    ) {
      this.nowMs = Math.max(this.nowMs, due);
      effects.push(...this.tell({ kind: 'tick' }));
    }
    this.nowMs = untilMs;
    return effects;
  }

  /** A check that is granted and reported open with a server id. */
  open(connection: string, serverId: number, service = 'checkout'): void {
    assert.deepEqual(this.check(connection, service), [`grant ${connection}`]);
    this.report(connection, { serverId }, service);
  }

  /** Who holds slots; the first hundred. */
  get connections(): readonly string[] {
    return this.ledger.view({ sessions: 100 }).sessions.map(({ connection }) => connection);
  }

  expectCounted(used: number, unjoined: number): void {
    const target = this.target();
    assert.deepEqual({ used: target.used, unjoined: target.unjoined }, { used, unjoined });
  }

  target(name = primary): TargetView {
    const view = this.ledger.view().targets.get(name);
    assert.ok(view, `no target ${name}`);
    return view;
  }

  service(name = 'checkout'): ServiceView {
    const view = this.ledger.view().services.get(name);
    assert.ok(view, `no service ${name}`);
    return view;
  }

  /** The text of the only refusal of the last step. */
  get refusalText(): string {
    const texts = this.effects.flatMap((effect) =>
      effect.kind === 'refuse' ? [effect.refusal.message] : [],
    );
    assert.equal(texts.length, 1);
    return texts[0]!;
  }
}

function inShort(effect: LedgerEffect): string {
  if (effect.kind === 'observe')
    return `observe ${effect.target}${effect.dialledAfterMs === undefined ? '' : ' and its logins'}`;
  if (effect.kind === 'grant')
    return `grant ${effect.connection}${effect.onlyKill ? ` only-kill ${effect.onlyKill.reason}` : ''}`;
  return `refuse ${effect.connection} ${effect.refusal.reason}`;
}
