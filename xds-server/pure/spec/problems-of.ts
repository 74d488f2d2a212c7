/** For the tests of this folder: what is wrong with a spec, as records and as the operator reads it. */
import { parseSpec } from './parse-spec.js';
import { type Problem, renderProblem } from './problem.js';

export function problemsOf(text: string): readonly Problem[] {
  const parsed = parseSpec(text);
  return parsed.ok ? [] : parsed.problems;
}

export const linesOf = (text: string) => problemsOf(text).map(renderProblem);
/** Without the line, which the order of the fixture decides. */
export const wordsOf = (text: string) => linesOf(text).map((line) => line.replace(/ \(line \d+\)/, ''));
