/** The program `sluice`, run to its end. */
import { type Finished, runProgram } from '../e2e/run-program.js';
import { sluiceProgram } from './program.js';

export function sluiceCommand(...args: readonly string[]): Promise<Finished> {
  return runProgram(process.execPath, [...sluiceProgram(), ...args], {});
}
