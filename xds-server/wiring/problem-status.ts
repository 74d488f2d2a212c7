import { type Problem, renderProblem } from '../pure/spec/problem.js';
import type { ProblemStatus } from '../pure/status/status.js';

export const problemStatus = (problem: Problem): ProblemStatus => ({
  path: problem.path,
  message: renderProblem(problem),
  line: problem.line ?? null,
});
