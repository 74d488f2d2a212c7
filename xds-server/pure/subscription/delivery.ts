/**
 * What one stream's client has of one type, as far as it has said so: what it acknowledged, what is on its way, what it
 * refused. Not what it wants (interest.ts) nor what it is still owed (subscription.ts).
 *
 *      sent ──ACK──▶ held
 *        │
 *        ╰──NACK──▶ rejected (this version is not pushed again; what was held before is still held)
 *               ╰──▶ to be sent again: the innocent ones, or everything in smaller parts until the culprit stands alone
 *
 * Anchors such as #xds-ack-nack are of https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol
 */
import type { Resource } from '../snapshot/snapshot.js';
import { Held, type Holding, versionOf } from './held.js';
import { readRejection } from './rejection.js';

export interface Sent {
  readonly upserts: ReadonlyMap<string, Resource>;
  readonly removed: ReadonlySet<string>;
  /** Rejected versions that had to be in the response all the same (SotW, see `Subscription`). */
  readonly carried: readonly string[];
}

export interface Nack {
  /** The culprits. */
  readonly rejected: readonly Resource[];
  /** Names to be answered once more. */
  readonly again: readonly string[];
  /** The culprits are not known yet: what goes out again is smaller, and will tell. */
  readonly isSearching: boolean;
}

export class Delivery {
  readonly #held: Held;
  readonly #inFlight = new Map<string, Sent>();
  readonly #rejected = new Map<string, Resource>();
  #batch = Number.POSITIVE_INFINITY;

  /**
   * @param isWanted whether the client is still interested in a name
   * @param keep what to remember of a resource that the client holds: itself, or its version where it is not shared
   */
  constructor(
    private readonly isWanted: (name: string) => boolean,
    private readonly keep: (resource: Resource) => Holding,
  ) {
    this.#held = new Held(isWanted);
  }

  /** Responses that wait for their ACK or NACK. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Resources that one response may hold: fewer while a culprit is looked for. */
  get batch(): number {
    return this.#batch;
  }

  get rejected(): ReadonlyMap<string, Resource> {
    return this.#rejected;
  }

  /** Names that the client has acknowledged, or brought along. */
  get held(): readonly string[] {
    return this.#held.names;
  }

  /** The last good one, where its bytes are known. */
  lastGood(name: string): Resource | undefined {
    const held = this.#held.get(name);
    return typeof held === 'string' ? undefined : held;
  }

  /** Whether the client has the resource, at whatever good version, and has not been told to give it up. */
  holds(name: string): boolean {
    if (this.#held.get(name) === undefined) return false;
    for (const sent of this.#inFlight.values()) if (sent.removed.has(name)) return false;
    return true;
  }

  /** Version that the client will have once all that is in flight has been accepted. */
  expected(name: string): string | undefined {
    const held = this.#held.get(name);
    let version = held && versionOf(held);
    for (const sent of this.#inFlight.values()) {
      const upsert = sent.upserts.get(name);
      if (upsert) version = upsert.version;
      else if (sent.removed.has(name)) version = undefined;
    }
    return version;
  }

  /** The client claims this version, or holds this resource. */
  hold(name: string, what: Holding): void {
    if (!this.isWanted(name)) return;
    this.#held.set(name, typeof what === 'string' ? what : this.keep(what));
    if (this.#rejected.get(name)?.version === versionOf(what)) this.#rejected.delete(name);
  }

  /** The client is no longer interested: nothing about the name matters any more. */
  forget(name: string): void {
    this.#held.delete(name);
    this.#rejected.delete(name);
  }

  pardon(name: string): void {
    this.#rejected.delete(name);
  }

  /** @returns the names that were rejected. */
  pardonAll(): string[] {
    const names = [...this.#rejected.keys()];
    this.#rejected.clear();
    return names;
  }

  send(nonce: string, sent: Sent): void {
    this.#inFlight.set(nonce, sent);
  }

  /**
   * #xds-ack-nack.
   * @returns the names that it was about; undefined, and nothing changes, for a nonce that is not in flight.
   */
  ack(nonce: string): string[] | undefined {
    const sent = this.#inFlight.get(nonce);
    if (!sent) return undefined;
    this.#inFlight.delete(nonce);
    for (const [name, resource] of sent.upserts) this.hold(name, resource);
    for (const name of sent.removed) this.forget(name);
    if (sent.upserts.size > 0) this.#batch *= 2;
    return [...sent.upserts.keys(), ...sent.removed];
  }

  /**
   * #xds-ack-nack. Where the node says which resources it refuses, those are rejected and the others go out again. They
   * do so even if it says that it took them, because when it reconnects it claims none of a response that it refused.
   * Where it does not say which, the response is sent again in halves.
   *
   * @param indivisible the response cannot be sent again without the culprit: nothing goes out again, and if the node
   *   names nobody, all that changed is rejected.
   */
  nack(nonce: string, message: string, indivisible: boolean): Nack | undefined {
    const sent = this.#inFlight.get(nonce);
    if (!sent) return undefined;
    this.#inFlight.delete(nonce);

    const changed = [...sent.upserts.keys()];
    const reading = readRejection(message, [...changed, ...sent.carried]);
    const isUnclear = reading.named.every((name) => !sent.upserts.has(name)) && !reading.othersApplied;
    if (isUnclear && changed.length > 1 && !indivisible) {
      this.#batch = Math.ceil(changed.length / 2);
      return { rejected: [], again: [...changed, ...sent.removed], isSearching: true };
    }

    const culprits = new Set(isUnclear && changed.length > 0 ? changed : reading.named);
    const rejected: Resource[] = [];
    for (const name of culprits) {
      const resource = sent.upserts.get(name) ?? this.#rejected.get(name);
      if (resource) rejected.push(resource);
      if (resource && this.isWanted(name)) this.#rejected.set(name, resource);
    }
    if (reading.othersApplied)
      for (const [name, resource] of sent.upserts) if (!culprits.has(name)) this.hold(name, resource);
    // A removal alone cannot be refused in any way that would keep the resource wanted.
    const isDone = changed.length === 0 || (indivisible && reading.othersApplied);
    if (isDone) for (const name of sent.removed) this.forget(name);
    const innocent = [...changed.filter((name) => !culprits.has(name)), ...sent.removed];
    return { rejected, again: isDone ? [] : innocent, isSearching: false };
  }

  /** Nothing is owed or under way any more: no culprit is left to be found. */
  rest(resources: ReadonlyMap<string, Resource>, fallbacks: Iterable<string>): void {
    this.#batch = Number.POSITIVE_INFINITY;
    if (this.#rejected.size === 0) this.#held.rebase(resources, fallbacks);
  }

  /** The client is about to want everything, and has no more than before. */
  beforeWildcard(): void {
    this.#held.unbase();
  }
}
