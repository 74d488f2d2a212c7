/**
 * The simulation has to find what it is there for. Each plant takes one guard away, at a seam, without a word of what
 * ships being changed, and says which invariants may be the first to show it.
 */
import type { LedgerEffect, LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import type { LedgerSettings } from '../../xds-server/pure/ledger/settings.js';
import type { Plan, ServicePlan, TargetPlan, TenantPlan } from '../../xds-server/pure/plan/plan.js';
import { type Parts, shipped } from './parts.js';
import { serverOf } from './plans.js';
import { settings, type Traits } from './traits.js';

export interface Plant {
  readonly name: string;
  /** Where the guard is that is taken away: the file, of xds-server/pure or in full, and the name in it. */
  readonly where: string;
  readonly invariants: readonly string[];
  readonly parts: Parts;
  /** Only such worlds can show it. */
  readonly needs?: (world: Traits) => boolean;
}

const hasSeveralBrains = ({ brains }: Traits): boolean => brains > 1;

type Apply = (event: LedgerEvent, nowMs: number) => LedgerEffect[];
/** Made anew for each ledger: it may remember. */
type Twist = (apply: Apply, ledger: Ledger) => Apply;

function twisted(twist: Twist, given: Partial<LedgerSettings> = {}): Parts {
  class Twisted extends Ledger {
    readonly #apply: Apply = twist((event, nowMs) => super.apply(event, nowMs), this);

    override apply(event: LedgerEvent, nowMs: number): LedgerEffect[] {
      return this.#apply(event, nowMs);
    }
  }
  return { ...shipped, ledger: (shippedSettings) => new Twisted({ ...shippedSettings, ...given }) };
}

/** Every event, as another one. */
function mapped(map: (event: LedgerEvent) => LedgerEvent): Parts {
  return twisted((apply) => (event, nowMs) => apply(map(event), nowMs));
}

interface Limits {
  readonly targets?: (target: TargetPlan) => TargetPlan;
  readonly tenants?: (tenant: TenantPlan) => TenantPlan;
  readonly services?: (service: ServicePlan, plan: Plan) => ServicePlan;
}

/** A ledger that takes a plan for another one. */
function misread({ targets, tenants, services }: Limits): Parts {
  return mapped((event) => {
    if (event.kind !== 'plan') return event;
    const { plan } = event;
    const each = <Item>(of: ReadonlyMap<string, Item>, change: ((item: Item) => Item) | undefined) =>
      change ? new Map([...of].map(([name, item]) => [name, change(item)])) : of;
    const changed = services && ((service: ServicePlan): ServicePlan => services(service, plan));
    return {
      kind: 'plan',
      plan: {
        ...plan,
        targets: each(plan.targets, targets),
        tenants: each(plan.tenants, tenants),
        services: each(plan.services, changed),
      },
    };
  });
}

export const plants: readonly Plant[] = [
  {
    name: 'a slot is freed when its node says so, without asking the database',
    where: 'ledger/slots.ts: end',
    invariants: ['I1'],
    parts: mapped((event) =>
      event.kind === 'end' && event.evidence === 'proxy-closed'
        ? { ...event, evidence: 'server-closed' }
        : event,
    ),
  },
  {
    name: 'a login is believed before a report says where it leads',
    where: 'ledger/ledger.ts: #login',
    invariants: ['I1'],
    parts: twisted((apply, ledger) => (event, nowMs) => {
      const service = event.kind === 'login' && ledger.session(event.connection)?.service;
      if (event.kind !== 'login' || !service) return apply(event, nowMs);
      const { connection, node, serverId } = event;
      const upstream = { serverId, login: 'accepted' } as const;
      return apply({ kind: 'report', connection, node, service, upstream }, nowMs);
    }),
  },
  {
    name: 'a session list is taken for younger than it is',
    where: 'ledger/proof.ts: proof',
    invariants: ['I1'],
    parts: mapped((event) =>
      event.kind === 'observed' ? { ...event, askedAtMs: event.askedAtMs + 1_000 } : event,
    ),
  },
  {
    name: 'logins are taken for listed',
    where: 'ledger/proof.ts: provableFromMs',
    invariants: ['I1'],
    parts: mapped((event) => (event.kind === 'observed' ? { ...event, listsLogins: true } : event)),
  },
  {
    name: 'whoever is shown no login believes it, whenever his connection was dialled',
    where: 'ledger/proof.ts: isShown',
    invariants: ['I1'],
    parts: mapped((event) =>
      event.kind === 'observed' && event.logins
        ? { ...event, logins: { ...event.logins, dialledMs: Number.POSITIVE_INFINITY } }
        : event,
    ),
  },
  {
    name: 'a process that was taken in is thought to show at once',
    where: 'ledger/proof.ts: isShown',
    invariants: ['I1'],
    parts: twisted((apply) => apply, { loginStartMs: 0 }),
  },
  {
    name: 'nobody asks after those who were logging in',
    where: 'ledger/proof.ts: proof',
    invariants: ['I1'],
    parts: mapped((event) =>
      event.kind === 'observed' && event.logins
        ? { ...event, logins: { ...event.logins, serverIds: [] } }
        : event,
    ),
  },
  {
    name: 'a new ledger does not wait for what its nodes have to say',
    where: 'ledger/settings.ts: recoveryMs',
    invariants: ['I1'],
    parts: twisted((apply) => {
      let isFirst = true;
      return (event, nowMs) => {
        const atMs = isFirst ? nowMs - 60_000 : nowMs;
        isFirst = false;
        return apply(event, atMs);
      };
    }),
  },
  {
    name: 'a new ledger counts no session that it was not told of',
    where: 'ledger/books.ts: unjoinedCounted',
    invariants: ['I1'],
    parts: twisted((apply) => {
      const told = new Set<number>();
      return (event, nowMs) => {
        if ((event.kind === 'report' || event.kind === 'end') && event.upstream.serverId !== undefined)
          told.add(event.upstream.serverId);
        if (event.kind !== 'observed') return apply(event, nowMs);
        const sessions = event.sessions.filter(({ serverId }) => told.has(serverId));
        return apply({ ...event, sessions }, nowMs);
      };
    }),
  },
  {
    name: 'a node does not look at when a grant expires',
    where: 'filters/core/src/verdict.rs: grant',
    invariants: ['I1'],
    parts: { ...shipped, isExpired: () => false },
  },
  {
    name: 'a node waits for a server for seconds beyond its grant',
    where: 'filters/module/src/session/reaching.rs: is_late',
    invariants: ['I1'],
    parts: { ...shipped, connectsBy: ({ expiresMs }) => expiresMs + 3_000 },
  },
  {
    name: 'a cluster has the name of its service, wherever it leads',
    where: 'plan/cluster-name.ts: clusterName',
    invariants: ['I1'],
    parts: { ...shipped, leadsTo: ({ service }, plan) => serverOf(plan, plan.services.get(service)?.target) },
  },
  {
    name: 'a cluster has the name of its database, whatever its servers are',
    where: 'plan/cluster-name.ts: clusterName',
    invariants: ['I1'],
    parts: {
      ...shipped,
      leadsTo: ({ service, cluster }, plan) => {
        const target = plan.services.get(service)?.target;
        return cluster.startsWith(`service/${service}/${target}/`) ? serverOf(plan, target) : undefined;
      },
    },
  },
  {
    name: 'a server that changes hands leaves what is counted with the one before',
    where: 'ledger/planning.ts: adoptPlan',
    invariants: ['I1', 'I4'],
    parts: misread({ targets: (target) => ({ ...target, endpoints: [] }) }),
  },
  {
    name: 'a leader goes on granting when its term is over',
    where: 'ledger/ledger.ts: #lookAtTheClock',
    invariants: ['I1'],
    parts: { ...shipped, endsTerms: false },
    needs: hasSeveralBrains,
  },
  {
    name: 'a term is taken for longer than its lease',
    where: 'leadership/election.ts: #endOf',
    invariants: ['I1'],
    parts: { ...shipped, election: { drift: -6 } },
    needs: hasSeveralBrains,
  },
  {
    name: 'a grant that is not used is given to another while it may still be used',
    where: 'ledger/settings.ts: confirmationMs',
    invariants: ['I1'],
    parts: twisted(
      (apply) => (event, nowMs) =>
        apply(event, nowMs).map((effect) =>
          effect.kind === 'grant' ? { ...effect, ttlMs: settings.grantTtlMs } : effect,
        ),
      { grantTtlMs: 20, connectGraceMs: 20, marginMs: 10 },
    ),
  },
  {
    name: 'an address that is translated on its way is taken for the node’s own',
    where: 'ledger/sightings.ts: showAddressOf',
    invariants: ['I1'],
    parts: twisted((apply) => {
      const shown = new Map<number, string>();
      return (event, nowMs) => {
        if (event.kind === 'observed')
          for (const { serverId, peer } of event.sessions) if (peer !== undefined) shown.set(serverId, peer);
        if (event.kind !== 'report') return apply(event, nowMs);
        const localAddress = shown.get(event.upstream.serverId ?? 0);
        const upstream = localAddress === undefined ? event.upstream : { ...event.upstream, localAddress };
        return apply({ ...event, upstream }, nowMs);
      };
    }),
  },
  {
    name: 'a node may speak of another one’s connection',
    where: 'ledger/ledger.ts: #isAnothers',
    invariants: ['I1', 'I3'],
    parts: twisted((apply, ledger) => (event, nowMs) => {
      if (event.kind !== 'end' && event.kind !== 'report') return apply(event, nowMs);
      return apply({ ...event, node: ledger.nodeOf(event.connection) ?? event.node }, nowMs);
    }),
  },
  {
    name: 'a database is never asked again',
    where: 'ledger/slots.ts: #awaitProof',
    invariants: ['I4', 'I3'],
    parts: twisted((apply) => {
      let startedMs: number | undefined;
      return (event, nowMs) => {
        startedMs ??= nowMs;
        return event.kind === 'observed' && nowMs > startedMs + 5_000 ? [] : apply(event, nowMs);
      };
    }),
  },
  {
    name: 'a node that has fallen silent is believed for ever',
    where: 'ledger/slots.ts: due',
    invariants: ['I4'],
    parts: twisted((apply) => apply, { silentAfterMs: 1e9 }),
  },
  {
    name: 'a waiter whose time is up is forgotten',
    where: 'ledger/ledger.ts: #expire',
    invariants: ['I3'],
    parts: twisted(
      (apply) => (event, nowMs) =>
        apply(event, nowMs).filter(
          (effect) => effect.kind !== 'refuse' || effect.refusal.reason !== 'wait_timeout',
        ),
    ),
  },
  {
    name: 'a budget that shrinks is not heard of',
    where: 'ledger/planning.ts: adoptTargets',
    invariants: ['I1'],
    parts: twisted((apply) => {
      const largest = new Map<string, number>();
      return (event, nowMs) => {
        if (event.kind !== 'plan') return apply(event, nowMs);
        const targets = new Map(event.plan.targets);
        for (const [name, target] of targets) {
          const budget = Math.max(target.budget, largest.get(name) ?? 0);
          largest.set(name, budget);
          targets.set(name, { ...target, budget });
        }
        return apply({ kind: 'plan', plan: { ...event.plan, targets } }, nowMs);
      };
    }),
  },
  {
    name: 'a database’s reserve may be given too',
    where: 'ledger/books.ts: free',
    invariants: ['I1'],
    parts: misread({ targets: (target) => ({ ...target, budget: target.budget + target.reserve }) }),
  },
  {
    name: 'a service’s limit is not looked at',
    where: 'ledger/admission.ts: obstacle',
    invariants: ['I1'],
    parts: misread({ services: (service) => ({ ...service, maxConnections: 1_000 }) }),
  },
  {
    name: 'a tenant’s limit is not looked at',
    where: 'ledger/admission.ts: obstacle',
    invariants: ['I1'],
    parts: misread({ tenants: ({ name }) => ({ name }) }),
  },
  {
    name: 'priorities are not looked at',
    where: 'ledger/admission.ts: next',
    invariants: ['I5'],
    parts: misread({ services: (service) => ({ ...service, priority: 0 }) }),
  },
  {
    name: 'guaranteed shares are not kept',
    where: 'ledger/admission.ts: obstacle',
    invariants: ['I5'],
    parts: misread({ services: (service) => ({ ...service, guaranteed: 0 }) }),
  },
  {
    name: 'whoever comes first may have all of the queue',
    where: 'ledger/crowds.ts: whoGivesWay',
    invariants: ['I5'],
    parts: twisted((apply, ledger) => {
      const sources = new Map<string, string | undefined>();
      let maxQueue = new Map<string, number>();
      return (event, nowMs) => {
        if (event.kind === 'plan')
          maxQueue = new Map([...event.plan.services.values()].map((each) => [each.name, each.maxQueue]));
        if (event.kind !== 'check') return apply(event, nowMs);
        sources.set(event.connection, event.source);
        const { waiters } = ledger.view({ waiters: 100 });
        const there = waiters.filter(({ service }) => service === event.service);
        if (there.length === 0 || there.length < (maxQueue.get(event.service) ?? 0))
          return apply(event, nowMs);
        // He is taken for one of the first.
        return apply({ ...event, source: sources.get(there[0]!.connection) }, nowMs);
      };
    }),
  },
  {
    name: 'whoever is connected is taken for logged in',
    where: 'ledger/doors.ts: accepted',
    invariants: ['I5'],
    parts: mapped((event) =>
      event.kind === 'report' ? { ...event, upstream: { ...event.upstream, login: 'accepted' } } : event,
    ),
  },
  {
    name: 'who is logging in when a recovery ends is not counted',
    where: 'ledger/session-list.ts: recovered',
    invariants: ['I1'],
    needs: (world) => hasSeveralBrains(world) && !world.listsLogins,
    parts: twisted((apply, ledger) => (event, nowMs) => {
      const isFirst = event.kind === 'observed' && ledger.view().targets.get(event.target)?.recovering;
      return apply(
        isFirst && event.logins ? { ...event, logins: { ...event.logins, serverIds: [] } } : event,
        nowMs,
      );
    }),
  },
  {
    name: 'a session for KILL alone may do all',
    where: 'ledger/slots.ts: grantKill',
    invariants: ['I1'],
    parts: twisted(
      (apply) => (event, nowMs) =>
        apply(event, nowMs).map((effect) => {
          if (effect.kind !== 'grant') return effect;
          const { onlyKill: _, ...grant } = effect;
          return grant;
        }),
    ),
  },
  {
    name: 'a kill reserve is taken for larger than it is',
    where: 'ledger/admission.ts: mayKill',
    invariants: ['I1'],
    parts: misread({
      services: (service) => ({ ...service, killReserve: service.killReserve && service.killReserve + 1 }),
    }),
  },
];
