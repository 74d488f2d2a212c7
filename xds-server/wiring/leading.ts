/**
 * What only the brain that leads has, for as long as it leads: the ledger, those who look at the databases for it, and
 * where sessions are. Losing the lead drops all of it; the next leader finds out for itself.
 *
 *   databases ──▶ ledger ◀── session reports     of this brain's nodes
 *                   ▲  ▼                          and of others'
 *                admission ◀── questions
 */
import type { Logger } from 'pino';
import { ActivityBook, type ActivityView, type ClientAddress } from '../pure/activity/activity-book.js';
import type { CancelRequest } from '../pure/cancel/cancel-request.js';
import { type Login, SessionDirectory } from '../pure/cancel/session-directory.js';
import type { ConnectionId, LedgerEffect, NodeId } from '../pure/ledger/events.js';
import { Ledger } from '../pure/ledger/ledger.js';
import type { LedgerSettings } from '../pure/ledger/settings.js';
import type { LedgerView, ViewOptions } from '../pure/ledger/view.js';
import type { Question, SessionNews } from '../pure/peers/messages.js';
import type { Plan, TargetName } from '../pure/plan/plan.js';
import { type Offer, Surplus } from '../pure/surplus/surplus.js';
import { Cancels } from '../shells/cancels/cancels.js';
import { type Question as KillQuestion, SessionFinder } from '../shells/cancels/session-finder.js';
import { Admission, type Asker, type Readiness } from '../shells/control/admission.js';
import { LedgerLoop } from '../shells/control/ledger-loop.js';
import { SessionReports } from '../shells/control/session-reports.js';
import { Names } from '../shells/databases/names.js';
import { Observers } from '../shells/databases/observers.js';
import { sendCancel } from '../shells/databases/send-cancel.js';
import type { LoadedSpec } from '../shells/store/load-spec.js';
import type { Metrics } from '../shells/telemetry/metrics.js';

export interface LeadingOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
  readonly settings: LedgerSettings;
  readonly plan: () => Plan;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  /** A node has spoken of a connection that is another's. */
  readonly forged: (node: NodeId, what: 'check' | 'report' | 'end') => void;
  /** An observer has reached its target. */
  readonly connected: (target: TargetName) => void;
}

export class Leading {
  readonly #now: () => number;
  readonly #ledger: Ledger;
  readonly #loop: LedgerLoop;
  readonly #activity: ActivityBook;
  readonly #observers: Observers;
  readonly #admission: Admission;
  readonly #reports: SessionReports;
  readonly #cancels: Cancels;
  readonly #finder: SessionFinder;
  readonly #plan: () => Plan;
  readonly #surplus = new Surplus();
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(options: LeadingOptions) {
    const { now, log, settings, plan, readiness, metrics, forged, connected } = options;
    const { reportIntervalMs } = settings;
    this.#now = now;
    this.#plan = plan;
    this.#ledger = new Ledger(settings);
    this.#loop = new LedgerLoop(this.#ledger, now, (error) => {
      // Out of every handler that could swallow it: the process ends, and whoever runs it starts another.
      setImmediate(() => {
        throw error;
      });
    });
    this.#activity = new ActivityBook(now());
    this.#observers = new Observers({ now, log, tell: (event) => this.#loop.apply(event), connected });
    const nodeOf = (connection: ConnectionId): NodeId | undefined => this.#ledger.nodeOf(connection);
    // A session that no node reports any more is forgotten after so long.
    const directory = new SessionDirectory(30 * reportIntervalMs);
    this.#admission = new Admission({
      ...{ now, plan, nodeOf, readiness },
      apply: (event) => this.#loop.apply(event),
      isDown: (target) => this.#observers.isDown(target),
      forged: (node) => forged(node, 'check'),
      granted: (question) => directory.granted(question, now()),
      untilMs: () => this.#untilMs,
    });
    this.#reports = new SessionReports({
      ...{ nodeOf, forged },
      apply: (event) => this.#loop.apply(event),
      worked: (service, report) => {
        const counts = this.#activity.take(report, now());
        if (counts) metrics.worked(service, counts);
      },
      ended: ({ service, ...end }) => metrics.sessionEnded(service, end),
      reported: (session) => directory.reported(session, now()),
      loggedIn: (login) => directory.loggedIn(login, now()),
      gone: (connection, node) => directory.ended(connection, node),
    });
    const stopping = { now, plan, directory, reportIntervalMs };
    const names = new Names(now);
    this.#cancels = new Cancels({
      ...stopping,
      addressesOf: (name) => names.addressesOf(name),
      send: async (server, pid, secret) => {
        const approach = this.#observers.approach(server.target.name);
        return approach !== undefined && (await sendCancel(server, pid, secret, approach));
      },
      counted: (outcome) => metrics.cancelled(outcome),
    });
    this.#finder = new SessionFinder({ ...stopping, counted: (outcome) => metrics.killed(outcome) });
    this.#loop.subscribe((effect) => this.#carryOut(effect));
  }

  /** Leave may be given until then; each is the last word. */
  term(untilMs: number): void {
    this.#untilMs = untilMs;
    this.#loop.apply({ kind: 'term', untilMs });
  }

  limit(plan: Plan): void {
    this.#loop.apply({ kind: 'plan', plan });
  }

  /** Looks at the databases of this plan. */
  observe(plan: Plan, { passwords, files }: Pick<LoadedSpec, 'passwords' | 'files'>): void {
    this.#observers.follow(plan, passwords, files);
  }

  ask(question: Question, asker: Asker): void {
    this.#admission.ask(question, asker);
  }

  withdraw(connection: ConnectionId, asker: Asker): void {
    this.#admission.withdraw(connection, asker);
  }

  leave(asker: Asker): void {
    this.#admission.leave(asker);
  }

  report(session: SessionNews): void {
    this.#reports.take(session);
  }

  loggedIn(login: Login): void {
    this.#reports.loggedIn(login);
  }

  /** Ends that its node, or the brain that passes them on, has told may be lost. */
  cutOff(node: NodeId): void {
    this.#loop.apply({ kind: 'cut-off', node });
  }

  cancel(asked: CancelRequest): Promise<void> {
    return this.#cancels.request(asked);
  }

  find(question: KillQuestion, node: NodeId): Promise<number | undefined> {
    return this.#finder.find(question, node);
  }

  /** @returns those of these sessions of the node, which rest, that shall end */
  surplus(node: NodeId, sessions: readonly Offer[]): readonly ConnectionId[] {
    const sources = {
      plan: this.#plan(),
      view: () => this.view(),
      session: (connection: ConnectionId) => this.#ledger.session(connection),
    };
    return this.#surplus.of(node, sessions, sources, this.#now());
  }

  view(options?: ViewOptions): LedgerView {
    return this.#ledger.view(options);
  }

  activity(connection: ConnectionId): ActivityView | undefined {
    return this.#activity.view(connection, this.#now());
  }

  client(connection: ConnectionId): ClientAddress | undefined {
    return this.#activity.client(connection);
  }

  observer(target: TargetName): ReturnType<Observers['view']> {
    return this.#observers.view(target);
  }

  stop(): void {
    this.#loop.stop();
    this.#observers.stop();
  }

  #carryOut(effect: LedgerEffect): void {
    if (effect.kind === 'observe') this.#observers.soon(effect.target, effect.dialledAfterMs);
    else this.#admission.carryOut(effect);
  }
}
