/**
 * Brings a plan into force: on the nodes as a snapshot, in the ledger as limits, each as far as the other allows
 * (limit-change.ts). Whether a plan may be taken is not asked here.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { LedgerView } from '../../pure/ledger/view.js';
import type { Plan } from '../../pure/plan/plan.js';
import { type Snapshot, TypeUrl } from '../../pure/snapshot/snapshot.js';
import { hasSettled, narrow, wide } from './limit-change.js';

export interface EnactmentOptions {
  readonly log: Logger;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly publish: (snapshot: Snapshot) => void;
  /** The ledger goes by this plan from now on. */
  readonly limit: (plan: Plan) => void;
  readonly ledger: () => LedgerView;
  /** Whether every node that is connected has breakers of this version. */
  readonly nodesHave: (runtimeVersion: string | undefined) => boolean;
}

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
/** Between two looks at how far a change of limits has come. */
const settlingMs = 5;

export class Enactment {
  readonly #options: EnactmentOptions;
  #plan = nothingPlanned;
  /** `#plan`, as far as the ledger goes by it. */
  #ledgerPlan = nothingPlanned;
  /** `#plan`, as far as the nodes have it. */
  #nodesPlan = nothingPlanned;
  #snapshot: Snapshot | undefined;
  #stopped = false;

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

  /** @throws what `snapshotOf` throws, and then nothing has changed */
  enact(plan: Plan, snapshotOf: (plan: Plan) => Snapshot): void {
    const nodesPlan = wide(plan, this.#nodesPlan);
    const snapshot = snapshotOf(nodesPlan);
    this.#plan = plan;
    this.#publish(nodesPlan, snapshot);
    this.#limit(narrow(plan, this.#ledgerPlan));
    if (this.#ledgerPlan !== plan || nodesPlan !== plan)
      this.#settle(plan, snapshotOf).catch((error: unknown) =>
        this.#options.log.error({ err: error }, 'a change of limits stays half done, on the safe side'),
      );
  }

  stop(): void {
    this.#stopped = true;
  }

  async #settle(plan: Plan, snapshotOf: (plan: Plan) => Snapshot): Promise<void> {
    const { now, log, ledger, nodesHave } = this.#options;
    const untilMs = now() + growthPatienceMs;
    for (;;) {
      if (this.#nodesPlan !== plan && hasSettled(plan, ledger())) this.#publish(plan, snapshotOf(plan));
      if (this.#ledgerPlan !== plan) {
        const follow = nodesHave(this.#snapshot?.sets.get(TypeUrl.runtime)?.version);
        if (!follow && now() >= untilMs)
          log.warn('a node has not followed limits that grew: it may close what is granted');
        if (follow || now() >= untilMs) this.#limit(plan);
      }
      if (this.#nodesPlan === plan && this.#ledgerPlan === plan) return;
      await pause(settlingMs);
      if (this.#plan !== plan || this.#stopped) return;
    }
  }

  #publish(plan: Plan, snapshot: Snapshot): void {
    this.#nodesPlan = plan;
    this.#snapshot = snapshot;
    this.#options.publish(snapshot);
  }

  #limit(plan: Plan): void {
    this.#ledgerPlan = plan;
    this.#options.limit(plan);
  }
}
