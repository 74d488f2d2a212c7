/**
 * `make demo`: the whole idea on real parts, narrated, then as a table. In a terminal it ends as a playground.
 * `make demo CHECK=1`: the same as a check: one line of JSON last on stdout, and exit code 1 unless every claim holds.
 */
import { stopEverything } from '../test/harness/ending.js';
import { changes } from './acts/changes.js';
import { flood } from './acts/flood.js';
import { priorities } from './acts/priorities.js';
import { strangers, timeout } from './acts/refusals.js';
import { routing } from './acts/routing.js';
import { invite, untilInterrupted } from './playground.js';
import { type Finding, Stage } from './stage.js';
import { startWorld } from './world.js';

const isCheck = process.env.CHECK === '1';
const acts = { routing, flood, priorities, timeout, strangers, changes };

const stage = new Stage(process.stdout);
const started = performance.now();
const seconds = (): number => Number(((performance.now() - started) / 1000).toFixed(1));

stage.say(stage.style('bold', 'Sluice: one hard connection budget, true at every instant'));
stage.say('   starting two Postgres (orders, users), one MariaDB (reports), the brain, one Envoy');
const world = await startWorld();
stage.say(`   all up after ${seconds()} s; clients see nothing but Envoy`);

const findings: Finding[] = [];
for (const [name, act] of Object.entries(acts)) {
  try {
    findings.push(...(await act(world, stage)));
  } catch (error) {
    findings.push({ claim: `the act "${name}" can be shown`, seen: String(error), holds: false });
  }
}
stage.findings(findings);
const ok = findings.every(({ holds }) => holds);

if (isCheck) {
  await stopEverything();
  process.stdout.write(`${JSON.stringify({ ok, seconds: seconds(), checks: findings })}\n`);
} else if (process.stdout.isTTY) {
  invite(world, stage);
  await untilInterrupted();
  stage.say('\n   stopping');
  await stopEverything();
} else {
  stage.say('\n   Run it in a terminal and it stays for you to try.');
  await stopEverything();
}
process.exit(ok ? 0 : 1);
