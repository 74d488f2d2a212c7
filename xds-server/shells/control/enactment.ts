/**
 * Brings a plan into force: on the nodes as a snapshot, in the ledger as limits, each as far as the other allows
 * (limit-change.ts). Whether a plan may be taken is not asked here.
 *
 * The leader has the ledger and says how far the nodes' limits are; all brains publish the same, each as soon as it has
 * the spec.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { LedgerView } from '../../pure/ledger/view.js';
import type { Plan } from '../../pure/plan/plan.js';
import { type Snapshot, TypeUrl } from '../../pure/snapshot/snapshot.js';
import { hasSettled, isCounting, limitsUnlike, narrow, wide, withLimits } from './limit-change.js';

export interface EnactmentOptions {
  readonly log: Logger;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly publish: (snapshot: Snapshot) => void;
  /** The ledger goes by this plan from now on. */
  readonly limit: (plan: Plan) => void;
  readonly ledger: () => LedgerView;
  /** The nodes have other limits from now on: for the brains that follow. */
  readonly tell: (limits: NodeLimits) => void;
  /** Whether every node that is connected has breakers of this version. */
  readonly nodesHave: (runtimeVersion: string | undefined) => boolean;
}

/** The limits that the nodes have in place of a spec's own while a change of them is under way. */
export interface NodeLimits {
  /** Version of the spec. */
  readonly spec: string;
  /** By service. */
  readonly limits: ReadonlyMap<string, number>;
}

type SnapshotOf = (plan: Plan) => Snapshot;

const nothingPlanned: Plan = {
  listeners: new Map(),
  targets: new Map(),
  observers: new Map(),
  tenants: new Map(),
  services: new Map(),
  hostnames: new Map(),
};

/** How long a grown limit waits for nodes that do not follow. */
const growthPatienceMs = 1_000;
/** Between two looks at how far a change of limits has come: a while if a database is down, and each costs a view of all. */
const settling = { firstMs: 5, mostMs: 100 } as const;

export class Enactment {
  readonly #options: EnactmentOptions;
  #plan = nothingPlanned;
  #spec = '';
  #snapshotOf: SnapshotOf | undefined;
  /** `#plan`, as far as the ledger goes by it. */
  #ledgerPlan = nothingPlanned;
  /** `#plan`, as far as the nodes have it. */
  #nodesPlan = nothingPlanned;
  #snapshot: Snapshot | undefined;
  #leads = false;
  /** What the leader has said, also of a spec that has not come here yet. */
  #told: NodeLimits | undefined;
  /** Grows with whatever makes an unfinished change of limits pointless. */
  #round = 0;

  constructor(options: EnactmentOptions) {
    this.#options = options;
  }

  /** Empty before the first one. */
  get plan(): Plan {
    return this.#plan;
  }

  /** The newest one; undefined before the first. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** As this brain's nodes have them. */
  get nodeLimits(): NodeLimits {
    return { spec: this.#spec, limits: limitsUnlike(this.#plan, this.#nodesPlan) };
  }

  /**
   * @param spec version of the spec that it was made from
   * @throws what `snapshotOf` throws, and then nothing has changed
   */
  enact(plan: Plan, spec: string, snapshotOf: SnapshotOf): void {
    const isTold = !this.#leads && this.#told?.spec === spec;
    const nodesPlan = isTold ? withLimits(plan, this.#told!.limits) : wide(plan, this.#nodesPlan);
    const snapshot = snapshotOf(nodesPlan);
    this.#round++;
    this.#plan = plan;
    this.#spec = spec;
    this.#snapshotOf = snapshotOf;
    this.#publish(nodesPlan, snapshot);
    if (!this.#leads) return;
    this.#limit(narrow(plan, this.#ledgerPlan));
    this.#settleSoon();
  }

  /** The ledger is this brain's, and new: nothing is granted before the nodes have had the time to take what there is. */
  lead(): void {
    this.#round++;
    this.#leads = true;
    this.#told = undefined;
    this.#limit(this.#plan);
    this.#settleSoon();
  }

  /** Somebody else has the ledger, or nobody. What nodes have stays until it is known to be no longer needed. */
  follow(): void {
    this.#round++;
    this.#leads = false;
  }

  /** The leader says what nodes have. */
  obey(told: NodeLimits): void {
    if (this.#leads) return;
    this.#told = told;
    if (told.spec !== this.#spec || !this.#snapshotOf) return;
    const nodesPlan = withLimits(this.#plan, told.limits);
    this.#publish(nodesPlan, this.#snapshotOf(nodesPlan));
  }

  stop(): void {
    this.follow();
  }

  #settleSoon(): void {
    if (this.#ledgerPlan === this.#plan && this.#nodesPlan === this.#plan) return;
    this.#settle(this.#plan, this.#snapshotOf!).catch((error: unknown) =>
      this.#options.log.error({ err: error }, 'a change of limits stays half done, on the safe side'),
    );
  }

  async #settle(plan: Plan, snapshotOf: SnapshotOf): Promise<void> {
    const { now, log, ledger, nodesHave } = this.#options;
    const round = this.#round;
    const untilMs = now() + growthPatienceMs;
    let lookMs: number = settling.firstMs;
    for (;;) {
      if (this.#nodesPlan !== plan && this.#hasSettled(plan, ledger())) this.#publish(plan, snapshotOf(plan));
      if (this.#ledgerPlan !== plan) {
        const follow = nodesHave(this.#snapshot?.sets.get(TypeUrl.runtime)?.version);
        if (!follow && now() >= untilMs)
          log.warn('a node has not followed limits that grew: it may close what is granted');
        if (follow || now() >= untilMs) this.#limit(plan);
      }
      if (this.#nodesPlan === plan && this.#ledgerPlan === plan) return;
      await pause(lookMs);
      lookMs = Math.min(2 * lookMs, settling.mostMs);
      if (this.#round !== round) return;
    }
  }

  #hasSettled(plan: Plan, ledger: LedgerView): boolean {
    return hasSettled(plan, ledger) && !isCounting(plan, this.#nodesPlan, ledger);
  }

  #publish(plan: Plan, snapshot: Snapshot): void {
    this.#nodesPlan = plan;
    this.#snapshot = snapshot;
    this.#options.publish(snapshot);
    if (this.#leads) this.#options.tell(this.nodeLimits);
  }

  #limit(plan: Plan): void {
    this.#ledgerPlan = plan;
    this.#options.limit(plan);
  }
}
