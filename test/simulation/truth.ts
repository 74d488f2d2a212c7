import { confirmationMs } from '../../xds-server/pure/ledger/settings.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import type { Agenda } from './agenda.js';
import type { Database, DatabaseSession, Owner } from './database.js';
import { targetAt } from './plans.js';
import { loginTimeoutMs, settings, type Traits } from './traits.js';
import { Violation } from './violation.js';

/** The newest ledger. */
export interface Present {
  readonly number: number;
  /** In true time. */
  readonly startedMs: number;
  readonly recoveryMs: number;
}

interface Planned {
  readonly plan: Plan;
  untilMs: number;
}

/**
 * I1 as the databases themselves count, at the instant at which one of them takes one more.
 *
 * What a new ledger cannot know it need not count: a session that an earlier ledger granted, of which no node has told
 * the new one (dead, cut off), and which the database
 *
 *   does not list, because it logs in and the server does not list logins: not counted at all, until it is listed
 *     or its login's time is up, where it had not begun to log in when the recovery ended; otherwise it counts against
 *     the budget;
 *   lists without an account that today's services name for themselves: it may be a person's. Beyond the reserve it
 *     counts against the budget, so that the server's capacity holds; to which service it belongs is not known;
 *   lists as logging in, without an account: it counts against the budget; to which service it belongs is not known before
 *     it is in.
 *
 * The same holds of what was at a server while no plan had it: nobody could ask for it there, and nothing could be proved. Whose
 * such a session is follows from the plan: for its service it counts when each plan by which something may open now had that
 * service there, for its server at once.
 *
 * Every other session counts, against the target whose server it is at, its service and its tenant.
 */
export class Truth {
  readonly #agenda: Agenda;
  readonly #traits: Traits;
  readonly #databases: ReadonlyMap<string, Database>;
  readonly #plans: Planned[] = [];
  readonly #present: () => Present;
  /** By server, until when it was last nobody's. */
  readonly #nobodysUntilMs = new Map<string, number>();

  constructor(
    agenda: Agenda,
    traits: Traits,
    databases: ReadonlyMap<string, Database>,
    plan: Plan,
    present: () => Present,
  ) {
    this.#agenda = agenda;
    this.#traits = traits;
    this.#databases = databases;
    this.#present = present;
    this.plan = plan;
  }

  get plan(): Plan {
    return this.#plans.at(-1)!.plan;
  }

