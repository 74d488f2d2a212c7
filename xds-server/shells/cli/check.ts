/** `sluice check`: would this spec be taken, and what would it mean? Changes nothing and asks nobody. */
import { Command } from 'commander';
import { explainPlan } from '../../pure/plan/explain-plan.js';
import { planOf } from '../../pure/plan/plan-of.js';
import { type Problem, renderProblem } from '../../pure/spec/problem.js';
import type { Spec } from '../../pure/spec/spec.js';
import { jsonOption } from './options.js';
import { AnswerIsNo } from './program.js';
import { printable } from './table.js';

export type CheckedSpec =
  | { readonly ok: true; readonly spec: Spec; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads a spec, and what it names when `withFiles`, as `serve` would. */
export type ReadSpec = (file: string, withFiles: boolean) => Promise<CheckedSpec>;

export function checkCommand(read: ReadSpec): Command {
  return new Command('check')
    .description('validate a spec and the files it names, and explain its plan')
    .argument('<file>', 'the spec')
    .option('--no-files', 'leave out the certificates and passwords, where they are not on this machine')
    .addOption(jsonOption())
    .action(async (file: string, { files, json }: { files: boolean; json?: true }) => {
      const checked = await read(file, files);
      process.stdout.write(json ? asJson(checked) : asText(file, checked));
      if (!checked.ok) throw new AnswerIsNo('');
    });
}

function asJson(checked: CheckedSpec): string {
  const answer = checked.ok
    ? { ok: true, warnings: checked.warnings, plan: explainPlan(planOf(checked.spec)) }
    : { ok: false, problems: checked.problems };
  return `${JSON.stringify(answer, null, 2)}\n`;
}

function asText(file: string, checked: CheckedSpec): string {
  const lines = checked.ok
    ? [
        ...explainPlan(planOf(checked.spec)),
        ...checked.warnings.map((warning) => `warning: ${renderProblem(warning)}`),
        `${file} is good`,
      ]
    : [
        ...checked.problems.map(renderProblem),
        `${file} has ${checked.problems.length} problem${checked.problems.length === 1 ? '' : 's'}`,
      ];
  return `${lines.map(printable).join('\n')}\n`;
}
