import { confirmationMs } from '../../xds-server/pure/ledger/settings.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import type { Agenda } from './agenda.js';
import type { Database, DatabaseSession } from './database.js';
import { settings, type Traits } from './traits.js';
import { Violation } from './violation.js';

/** I1 as the databases themselves count, at the instant at which one of them takes one more. */
export class Truth {
  readonly #agenda: Agenda;
  readonly #traits: Traits;
  readonly #databases: ReadonlyMap<string, Database>;
  readonly #plans: { readonly plan: Plan; untilMs: number }[] = [];

  constructor(agenda: Agenda, traits: Traits, databases: ReadonlyMap<string, Database>, plan: Plan) {
    this.#agenda = agenda;
    this.#traits = traits;
    this.#databases = databases;
    this.plan = plan;
  }

  get plan(): Plan {
    return this.#plans.at(-1)!.plan;
  }

  set plan(plan: Plan) {
    const before = this.#plans.at(-1);
    if (before) before.untilMs = this.#agenda.nowMs;
    this.#plans.push({ plan, untilMs: Number.POSITIVE_INFINITY });
  }

  compare({ target, service, tenant, onlyKill }: DatabaseSession): void {
    const { restarts, showsUsers, sharedUser } = this.#traits;
    const all = [...this.#databases.values()].flatMap(({ sessions }) => [...sessions]);
    const there = all.filter((session) => session.target === target && session.service !== undefined);
    const budget = this.#most((plan) => plan.targets.get(target)?.budget ?? 0);
    // Sessions that nobody reports after a restart are told from people's by their user, or not at all.
    const people = restarts && !showsUsers ? this.#most((plan) => plan.targets.get(target)?.reserve ?? 0) : 0;
    expect(`sessions at ${target}`, there.length, budget + people);

    if (restarts && (!showsUsers || sharedUser)) return;
    const ofService = all.filter((session) => session.service === service);
    const limit = this.#most((plan) => plan.services.get(service!)?.maxConnections ?? 0);
    expect(`sessions of ${service}`, ofService.length, limit);
    const killing = ofService.filter((session) => session.onlyKill).length;
    const ordinary = this.#most((plan) => {
      const { maxConnections = 0, killReserve = 0 } = plan.services.get(service!) ?? {};
      return maxConnections - killReserve;
    });
    const reserve = this.#most((plan) => plan.services.get(service!)?.killReserve ?? 0);
    if (!onlyKill) expect(`sessions of ${service} that may do all`, ofService.length - killing, ordinary);
    // Of an earlier ledger's sessions nobody knows any more which were let in for KILL alone.
    else if (!restarts) expect(`sessions of ${service} for KILL alone`, killing, reserve);

    // After a restart a tenant does not wait at one database for another of its databases to be counted.
    if (restarts) return;
    const ofTenant = all.filter((session) => session.tenant === tenant);
    const most = this.#most((plan) => plan.tenants.get(tenant!)?.maxConnections ?? Number.POSITIVE_INFINITY);
    expect(`sessions of tenant ${tenant}`, ofTenant.length, most);
  }

  /** Under any plan by which something that opens now may have been granted. */
  #most(limit: (plan: Plan) => number): number {
    const sinceMs = this.#agenda.nowMs - confirmationMs(settings);
    const inForce = this.#plans.filter(({ untilMs }) => untilMs >= sinceMs);
    return Math.max(...inForce.map(({ plan }) => limit(plan)));
  }
}

function expect(what: string, found: number, most: number): void {
  if (found > most) throw new Violation(`I1: ${found} ${what}, at most ${most} expected`);
}
