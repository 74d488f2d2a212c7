/** What kind of world a seed makes: how many of what, and how unreliable. */
import {
  confirmationMs,
  defaultSettings,
  type LedgerSettings,
} from '../../xds-server/pure/ledger/settings.js';
import type { DatabaseTraits } from './database.js';
import type { Random } from './random.js';

/** As shipped. */
export const settings: LedgerSettings = { ...defaultSettings, recoveryQueue: 30 };

/** Shorter than Postgres's minute, so that it ends within a schedule. */
export const loginTimeoutMs = 5_000;

/** The longest session for KILL alone. */
export const killSessionMs = 1_000;

const kinds = [
  'brain-killed',
  'brain-stopped',
  'node-lost',
  'node-killed',
  'node-stopped',
  'wall-clock-set',
  'cut',
  'lag',
  'loss',
  'unobserved',
  'slow-list',
  'database-killed',
  'postmaster-stopped',
] as const;

/** What only several brains know. */
const severalKinds = [
  'brains-cut',
  'etcd-cut',
  'etcd-stopped',
  'etcd-leader-changed',
  'etcd-compacted',
] as const;

type Recurring =
  | (typeof severalKinds)[number]
  | 'client'
  | 'flood'
  | 'person'
  | 'plan'
  | 'move'
  | 'forgery'
  | (typeof kinds)[number];

export interface Traits extends DatabaseTraits {
  readonly targets: number;
  readonly services: number;
  readonly nodes: number;
  readonly brains: number;
  /** Several services log in as the same user. */
  readonly sharedUser: boolean;
  /** Services name the users that they admit. */
  readonly namesUsers: boolean;
  /** The leader takes every node for ready, whatever it has. */
  readonly blind: boolean;
  /** The server sees other addresses than the nodes' own. */
  readonly nat: boolean;
  /** Nodes are on one host, and share its ports. */
  readonly oneHost: boolean;
  /** A node takes the port again, most of the time, that was free last. */
  readonly samePort: boolean;
  readonly sessionMs: number;
  /** Addresses that clients come from; 0: nobody knows them. */
  readonly sources: number;
  /** Whoever comes from the first of several has no password. */
  readonly impostors: boolean;
  /** Services have kill reserves. */
  readonly kills: boolean;
  /** Chance that a report or the news of an end is lost, or comes twice. */
  readonly lossy: number;
  /** Between two of a kind, on average; absent: never. */
  readonly meanMs: { readonly [Kind in Recurring]?: number };
}

export function drawTraits(random: Random): Traits {
  const isMysql = random.chance(0.4);
  const listsLogins = isMysql || random.chance(0.3);
  const meanMs: { [Kind in Recurring]?: number } = { client: random.pick([30, 100, 300]) };
  if (random.chance(0.3)) meanMs.flood = random.between(2_000, 10_000);
  if (random.chance(0.4)) meanMs.plan = random.between(1_000, 6_000);
  if (random.chance(0.15)) meanMs.forgery = 300;
  const people = random.pick([undefined, undefined, 1_500, 200]);
  if (people !== undefined) meanMs.person = people;
  for (const kind of kinds) if (random.chance(0.25)) meanMs[kind] = random.between(2_000, 12_000);
  const brains = random.chance(0.5) ? 1 : random.between(2, 3);
  if (brains > 1)
    for (const kind of severalKinds) if (random.chance(0.25)) meanMs[kind] = random.between(2_000, 12_000);
  // No world is without trouble.
  meanMs[random.pick(kinds)] ??= random.between(2_000, 8_000);
  const targets = random.pick([1, 2, 2, 3]);
  if (targets > 1 && random.chance(0.4)) meanMs.move = random.between(1_000, 5_000);
  return {
    targets,
    services: random.between(1, 4),
    nodes: random.between(1, 4),
    brains,
    isMysql,
    listsLogins,
    pids: isMysql || random.chance(0.3) ? undefined : random.between(40, 60),
    showsUsers: random.chance(0.7),
    sharedUser: random.chance(0.2),
    namesUsers: random.chance(0.8),
    blind: random.chance(0.3),
    nat: random.chance(0.3),
    lingerMs: random.pick([0, 5, 40, 1_500, 10_000]),
    sessionMs: random.pick([100, 1_000, 6_000]),
    sources: random.pick([0, 0, 1, 3]),
    kills: random.chance(isMysql ? 0.5 : 0.1),
    lossy: random.chance(0.5) ? 0 : random.pick([0.05, 0.3]),
    impostors: random.chance(0.5),
    oneHost: random.chance(0.15),
    samePort: random.chance(0.3),
    meanMs,
  };
}

/** After this long nothing lives on that was left alone when the last fault ended. */
export function longestSessionMs({ lingerMs, sessionMs }: Traits): number {
  const { silentAfterMs } = settings;
  return silentAfterMs + Math.max(lingerMs, sessionMs) + 2 * loginTimeoutMs + confirmationMs(settings);
}
