/** Who leads, in the words of the status. */
import type { Leadership } from '../../pure/leadership/leadership.js';
import type { LeadershipStatus } from '../../pure/status/status.js';

export interface LeadershipFacts {
  readonly leadership: Leadership;
  /** Undefined where there is one brain only. */
  readonly brain: string | undefined;
  /** Why etcd cannot be asked, and since when. */
  readonly trouble: { readonly forMs: number; readonly problem: string } | undefined;
  /** Where another process is dialled that leads under the id of this brain. */
  readonly namesake: string | undefined;
  /** Brains that follow this one. */
  readonly followers: LeadershipStatus['followers'];
  /** To the leader, where that is another brain. */
  readonly link: { readonly isOpen: boolean; readonly problem: string | undefined } | undefined;
  /** For how long there has been none. */
  readonly unreachedForMs: number;
  /** On the clock of the term. */
  readonly nowMs: number;
}

export function leadershipStatus(facts: LeadershipFacts): LeadershipStatus {
  const { leadership, brain, trouble, followers, nowMs } = facts;
  const etcd = trouble ? { problem: trouble.problem, for_ms: Math.round(trouble.forMs) } : null;
  const of = { brain: brain ?? null, etcd, followers, link: null, namesake: facts.namesake ?? null };
  if (leadership.kind === 'nobody')
    return { ...of, leader: null, address: null, role: 'none', term: null, remaining_ms: null };
  const { term } = leadership;
  if (leadership.kind === 'follower')
    return {
      ...of,
      leader: leadership.brain,
      address: leadership.address,
      role: 'follower',
      term,
      remaining_ms: null,
      link: linkStatus(facts),
    };
  const endless = leadership.untilMs === Number.POSITIVE_INFINITY;
  const remaining_ms = endless ? null : Math.max(0, Math.round(leadership.untilMs - nowMs));
  return {
    ...of,
    leader: of.brain,
    address: null,
    role: 'leader',
    term: endless ? null : term,
    remaining_ms,
  };
}

function linkStatus({ link, unreachedForMs }: LeadershipFacts): LeadershipStatus['link'] {
  if (link?.isOpen) return { open: true, for_ms: null, problem: null };
  return { open: false, for_ms: Math.round(unreachedForMs), problem: link?.problem ?? null };
}
