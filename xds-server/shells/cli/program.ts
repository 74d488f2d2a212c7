/**
 * The program `sluice` around its commands: what it exits with. 0 good, 1 the answer is no, 2 used wrongly; of `diff`,
 * as of diff(1): 0 the same, 1 different, 2 trouble. Data goes to stdout, everything else to stderr.
 */
import { Command, CommanderError } from 'commander';

/** Thrown by a command when the answer is no: printed as one line, exit code 1. */
export class AnswerIsNo extends Error {}

/** Thrown by a command of which 1 is an answer, when there is none: printed as one line, exit code 2. */
export class NoAnswer extends Error {}

/** @returns the exit code; `argv` without the names of node and of the script. */
export async function runProgram(
  version: string,
  commands: readonly Command[],
  argv: readonly string[],
): Promise<number> {
  // A reader that has seen enough (`| head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const program = new Command('sluice')
    .description('One hard connection budget for Postgres and MySQL, with stock Envoy in front of them.')
    .version(version)
    .showHelpAfterError('(sluice help shows how)');
  for (const command of commands) program.addCommand(command);
  for (const each of [program, ...program.commands]) {
    each.exitOverride().allowExcessArguments(false);
    if (each !== program) each.copyInheritedSettings(program);
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof AnswerIsNo || error instanceof NoAnswer)) throw error;
    if (error.message) process.stderr.write(`sluice: ${error.message}\n`);
    return error instanceof NoAnswer ? 2 : 1;
  }
}
