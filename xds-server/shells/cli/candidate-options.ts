/** The options of a brain that is one of several. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatAddress } from '../../pure/plan/address.js';
import { type Address, parseNamedAddress } from './address.js';

export interface CandidateOptions {
  readonly brain?: string;
  readonly advertise?: Address;
}

/** Who a brain is among several. */
export interface Candidate {
  readonly brain: string;
  /** `host:port` where the others dial it. */
  readonly address: string;
}

export function addCandidateOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--brain <id>',
        'with --store etcd:…: the name of this brain, which no other one has',
      ).argParser(parseId),
    )
    .addOption(
      new Option('--advertise <address>', 'where other brains dial this one; --xds by default').argParser(
        parseNamedAddress,
      ),
    );
}

/** @returns a text when they do not go together; undefined: there is no other brain */
export function candidateOf(
  { brain, advertise }: CandidateOptions,
  isShared: boolean,
  xds: Address,
): Candidate | string | undefined {
  if (!isShared)
    return brain === undefined && advertise === undefined
      ? undefined
      : 'expected --brain and --advertise with --store etcd:… only: elsewhere there is one brain';
  if (brain === undefined)
    return 'expected --brain with --store etcd:…, found none: a name that no other brain of this etcd has';
  const address = advertise ?? xds;
  if (address.host === '0.0.0.0' || address.host === '::')
    return `expected --advertise with an address that other brains can dial, found ${
      advertise ? formatAddress(advertise) : `none, and ${formatAddress(xds)} is --xds`
    }`;
  if (address.port === 0) return 'expected --advertise, found none: --xds takes any free port';
  return { brain, address: formatAddress(address) };
}

function parseId(text: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError('Expected letters, digits, dots, hyphens and underscores, at most 63.');
}
