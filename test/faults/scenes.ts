/** Which drills are held on which field, one after the other in one flood. */
import { Brains } from './brains.js';
import { Crowd } from './crowd.js';
import { type Drill, hold, type Outcome } from './drill.js';
import { vanished } from './drills/clients.js';
import { clocks } from './drills/clocks.js';
import { leaders } from './drills/leaders.js';
import { databaseNetworks, databaseReset, networks } from './drills/networks.js';
import { quiet, resizes } from './drills/operators.js';
import { envoyKilled, mariaDbProcesses, processes } from './drills/processes.js';
import { lostReports } from './drills/reports.js';
import { Field } from './field.js';
import { account, type Ground, service } from './ground.js';

export interface Scene {
  readonly on: string;
  readonly drills: readonly string[];
  /** @param names of those of its drills that are wanted */
  hold(names: readonly string[], clients: number, held: (outcome: Outcome) => void): Promise<void>;
}

export const scenes: readonly Scene[] = [
  scene('Postgres', () => Field.postgres(), [quiet, resizes, ...processes, ...networks, vanished]),
  scene('Postgres behind a link', () => Field.postgres({ databaseLink: true }), databaseNetworks),
  scene('Postgres 18', () => Field.postgres({ version: '18', databaseLink: true }), [
    envoyKilled,
    databaseReset,
  ]),
  scene('MariaDB', () => Field.mariaDb(), mariaDbProcesses),
  scene('Three brains', () => Brains.start(), leaders),
  scene('Postgres, a clock of our own', () => Field.postgres({ ownClock: true }), clocks),
  scene('Postgres, a large budget', () => Field.postgres({ budget: 400, edgeWorkers: 1 }), [lostReports], 50),
];

function scene<On extends Ground>(
  on: string,
  build: () => Promise<On>,
  drills: readonly Drill<On>[],
  mostClients = Number.POSITIVE_INFINITY,
): Scene {
  return {
    on,
    drills: drills.map(({ name }) => name),
    async hold(names, clients, held) {
      const ground = await build();
      const { sluice, protocol } = ground;
      const crowd = new Crowd(sluice, {
        ...{ service, account, protocol, workMs: [100, 800], vanishing: 0.05 },
        clients: Math.min(clients, mostClients),
      });
      crowd.start();
      for (const drill of drills)
        if (names.includes(drill.name)) {
          const outcome = await hold(drill, ground, crowd);
          held({ ...outcome, drill: `${on}: ${drill.name}` });
        }
      await crowd.leave();
    },
  };
}
