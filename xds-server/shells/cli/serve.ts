/** `sluice serve`: the brain, until it is told to stop. What the brain is made of is not known here. */
import { once } from 'node:events';
import { Command, Option } from 'commander';
import { formatAddress } from '../../pure/plan/address.js';
import type { StoreSettings } from '../../pure/store/store-address.js';
import { type Address, defaultAdmin, defaultXds, parseAddress } from './address.js';
import {
  addCandidateOptions,
  type Candidate,
  type CandidateOptions,
  candidateOf,
} from './candidate-options.js';
import { AnswerIsNo } from './program.js';
import { addStoreOptions, type StoreOptions, storeSettingsOf } from './store-options.js';

/** How nodes and the brain know each other. */
export type ChannelProtection =
  | { readonly kind: 'tls'; readonly certificate: string; readonly key: string; readonly clientCa: string }
  | { readonly kind: 'plaintext' };

interface Options extends StoreOptions, CandidateOptions {
  readonly spec?: string;
  readonly files?: string;
  readonly xds: Address;
  readonly admin: Address;
  readonly logLevel: string;
  readonly xdsCertificate?: string;
  readonly xdsKey?: string;
  readonly xdsClientCa?: string;
  readonly xdsPlaintext?: true;
}

export type SpecAddress =
  | { readonly kind: 'file'; readonly file: string }
  /** `folder`: where the names of files in it begin. */
  | { readonly kind: 'store'; readonly store: StoreSettings; readonly folder: string };

export interface ServeOptions {
  readonly spec: SpecAddress;
  readonly xds: Address;
  readonly admin: Address;
  readonly logLevel: string;
  readonly channel: ChannelProtection;
  /** Absent where there is one brain. */
  readonly candidate?: Candidate;
}

/** @throws Error in words for the operator when it cannot serve */
export type StartBrain = (options: ServeOptions) => Promise<{ stop(): Promise<void> }>;

/** Past this a brain that has been told to stop is stopped. */
const stopWithinMs = 2_500;

export function serveCommand(start: StartBrain, logLevels: readonly string[]): Command {
  const serve = new Command('serve')
    .description('serve nodes and operators, following a spec')
    .option('--spec <file>', 'the spec; a change of it, or of a file that it names, is taken at once');
  addStoreOptions(serve, 'instead of a file: the spec in dir:PATH or etcd:URL,URL…, see sluice apply');
  return addCandidateOptions(serve)
    .option(
      '--files <folder>',
      'where the files that a stored spec names are; the working directory by default',
    )
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
    .action(async ({ xds, admin, logLevel, ...rest }: Options, command: Command) => {
      const spec = placeOf(rest);
      if (typeof spec === 'string') command.error(`error: ${spec}`);
      const channel = protectionOf(rest);
      if (typeof channel === 'string') command.error(`error: ${channel}`);
      const isShared = spec.kind === 'store' && spec.store.address.kind === 'etcd';
      const candidate = candidateOf(rest, isShared, xds);
      if (typeof candidate === 'string') command.error(`error: ${candidate}`);
      const options: ServeOptions = { xds, spec, admin, logLevel, channel, ...(candidate && { candidate }) };
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
function placeOf(options: Omit<Options, 'xds' | 'admin' | 'logLevel'>): SpecAddress | string {
  const { spec: file, files } = options;
  const store = storeSettingsOf(options);
  if (typeof store === 'string') return store;
  if (store && file !== undefined) return 'expected --spec or --store, found both';
  if (store) return { kind: 'store', store, folder: files ?? '.' };
  if (file === undefined) return 'expected --spec or --store, found neither';
  if (files !== undefined)
    return 'expected --files with --store only: files that a spec file names are beside it';
  return { kind: 'file', file };
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
