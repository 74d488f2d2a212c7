/** `sluice serve`: the brain, until it is told to stop. What the brain is made of is not known here. */
import { once } from 'node:events';
import { Command, Option } from 'commander';
import { formatAddress } from '../../pure/plan/address.js';
import { type Address, defaultAdmin, defaultXds, parseAddress } from './address.js';
import { AnswerIsNo } from './program.js';

/** How nodes and the brain know each other. */
export type ChannelProtection =
  | { readonly kind: 'tls'; readonly certificate: string; readonly key: string; readonly clientCa: string }
  | { readonly kind: 'plaintext' };

interface Options {
  readonly spec: string;
  readonly xds: Address;
  readonly admin: Address;
  readonly logLevel: string;
  readonly xdsCertificate?: string;
  readonly xdsKey?: string;
  readonly xdsClientCa?: string;
  readonly xdsPlaintext?: true;
}

export interface ServeOptions {
  readonly spec: string;
  readonly xds: Address;
  readonly admin: Address;
  readonly logLevel: string;
  readonly channel: ChannelProtection;
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
    .option('--xds-certificate <file>', "the brain's certificate chain, PEM; followed, like the next two")
    .option('--xds-key <file>', 'its private key')
    .option('--xds-client-ca <file>', 'the CA of the certificates of nodes')
    .option('--xds-plaintext', 'no TLS: nodes are who they say they are; on loopback only')
    .addOption(
      new Option('--admin <address>', 'where operators are served')
        .argParser(parseAddress)
        .default(defaultAdmin, formatAddress(defaultAdmin)),
    )
    .addOption(
      new Option('--log-level <level>', 'the least that is logged').choices(logLevels).default('info'),
    )
    .action(async ({ xds, spec, admin, logLevel, ...rest }: Options, command: Command) => {
      const channel = protectionOf(rest);
      if (typeof channel === 'string') command.error(`error: ${channel}`);
      const options: ServeOptions = { xds, spec, admin, logLevel, channel };
      const told = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
      const brain = await start(options).catch((error: Error) => {
        throw new AnswerIsNo(error.message);
      });
      await told;
      setTimeout(() => process.exit(0), stopWithinMs).unref();
      await brain.stop();
    });
}

/** @returns a text when they do not go together */
function protectionOf(options: Partial<Options>): ChannelProtection | string {
  const { xdsCertificate: certificate, xdsKey: key, xdsClientCa: clientCa, xdsPlaintext } = options;
  if (xdsPlaintext) {
    return certificate || key || clientCa
      ? 'expected certificates or --xds-plaintext, found both'
      : { kind: 'plaintext' };
  }
  if (certificate && key && clientCa) return { kind: 'tls', certificate, key, clientCa };
  return 'expected --xds-certificate, --xds-key and --xds-client-ca, or, on loopback only, --xds-plaintext';
}
