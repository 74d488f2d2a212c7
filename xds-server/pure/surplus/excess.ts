/** By how much services, tenants and targets are above their limits, those left aside who are closing already. */
import type { LedgerView, SessionView } from '../ledger/view.js';

interface Standing {
  readonly tenant: string;
  readonly guaranteed: number;
  /** Slots that stay. */
  held: number;
}

export class Excess {
  readonly #services = new Map<string, number>();
  readonly #tenants = new Map<string, number>();
  readonly #targets = new Map<string, number>();
  readonly #standings = new Map<string, Standing>();

  constructor(view: LedgerView) {
    const closing = new Map<string, number>();
    for (const {
      name,
      tenant,
      limit,
      guaranteed,
      used,
      closing: leaving,
      planned,
    } of view.services.values()) {
      closing.set(tenant, (closing.get(tenant) ?? 0) + leaving);
      this.#standings.set(name, { tenant, guaranteed, held: used - leaving });
      if (planned) note(this.#services, name, used - leaving - limit);
    }
    for (const { name, limit, used } of view.tenants.values())
      if (limit !== undefined) note(this.#tenants, name, used - (closing.get(name) ?? 0) - limit);
    // What is counted on suspicion, right behind a restart, is no reason to end anybody.
    for (const { name, budget, used, closing: leaving, recovering, planned } of view.targets.values())
      if (planned && !recovering) note(this.#targets, name, used - leaving - budget);
  }

  get isNone(): boolean {
    return this.#services.size + this.#tenants.size + this.#targets.size === 0;
  }

  /**
   * One session less.
   *
   * @returns false where it is not one too many, or is owed to its service whatever others want; then nothing has changed
   */
  take({ service, target }: Pick<SessionView, 'service' | 'target'>): boolean {
    const standing = this.#standings.get(service);
    if (!standing) return false;
    const isSpared = standing.held <= standing.guaranteed;
    const isMeant =
      this.#services.has(service) ||
      (!isSpared && (this.#tenants.has(standing.tenant) || this.#targets.has(target)));
    if (!isMeant) return false;
    standing.held -= 1;
    less(this.#services, service);
    less(this.#tenants, standing.tenant);
    less(this.#targets, target);
    return true;
  }
}

function note(excess: Map<string, number>, name: string, over: number): void {
  if (over > 0) excess.set(name, over);
}

function less(excess: Map<string, number>, name: string): void {
  const over = excess.get(name);
  if (over === undefined) return;
  if (over > 1) excess.set(name, over - 1);
  else excess.delete(name);
}
