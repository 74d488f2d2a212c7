/**
 * Can a node carry out a grant for a service? It can when it has acknowledged what the service needs, to this brain or to
 * another that says so. Asked by the leader for each check; by the others when the leader wants to know.
 */
import type { NodeId } from '../../pure/ledger/events.js';
import type { Claims } from '../../pure/peers/claims.js';
import type { ServicePlan } from '../../pure/plan/plan.js';
import type { TypeUrl } from '../../pure/snapshot/snapshot.js';
import type { Readiness } from './admission.js';
import { AwaitedServices } from './awaited-services.js';

/** What nodes of this brain's own have acknowledged. */
export interface OwnNodes {
  isConnected(node: NodeId): boolean;
  isAcked(node: NodeId, type: TypeUrl, name: string): boolean;
  /** Resolves false when the time is over. */
  whenAcked(node: NodeId, type: TypeUrl, name: string, withinMs: number): Promise<boolean>;
}

export interface NodeReadinessOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly own: OwnNodes;
  readonly service: (name: string) => ServicePlan | undefined;
  /** Resources without which the service is not served. */
  readonly needed: (service: ServicePlan) => readonly (readonly [TypeUrl, string])[];
  /** Nodes of other brains; absent where there is none. */
  readonly others?: Pick<Claims<unknown>, 'has' | 'isReady' | 'whenReady'>;
}

type Needed = ReturnType<NodeReadinessOptions['needed']>;

/** A node that is connected has a new cluster within milliseconds, or has rejected it. */
const nodePatienceMs = 2_000;
/** One that is not connected may be on its way back. */
const absencePatienceMs = 30_000;
/** Another brain may have read a spec a moment earlier. */
const specPatienceMs = 2_000;

export class NodeReadiness implements Readiness {
  readonly #options: NodeReadinessOptions;
  readonly #awaited: AwaitedServices;

  constructor(options: NodeReadinessOptions) {
    const { service, needed } = options;
    this.#options = options;
    this.#awaited = new AwaitedServices({ service, needs: (planned) => inWords(needed(planned)) });
  }

  /** Another spec is in force. */
  planned(): void {
    this.#awaited.planned();
  }

  isReady(node: NodeId, name: string): boolean {
    const { own, others, service, needed } = this.#options;
    const planned = service(name);
    if (!planned) return false;
    const all = needed(planned);
    if (own.isConnected(node)) return all.every(([type, what]) => own.isAcked(node, type, what));
    return others?.isReady(node, inWords(all)) ?? false;
  }

  whenReady(node: NodeId, name: string, patienceMs: number, told: (isReady: boolean) => void): void {
    void this.#whenReady(node, name, patienceMs).then(told);
  }

  async #whenReady(node: NodeId, name: string, patienceMs: number): Promise<boolean> {
    const { now, own, others, needed } = this.#options;
    const planned = await this.#awaited.when(name, Math.min(patienceMs, specPatienceMs));
    if (!planned) return false;
    const isSomewhere = own.isConnected(node) || others?.has(node) === true;
    const untilMs = now() + Math.min(patienceMs, isSomewhere ? nodePatienceMs : absencePatienceMs);
    if (!others) return this.#whenOwn(node, planned, untilMs);
    return new Promise((resolve) => {
      const settle = (isReady: boolean): void => {
        clearTimeout(timer);
        stop();
        resolve(isReady);
      };
      const timer = setTimeout(() => settle(false), Math.max(0, untilMs - now()));
      const stop = others.whenReady(node, name, inWords(needed(planned)), () => settle(true));
      void this.#whenOwn(node, planned, untilMs).then((isReady) => isReady && settle(true));
    });
  }

  /**
   * For another brain, which goes by a plan of its own. Resolves false after a while: then it asks again.
   *
   * @param needs what the service needs by that plan
   */
  async whenHas(node: NodeId, name: string, needs: string): Promise<boolean> {
    const planned = await this.#awaited.when(name, specPatienceMs, needs);
    return planned !== undefined && this.#whenOwn(node, planned, this.#options.now() + nodePatienceMs);
  }

  async #whenOwn(node: NodeId, planned: ServicePlan, untilMs: number): Promise<boolean> {
    const { now, own, needed } = this.#options;
    for (const [type, name] of needed(planned))
      if (!(await own.whenAcked(node, type, name, Math.max(0, untilMs - now())))) return false;
    return true;
  }
}

/** All that is needed, by its names: what two brains that mean the same call the same. */
function inWords(all: Needed): string {
  return all.map(([, name]) => name).join(' ');
}
