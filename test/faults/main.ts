/**
 * `make faults`: floods on the real parts with a fault in the middle of each. The last line is one JSON object.
 *
 *   node --import tsx test/faults/main.ts [NAME...]     drills whose name contains one of these; all without any
 */
import { stopEverything } from '../harness/ending.js';
import { runBuiltProgram } from '../harness/program.js';
import { Crowd } from './crowd.js';
import { type Drill, hold, type Outcome } from './drill.js';
import { databaseNetworks, networks } from './drills/networks.js';
import { operators } from './drills/operators.js';
import { processes } from './drills/processes.js';
import { account, Field, service } from './field.js';

const clients = Number(process.env.CLIENTS ?? 500);
const wanted = process.argv.slice(2);

const fields: readonly { readonly build: () => Promise<Field>; readonly drills: readonly Drill[] }[] = [
  { build: () => Field.build(), drills: [...operators, ...processes, ...networks] },
  { build: () => Field.build({ databaseLink: true }), drills: databaseNetworks },
];

runBuiltProgram();
const started = performance.now();
const outcomes: Outcome[] = [];
try {
  for (const { build, drills } of fields) {
    const chosen = drills.filter(
      ({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)),
    );
    if (chosen.length === 0) continue;
    const field = await build();
    const crowd = new Crowd(field.sluice, { service, account, clients, workMs: [100, 800], vanishing: 0.05 });
    crowd.start();
    for (const drill of chosen) {
      const outcome = await hold(drill, field, crowd);
      outcomes.push(outcome);
      process.stderr.write(`${JSON.stringify(outcome)}\n`);
    }
    await crowd.leave();
  }
} finally {
  await stopEverything();
}
const violations = outcomes.flatMap((outcome) =>
  outcome.violations.map((what) => `${outcome.drill}: ${what}`),
);
process.stdout.write(
  `${JSON.stringify({
    violations: violations.length,
    found: violations,
    drills: outcomes.length,
    clients,
    seconds: Math.round((performance.now() - started) / 1000),
    outcomes,
  })}\n`,
);
process.exit(violations.length === 0 && outcomes.length > 0 ? 0 : 1);
