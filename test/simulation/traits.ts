/** What kind of world a seed makes: how many of what, how unreliable, and what therefore must hold in it. */
import type { LedgerSettings } from '../../xds-server/pure/ledger/settings.js';
import type { DatabaseTraits } from './database.js';
import type { Random } from './random.js';

/** The shipped proportions on a shorter scale, so that more happens in fewer events. */
export const settings: LedgerSettings = {
  grantTtlMs: 100,
  leastTtlMs: 20,
  connectTimeoutMs: 100,
  reportIntervalMs: 200,
  follows: 'restart',
  marginMs: 50,
  silentAfterMs: 700,
  starvationMs: 300,
  recoveryQueue: 30,
  logins: { share: 0.5, least: 1, freeFailures: 2, shutMs: 20, mostShutMs: 100, forgetMs: 400 },
};

export const loginTimeoutMs = 500;

/** The longest session for KILL alone. */
export const killSessionMs = 100;

export interface Traits extends DatabaseTraits {
  readonly targets: number;
  readonly services: number;
  readonly nodes: number;
  /** Addresses that clients come from; 0: nobody knows them. */
  readonly sources: number;
  /** Several services log in as the same user. */
  readonly sharedUser: boolean;
  /** The server sees other addresses than the nodes' own. */
  readonly nat: boolean;
  /** The server's id is known from the first byte on (MySQL), not from login on (Postgres). */
  readonly idInGreeting: boolean;
  readonly arrivalMs: number;
  readonly sessionMs: number;
  /** Chance that a report or the news of an end is lost, or comes twice. */
  readonly lossy: number;
  readonly restarts: boolean;
  readonly partitions: boolean;
  readonly crashes: boolean;
  readonly outages: boolean;
  readonly resizes: boolean;
  /** Services have kill reserves. */
  readonly kills: boolean;
  readonly people: 'none' | 'few' | 'flood';
  /** How long a server may go on with a session whose client has gone. */
  readonly lingerMs: number;
}

export function drawTraits(random: Random): Traits {
  const restarts = random.chance(0.4);
  const listsLogins = random.chance(0.5);
  // A login that no list shows is known from its node alone: after a restart the node must be able to say so.
  const candid = restarts && !listsLogins;
  return {
    targets: random.between(1, 2),
    services: random.between(1, 4),
    nodes: random.between(1, 3),
    sources: random.pick([0, 1, 3]),
    listsLogins,
    pids: random.chance(0.5) ? random.between(40, 60) : undefined,
    showsUsers: random.chance(0.7),
    sharedUser: random.chance(0.2),
    nat: random.chance(0.3),
    idInGreeting: listsLogins && random.chance(0.5),
    arrivalMs: random.pick([5, 20, 60]),
    sessionMs: random.pick([30, 200, 800]),
    lossy: candid || random.chance(0.4) ? 0 : random.pick([0.05, 0.3]),
    restarts,
    partitions: !candid && random.chance(0.3),
    crashes: !candid && random.chance(0.3),
    outages: random.chance(0.3),
    resizes: random.chance(0.4),
    people: random.pick(['none', 'none', 'few', 'flood']),
    lingerMs: random.pick([0, 5, 40, 1_500]),
    kills: random.chance(0.4),
  };
}
