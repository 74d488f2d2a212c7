/**
 * A client of etcd with nothing hidden in it: each call is sent once, to one member, and is over when its time is.
 * After a call without an answer the next one goes to the next member. Whether to try again,
 * and when, is for the caller to say: he knows what a late answer is worth.
 */
import type { LeaseGrantResponse__Output } from '#etcd-api/etcdserverpb/LeaseGrantResponse.js';
import type { LeaseKeepAliveResponse__Output } from '#etcd-api/etcdserverpb/LeaseKeepAliveResponse.js';
import type { RangeResponse__Output } from '#etcd-api/etcdserverpb/RangeResponse.js';
import type { TxnRequest } from '#etcd-api/etcdserverpb/TxnRequest.js';
import type { TxnResponse__Output } from '#etcd-api/etcdserverpb/TxnResponse.js';
import type { WatchRequest } from '#etcd-api/etcdserverpb/WatchRequest.js';
import type { WatchResponse__Output } from '#etcd-api/etcdserverpb/WatchResponse.js';
import { EtcdError } from './etcd-error.js';
import { Member, type MemberOptions } from './member.js';
import { decoder, type Entry, encoder, entryOf } from './messages.js';
import { Watch, type WatchListener } from './watch.js';

export interface EtcdOptions extends MemberOptions {
  /** `host:port` of each member; at least one. */
  readonly endpoints: readonly string[];
}

export interface Lease {
  /** 64 bits in decimal. */
  readonly id: string;
  /** What etcd gives: it may be longer than what was asked for. */
  readonly ttlMs: number;
}

const kv = {
  range: { path: '/etcdserverpb.KV/Range', request: 'RangeRequest', response: 'RangeResponse' },
  txn: { path: '/etcdserverpb.KV/Txn', request: 'TxnRequest', response: 'TxnResponse' },
} as const;
const lease = {
  grant: {
    path: '/etcdserverpb.Lease/LeaseGrant',
    request: 'LeaseGrantRequest',
    response: 'LeaseGrantResponse',
  },
  revoke: {
    path: '/etcdserverpb.Lease/LeaseRevoke',
    request: 'LeaseRevokeRequest',
    response: 'LeaseRevokeResponse',
  },
  keepAlive: {
    path: '/etcdserverpb.Lease/LeaseKeepAlive',
    request: 'LeaseKeepAliveRequest',
    response: 'LeaseKeepAliveResponse',
  },
} as const;
const watchMethod = { path: '/etcdserverpb.Watch/Watch' } as const;

const noSuchLease = /requested lease not found/;

export class EtcdClient {
  readonly #members: readonly Member[];
  readonly #watches = new Set<Watch>();
  /** Whose turn it is. */
  #at = 0;
  #isClosed = false;

  constructor({ endpoints, ...options }: EtcdOptions) {
    this.#members = endpoints.map((endpoint) => new Member(endpoint, options));
  }

  /** The key as a majority of the members has it now. */
  async read(
    key: string,
    timeoutMs: number,
  ): Promise<{ readonly revision: number; readonly entry: Entry | undefined }> {
    const answer = await this.#call<RangeResponse__Output>(kv.range, { key: Buffer.from(key) }, timeoutMs);
    const found = answer.kvs?.[0];
    return { revision: Number(answer.header?.revision), entry: found && entryOf(found) };
  }

  /** All of it or nothing; `succeeded` says whether every comparison held. */
  async txn(request: TxnRequest, timeoutMs: number): Promise<TxnResponse__Output & { succeeded: boolean }> {
    const answer = await this.#call<TxnResponse__Output>(kv.txn, request, timeoutMs);
    return { ...answer, succeeded: answer.succeeded ?? false };
  }

  /** @param ttlMs rounded up to whole seconds */
  async leaseGrant(ttlMs: number, timeoutMs: number): Promise<Lease> {
    const request = { TTL: Math.ceil(ttlMs / 1000) };
    const answer = await this.#call<LeaseGrantResponse__Output>(lease.grant, request, timeoutMs);
    return { id: answer.ID ?? '0', ttlMs: Number(answer.TTL) * 1000 };
  }

  /** One renewal. @returns how long the lease lives from some moment of this call on; undefined: there is none any more */
  async leaseKeepAlive(id: string, timeoutMs: number): Promise<number | undefined> {
    const answer = await this.#on((member) =>
      member.exchange<LeaseKeepAliveResponse__Output>(
        lease.keepAlive.path,
        encoder(lease.keepAlive.request)({ ID: id }),
        decoder<LeaseKeepAliveResponse__Output>(lease.keepAlive.response),
        timeoutMs,
      ),
    );
    const ttlS = Number(answer.TTL ?? 0);
    return ttlS > 0 ? ttlS * 1000 : undefined;
  }

  /** Its keys go with it. One that is gone already is no error. */
  async leaseRevoke(id: string, timeoutMs: number): Promise<void> {
    try {
      await this.#call(lease.revoke, { ID: id }, timeoutMs);
    } catch (error) {
      if (!(error instanceof EtcdError && error.kind === 'refused' && noSuchLease.test(error.message)))
        throw error;
    }
  }

  /**
   * What happens to one key from a revision on. A watch ends once, with the reason, and is never begun again by itself:
   * whoever watches reads anew, for he has missed something.
   */
  watch(key: string, fromRevision: number, listener: WatchListener): Watch {
    const member = this.#member();
    const watch = new Watch(
      member.open(
        watchMethod.path,
        encoder<WatchRequest>('WatchRequest'),
        decoder<WatchResponse__Output>('WatchResponse'),
      ),
      { key, fromRevision },
      {
        changed: (change) => listener.changed(change),
        ended: (reason) => {
          this.#watches.delete(watch);
          if (reason.kind === 'lost') this.#leave(member);
          listener.ended(reason);
        },
      },
    );
    this.#watches.add(watch);
    return watch;
  }

  /** Calls under way end as `unavailable`, watches without a word. */
  close(): void {
    this.#isClosed = true;
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
    for (const member of this.#members) member.disconnect();
  }

  #call<Output>(
    { path, request, response }: { path: string; request: string; response: string },
    message: object,
    timeoutMs: number,
  ): Promise<Output> {
    const bytes = encoder(request)(message);
    return this.#on((member) => member.call(path, bytes, decoder<Output>(response), timeoutMs));
  }

  async #on<Answer>(call: (member: Member) => Promise<Answer>): Promise<Answer> {
    const member = this.#member();
    try {
      return await call(member);
    } catch (error) {
      if (error instanceof EtcdError && error.kind !== 'refused') {
        if (error.kind === 'unavailable') member.disconnect();
        this.#leave(member);
      }
      throw error;
    }
  }

  #member(): Member {
    if (this.#isClosed) throw new EtcdError('unavailable', 'this client of etcd is closed');
    return this.#members[this.#at]!;
  }

  /** Others may have left it before: only the first moves on. */
  #leave(member: Member): void {
    if (this.#members[this.#at] !== member) return;
    this.#at = (this.#at + 1) % this.#members.length;
  }
}
