/** The key of the leader in etcd: what it says, and how it is made, read and watched. Nothing is tried twice here. */
import { z } from 'zod';
import type { Holder, LeaseId } from '../../pure/leadership/events.js';
import type { EtcdClient } from '../etcd/etcd-client.js';
import { createdAt, type Entry, entryOf, get, put } from '../etcd/messages.js';
import type { Watch } from '../etcd/watch.js';

/** @param prefix before the names of all keys of these brains */
export const leaderKey = (prefix: string): string => `${prefix}/leader`;

/** The key as of a revision. */
export interface Seen {
  readonly revision: number;
  readonly holder: Holder | undefined;
}

export interface KeyListener {
  seen(seen: Seen): void;
  /** Once, and nothing after it. */
  ended(problem: string): void;
}

const content = z.object({ brain: z.string().max(253), address: z.string().max(300) });

export class LeaderKey {
  readonly #etcd: EtcdClient;
  readonly #name: string;
  readonly #value: Buffer;
  #watch: Watch | undefined;
  #stopped = false;

  constructor(etcd: EtcdClient, prefix: string, self: z.infer<typeof content>) {
    this.#etcd = etcd;
    this.#name = leaderKey(prefix);
    this.#value = Buffer.from(JSON.stringify(self));
  }

  async look(timeoutMs: number): Promise<Seen> {
    const { revision, entry } = await this.#etcd.read(this.#name, timeoutMs);
    return { revision, holder: entry && holderOf(entry) };
  }

  /** @returns who has it then: whoever this lease is of, or whoever was first */
  async make(lease: LeaseId, timeoutMs: number): Promise<Seen & { readonly holder: Holder }> {
    const answer = await this.#etcd.txn(
      {
        compare: [createdAt(this.#name, 0)],
        success: [put(this.#name, this.#value, lease), get(this.#name)],
        failure: [get(this.#name)],
      },
      timeoutMs,
    );
    const found = answer.responses?.at(-1)?.response_range?.kvs?.[0];
    if (!found) throw new Error(`expected ${this.#name} after it was made or found, found nothing`);
    return { revision: Number(answer.header?.revision), holder: holderOf(entryOf(found)) };
  }

  async revoke(lease: LeaseId, timeoutMs: number): Promise<void> {
    await this.#etcd.leaseRevoke(lease, timeoutMs);
  }

  watch(timeoutMs: number, listener: KeyListener): void {
    const begin = (seen: Seen): void => {
      if (this.#stopped) return;
      try {
        this.#watch = this.#etcd.watch(this.#name, seen.revision + 1, {
          changed: ({ revision, entry }) => listener.seen({ revision, holder: entry && holderOf(entry) }),
          ended: (end) =>
            listener.ended(end.kind === 'lost' ? end.reason : `what came after ${end.revision} is compacted`),
        });
      } catch (error) {
        // Credentials that cannot be read just now.
        listener.ended((error as Error).message);
        return;
      }
      listener.seen(seen);
    };
    // What the listener makes of it is no end of the watch: a bug there must not pass for a lost etcd.
    void this.look(timeoutMs).then(begin, (error: Error) => listener.ended(error.message));
  }

  stop(): void {
    this.#stopped = true;
    this.#watch?.close();
  }
}

/** A key that no brain has written is somebody's who cannot be turned to. */
function holderOf({ value, createRevision, lease }: Entry): Holder {
  const said = content.safeParse(parsed(value));
  const { brain, address } = said.success ? said.data : { brain: '', address: '' };
  return { term: createRevision, brain, address, lease };
}

function parsed(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString());
  } catch {
    return undefined;
  }
}