  set plan(plan: Plan) {
    const before = this.#plans.at(-1);
    if (before) before.untilMs = this.#agenda.nowMs;
    for (const server of this.#databases.keys())
      if (!targetAt(plan, server)) this.#nobodysUntilMs.set(server, Number.POSITIVE_INFINITY);
      else if (this.#nobodysUntilMs.get(server) === Number.POSITIVE_INFINITY)
        this.#nobodysUntilMs.set(server, this.#agenda.nowMs);
    this.#plans.push({ plan, untilMs: Number.POSITIVE_INFINITY });
    const sinceMs = this.#agenda.nowMs - 2 * confirmationMs(settings) - loginTimeoutMs;
    while (this.#plans[0]!.untilMs < sinceMs) this.#plans.shift();
  }

  compare({ server, owner, openedMs }: DatabaseSession): void {
    const { service, tenant, onlyKill } = owner!;
    if (owner!.isImpostor) this.#compareImpostors(owner!);
    // A server may take in late what was granted long before: it is judged by what could be known then.
    const grantedFromMs = openedMs - confirmationMs(settings);
    // Before it can have been told of everything a ledger gives nothing: what it gives all the same has no excuse.
    const present = this.#present();
    const isEarly =
      grantedBy(present, owner!) && this.#agenda.nowMs < present.startedMs + 0.9 * present.recoveryMs;
    let there = 0;
    let maybePeople = 0;
    let ofService = 0;
    let ofTenant = 0;
    let ordinary = 0;
    let killing = 0;
    for (const database of this.#databases.values())
      for (const session of database.sessions) {
        if (!session.owner) continue;
        const account =
          isEarly || this.#isKnown(session, session.owner, present, grantedFromMs)
            ? 'known'
            : this.#account(session, present, grantedFromMs);
        if (session.server === server) {
          if (account === 'people') maybePeople++;
          else if (account !== 'unlisted') there++;
        }
        const isCounted =
          account === 'known' ||
          (account === session.owner.service && this.#wasThere(account, session, grantedFromMs));
        if (isCounted && session.owner.service === service) {
          ofService++;
          if (!session.owner.onlyKill) ordinary++;
          // Of others nobody knows any more which were let in for KILL alone.
          else if (this.#isOwn(session, session.owner, present)) killing++;
        }
        // At a database that is not counted yet it is not known; that does not stop another database.
        if (
          isCounted &&
          session.owner.tenant === tenant &&
          (account === 'known' || session.server === server) &&
          (grantedBy(present, session.owner) || this.#isPlanned(session.owner.service, grantedFromMs))
        )
          ofTenant++;
      }
    const budget = this.#most(openedMs, (plan) => targetAt(plan, server)?.budget ?? 0);
    const reserve = this.#most(openedMs, (plan) => targetAt(plan, server)?.reserve ?? 0);
    expect(`sessions at ${server}`, there + Math.max(0, maybePeople - reserve), budget);
    const limit = this.#most(openedMs, (plan) => plan.services.get(service)?.maxConnections ?? 0);
    expect(`sessions of ${service}`, ofService, limit);
    if (onlyKill) {
      const kept = this.#most(openedMs, (plan) => plan.services.get(service)?.killReserve ?? 0);
      expect(`sessions of ${service} for KILL alone`, killing, kept);
    } else {
      const mayBe = this.#most(openedMs, (plan) => {
        const { maxConnections = 0, killReserve = 0 } = plan.services.get(service) ?? {};
        return maxConnections - killReserve;
      });
      expect(`sessions of ${service} that may do all`, ordinary, mayBe);
    }
    const most = this.#most(
      openedMs,
      (plan) => plan.tenants.get(tenant)?.maxConnections ?? Number.POSITIVE_INFINITY,
    );
    expect(`sessions of tenant ${tenant}`, ofTenant, most);
  }

  /** Whoever has no password earns nothing: he never has more of a service than a new address may. */
  #compareImpostors({ service, source }: Owner): void {
    const present = this.#present();
    let trying = 0;
    let firstMs = this.#agenda.nowMs;
    for (const database of this.#databases.values())
      for (const session of database.sessions) {
        const { owner, openedMs } = session;
        if (!owner || owner.isOver || owner.source !== source || owner.service !== service) continue;
        if (!this.#isOwn(session, owner, present)) continue;
        trying++;
        firstMs = Math.min(firstMs, openedMs);
      }
    const { share, least } = settings.logins;
    const width = (plan: Plan): number => (plan.services.get(service)?.maxConnections ?? 0) * share;
    const most = Math.max(least, Math.ceil(this.#most(firstMs, width)));
    if (trying > most)
      throw new Violation(`I5: ${trying} without a password at ${service}, at most ${most} expected`);
  }

  /** All the time that something which opens now may have been granted in: whose tenant a service has, its plan says. */
  #isPlanned(service: string, grantedFromMs: number): boolean {
    return this.#plans.every(({ plan, untilMs }) => untilMs < grantedFromMs || plan.services.has(service));
  }

  /** By every plan that something which opens now may have been granted under. */
  #wasThere(service: string, { server }: DatabaseSession, grantedFromMs: number): boolean {
    return this.#plans.every(({ plan, untilMs }) => {
      const target = targetAt(plan, server)?.name;
      return (
        untilMs < grantedFromMs || (target !== undefined && plan.services.get(service)?.target === target)
      );
    });
  }

  /** Long enough for nothing to open any more that was granted before; and its server was not left out since. */
  #isKnown(
    { server, openedMs }: DatabaseSession,
    { knownTo, knownMs }: Owner,
    present: Present,
    grantedFromMs: number,
  ): boolean {
    if (this.#nobodysMs(server) > openedMs) return false;
    return knownTo === present.number && knownMs <= grantedFromMs;
  }

  /** The ledger granted it, and has not had to forget it since: of what is at a server that nobody asks nothing can be proved. */
  #isOwn({ server, openedMs }: DatabaseSession, owner: Owner, present: Present): boolean {
    return grantedBy(present, owner) && this.#nobodysMs(server) <= openedMs;
  }

  #nobodysMs(server: string): number {
    return this.#nobodysUntilMs.get(server) ?? Number.NEGATIVE_INFINITY;
  }

  /** Whose a session is that nobody has told the present ledger of: a service's name, or why it is not known. */
  #account(session: DatabaseSession, present: Present, grantedFromMs: number): string {
    const { server, begunTo, shownTo, firstShownMs, shownMs, namedTo, namedMs, openedMs } = session;
    const { number, startedMs, recoveryMs } = present;
    if (openedMs < this.#nobodysMs(server) && shownMs <= this.#nobodysMs(server)) return 'unlisted';
    const isOlder = openedMs <= startedMs + recoveryMs;
    const hadBegun = begunTo === number;
    if (shownTo !== number && !hadBegun) return isOlder ? 'unlisted' : 'opened after the recovery';
    if (shownTo !== number) return 'several';
    // What opens now may have been granted before its login was over, and it in a list.
    if (!this.#traits.listsLogins && isOlder && firstShownMs > grantedFromMs && !hadBegun) return 'unlisted';
    if (!this.#traits.showsUsers) return 'people';
    const owners = ownersOf(session, this.plan);
    // What opens now may have been granted when no service had its account.
    const wasNobodys = ({ plan, untilMs }: Planned): boolean =>
      untilMs >= grantedFromMs &&
      targetAt(plan, server) !== undefined &&
      ownersOf(session, plan).length === 0;
    if (owners.length === 0 || this.#plans.some(wasNobodys)) return 'people';
    // It logs in, or did when something was granted that opens now.
    if (namedTo !== number || namedMs > grantedFromMs) return 'several';
    // Also of one that is gone.
    return owners.length > 1 || this.#traits.sharedUser ? 'several' : owners[0]!;
  }

  /** Under any plan by which something may have been granted that came to the server then, and has waited for it. */
  #most(openedMs: number, limit: (plan: Plan) => number): number {
    const sinceMs = openedMs - confirmationMs(settings);
    let most = 0;
    for (const { plan, untilMs } of this.#plans)
      if (untilMs >= sinceMs) {
        const here = limit(plan);
        if (here > most) most = here;
      }
    return most;
  }
}

/** Services whose account it has, at its database. */
function ownersOf({ server, user }: DatabaseSession, plan: Plan): string[] {
  const target = targetAt(plan, server)?.name;
  return [...plan.services.values()]
    .filter((service) => service.target === target && service.allow[0]!.user === user)
    .map(({ name }) => name);
}

function grantedBy({ number }: Present, { knownTo, knownMs }: Owner): boolean {
  return knownTo === number && knownMs === Number.NEGATIVE_INFINITY;
}

function expect(what: string, found: number, most: number): void {
  if (found > most) throw new Violation(`I1: ${found} ${what}, at most ${most} expected`);
}
