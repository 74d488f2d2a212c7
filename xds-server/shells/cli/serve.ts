/** `sluice serve`: the brain, until it is told to stop. What the brain is made of is not known here. */
import { once } from 'node:events';
import { Command, Option } from 'commander';
import { formatAddress } from '../../pure/plan/address.js';
import { type Address, defaultAdmin, defaultXds, parseAddress } from './address.js';
import { AnswerIsNo } from './program.js';

export interface ServeOptions {
  readonly spec: string;
  readonly xds: Address;
  readonly admin: Address;
  readonly logLevel: string;
}

/** @throws Error in words for the operator when it cannot serve */
export type StartBrain = (options: ServeOptions) => Promise<{ stop(): Promise<void> }>;

/** Past this a brain that has been told to stop is stopped. */
const stopWithinMs = 1_800;

export function serveCommand(start: StartBrain, logLevels: readonly string[]): Command {
  return new Command('serve')
    .description('serve nodes and operators, following a spec file')
    .requiredOption('--spec <file>', 'the spec; a change of it, or of a file that it names, is taken at once')
    .addOption(
      new Option('--xds <address>', 'where nodes are served')
        .argParser(parseAddress)
        .default(defaultXds, formatAddress(defaultXds)),
    )
    .addOption(
      new Option('--admin <address>', 'where operators are served')
        .argParser(parseAddress)
        .default(defaultAdmin, formatAddress(defaultAdmin)),
    )
    .addOption(
      new Option('--log-level <level>', 'the least that is logged').choices(logLevels).default('info'),
    )
    .action(async (options: ServeOptions) => {
      const told = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
      const brain = await start(options).catch((error: Error) => {
        throw new AnswerIsNo(error.message);
      });
      await told;
      setTimeout(() => process.exit(0), stopWithinMs).unref();
      await brain.stop();
    });
}
