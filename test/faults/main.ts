/**
 * `make faults`: floods on the real parts with a fault in the middle of each. The last line is one JSON object.
 *
 *   node --import tsx test/faults/main.ts [NAME...]     drills whose name contains one of these; all without any
 */
import { stopEverything } from '../harness/ending.js';
import { runBuiltProgram } from '../harness/program.js';
import type { Outcome } from './drill.js';
import { scenes } from './scenes.js';

const clients = Number(process.env.CLIENTS ?? 500);
const wanted = process.argv.slice(2);

runBuiltProgram();
const started = performance.now();
const outcomes: Outcome[] = [];
const held = (outcome: Outcome): void => {
  outcomes.push(outcome);
  process.stderr.write(`${JSON.stringify(outcome)}\n`);
};
try {
  for (const { on, drills, hold } of scenes) {
    const names = drills.filter(
      (name) => wanted.length === 0 || wanted.some((part) => `${on}: ${name}`.includes(part)),
    );
    if (names.length > 0) await hold(names, clients, held);
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
