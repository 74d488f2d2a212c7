/** One client's connection, as its node has it. */
import type { UpstreamFacts } from '../../xds-server/pure/ledger/events.js';
import type { Brain, Check } from './brain.js';
import type { DatabaseSession, Owner } from './database.js';
import type { Random } from './random.js';
import type { Wire } from './wire.js';

/** To a brain. */
export interface Way {
  readonly brain: Brain;
  readonly wire: Wire;
}

export interface Connection extends Owner {
  /** Everything that happens by chance to it. */
  readonly random: Random;
  readonly bornMs: number;
  readonly bornUnixMs: number;
  readonly user: string;
  /** As its node has followed it. */
  login: UpstreamFacts['login'];
  /** When its check was first sent. */
  sentMs: number | undefined;
  /** The newest try; answers to earlier ones concern nobody. */
  call: number;
  check: Check | undefined;
  way: Way | undefined;
  isAnswered: boolean;
  /** Address of a server. */
  dialled: string | undefined;
  localAddress: string | undefined;
  /** The server's kernel has taken it; there is no process yet. */
  isOpen: boolean;
  session: DatabaseSession | undefined;
  isIdKnown: boolean;
  readonly isPatient: boolean;
}

/** What its node tells of it. */
export function upstreamOf({
  dialled,
  localAddress,
  isOpen,
  session,
  isIdKnown,
  login,
}: Connection): UpstreamFacts {
  if (dialled === undefined) return {};
  return {
    remoteAddress: dialled,
    ...(isOpen && localAddress !== undefined && { localAddress }),
    ...(session && isIdKnown && { serverId: session.serverId }),
    ...(login && { login }),
  };
}
