/**
 * What one stream wants and has of ONE type, for both variants of the protocol: given requests and snapshots it says
 * what the next response holds. Pure: it neither encodes nor sends, and what order the types go in is order.ts.
 *
 *     request ──▶ interest ─╮
 *                           ├─▶ owed: upserts, removals ──next()──▶ Update ──▶ delivery ──ACK / NACK──╮
 *     publish ──▶ the set ──╯     ▲                                                                   │
 *                                 ╰───────────────────────────────────────────────────────────────────╯
 *
 * What is owed is names, never contents: whatever happens between two responses, the newest state is sent and nothing
 * queues up. A name is owed as long as what the client is expected to have differs from the set, and nothing else is:
 * so a plain ACK is never answered (#xds-protocol-resource-update).
 *
 * Anchors are of https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol
 */
import { type Resource, type ResourceSet, TypeUrl } from '../snapshot/snapshot.js';
import { Delivery } from './delivery.js';
import { Interest, type InterestChange } from './interest.js';

export type Variant = 'delta' | 'sotw';

/** `removals` only takes away what has left the set; everything else, also "there is no such name", is an `upserts`. */
export type Phase = 'upserts' | 'removals';

interface Reply {
  /** Empty when the request answers no response. */
  readonly nonce: string;
  /** The node's error text; its presence makes a NACK (#xds-ack-nack). */
  readonly error?: string;
}

export interface DeltaRequest extends Reply {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Name → version that the client still has from an earlier stream; counts in the first request of a type. */
  readonly initialVersions: Readonly<Record<string, string>>;
}

export interface SotwRequest extends Reply {
  readonly names: readonly string[];
  readonly version: string;
}

export interface Update {
  readonly nonce: string;
  /** `version_info` or `system_version_info`. */
  readonly version: string;
  readonly resources: readonly Resource[];
  /** Delta only: `removed_resources`. */
  readonly removed: readonly string[];
}

/** What became of a response; undefined where the request was a subscription change alone. */
export type Answer =
  | { readonly kind: 'ack' }
  | {
      readonly kind: 'nack';
      readonly message: string;
      /** The refused ones, as far as they are known. */
      readonly rejected: readonly Resource[];
      /** Smaller responses that follow will tell which they are. */
      readonly isSearching: boolean;
    };

export interface Bounds {
  /** Names that may be answered with a fallback; those past it do not exist. */
  readonly maxFallbacks: number;
  /** Size of one response, in bytes of resources; one that is larger goes alone. */
  readonly maxUpdateBytes: number;
}

/**
 * Responses of one type that may wait for their ACK. SotW has one: a nonce is stale as soon as a newer one is out.
 * Delta has a few, because a node withholds its CDS ACK for as long as a cluster warms, and the next change need not
 * wait for that.
 */
const WINDOW: Record<Variant, number> = { delta: 4, sotw: 1 };

/** Bytes that a resource takes beside its own: names, versions, tags. */
const FRAMING_BYTES = 256;

export class Subscription {
  readonly #interest: Interest;
  readonly #delivery: Delivery;
  /** Owed names; true: also if the client is expected to have this version. */
  readonly #upserts = new Map<string, boolean>();
  readonly #removals = new Set<string>();
  /** Names that are served by `ResourceSet.fallback`. */
  readonly #fallbacks = new Set<string>();
  /** A response is owed even if there is nothing to put in it. */
  #answerOwed = false;
  #set: ResourceSet | undefined;
  #begun = false;
  #nonces = 0;
  /** SotW: version that the client says it has from an earlier stream. */
  #claim = '';
  #sentVersion: string | undefined;
  #ackedVersion: string | undefined;

  constructor(
    readonly typeUrl: TypeUrl,
    private readonly variant: Variant,
    private readonly bounds: Bounds,
  ) {
    this.#interest = new Interest(this.#isRoot);
    this.#delivery = new Delivery(
      (name) => this.#interest.covers(name),
      // A fallback is made for one name and stream; only its version is worth the memory.
      (resource) => (this.#fallbacks.has(resource.name) ? resource.version : resource),
    );
  }

  /** Listeners and clusters: the types with a wildcard, of which SotW sends all or nothing (#xds-protocol-resource-hints). */
  get #isRoot(): boolean {
    return this.typeUrl === TypeUrl.listener || this.typeUrl === TypeUrl.cluster;
  }

  /** In SotW every response of a root type is the whole world: what is not in it is deleted by the client. */
  get #sendsWorld(): boolean {
    return this.variant === 'sotw' && this.#isRoot;
  }

  /** The client may hold things that this stream has not seen acknowledged: until its first ACK. */
  get #isUncertain(): boolean {
    return this.#sendsWorld && this.#claim !== '';
  }

  /** Names that this subscription remembers for the client. */
  get size(): number {
    return this.#interest.names.size;
  }

  get inFlight(): number {
    return this.#delivery.inFlight;
  }

  /** Everything that is wanted was sent and answered, refused or not. */
  get isSettled(): boolean {
    return this.#set !== undefined && !this.owes('upserts') && !this.owes('removals') && this.inFlight === 0;
  }

  get hasRejections(): boolean {
    return this.#delivery.rejected.size > 0;
  }

  get sentVersion(): string | undefined {
    return this.#sentVersion;
  }

  get ackedVersion(): string | undefined {
    return this.#ackedVersion;
  }

  /** Whether the client holds the resource, at its newest or an earlier good version. */
  holds(name: string): boolean {
    return this.#delivery.holds(name);
  }

  requestDelta(request: DeltaRequest): Answer | undefined {
    const answer = this.#answer(request);
    // The nonce pairs a reply with its response and never stands in the way of a subscription (#xds-protocol-delta).
    const change = this.#interest.update(request.subscribe, request.unsubscribe);
    if (this.#begun) this.#changeInterest(change);
    else {
      for (const [name, version] of Object.entries(request.initialVersions))
        this.#delivery.hold(name, version);
      this.#begin(change);
    }
    this.#rest();
    return answer;
  }

  requestSotw(request: SotwRequest): Answer | undefined {
    // Stale: the client will say the same, or something newer, when it answers the newest response (resource updates,
    // #xds-protocol-resource-update). A request without any nonce left before it saw one and is as good as its list.
    if (request.nonce !== '' && this.#begun && request.nonce !== String(this.#nonces)) return undefined;
    const answer = this.#answer(request);
    const change = this.#interest.replace(request.names);
    if (this.#begun) this.#changeInterest(change);
    else {
      this.#claim = request.version;
      this.#begin(change);
    }
    this.#rest();
    return answer;
  }

  /** @param changed names that were added, changed or removed since the set published before. */
  publish(set: ResourceSet, changed: Iterable<string>): void {
    const before = this.#set;
    this.#set = set;
    if (!before) this.#compareAll();
    else {
      for (const name of changed) this.#compare(name);
      if (set.fallback || before.fallback)
        for (const name of this.#interest.names) if (!set.resources.has(name)) this.#compare(name);
    }
    this.#rest();
  }

  /** Sends these again, as far as they are wanted and exist. */
  repeat(names: Iterable<string>): void {
    for (const name of names) if (this.#wanted(name)) this.#compare(name, true);
  }

  owes(phase: Phase): boolean {
    if (!this.#set) return false;
    return phase === 'upserts' ? this.#upserts.size > 0 || this.#answerOwed : this.#removals.size > 0;
  }

  canSend(phase: Phase): boolean {
    return this.owes(phase) && this.inFlight < WINDOW[this.variant];
  }

  /** The next response of this phase, which from now on counts as sent; only while `canSend`. */
  next(phase: Phase): Update {
    if (!this.canSend(phase)) throw new Error(`nothing to send of ${this.typeUrl}`);
    const upserts = new Map<string, Resource>();
    const removed = new Set<string>();
    if (phase === 'removals') {
      for (const name of this.#removals) removed.add(name);
      this.#removals.clear();
    } else this.#takeUpserts(upserts, removed);

    const carried = this.#isUncertain ? this.#rejectedWithoutLastGood(upserts) : [];
    const resources = this.#sendsWorld ? this.#world(upserts, removed, carried) : [...upserts.values()];
    this.#nonces += 1;
    const nonce = String(this.#nonces);
    this.#delivery.send(nonce, { upserts, removed, carried: carried.map((resource) => resource.name) });
    this.#sentVersion = this.#set!.version;
    const isWhole =
      this.#interest.wildcard && !this.owes('upserts') && !this.owes('removals') && !this.hasRejections;
    // A part must not pass for the whole: a client that reconnects with the whole's version is sent nothing.
    const version = this.#sendsWorld && !isWhole ? `${this.#sentVersion}~${nonce}` : this.#sentVersion;
    return { nonce, version, resources, removed: this.variant === 'delta' ? [...removed] : [] };
  }

  #answer(reply: Reply): Answer | undefined {
    if (reply.nonce === '') return undefined;
    if (reply.error === undefined) {
      if (!this.#delivery.ack(reply.nonce)) return undefined;
      this.#claim = '';
      return { kind: 'ack' };
    }
    const nack = this.#delivery.nack(reply.nonce, reply.error, this.#isUncertain);
    if (!nack) return undefined;
    for (const name of nack.again) this.#compare(name, true);
    // What is wanted may have moved on since it was sent.
    for (const resource of nack.rejected) this.#compare(resource.name);
    return { kind: 'nack', message: reply.error, rejected: nack.rejected, isSearching: nack.isSearching };
  }

  #begin(change: InterestChange): void {
    this.#begun = true;
    // The first answer ends a node's initialisation, also when there is nothing in it; one that comes with versions has
    // that behind it.
    this.#answerOwed = change.wildcardAsked && this.#delivery.isEmpty;
    if (this.#set) this.#compareAll();
  }

  #changeInterest(change: InterestChange): void {
    for (const name of change.dropped) if (!this.#interest.covers(name)) this.#forget(name);
    if (change.wildcardDropped)
      for (const name of [...this.#delivery.held, ...this.#upserts.keys(), ...this.#removals])
        if (!this.#interest.covers(name)) this.#forget(name);
    for (const name of change.dropped) this.#fallbacks.delete(name);
    if (!this.#set) return;
    if (change.wildcardAsked) {
      this.#answerOwed = true;
      for (const name of this.#set.resources.keys()) this.#compare(name, true);
    }
    for (const name of change.asked) this.#compare(name, true);
    for (const name of change.dropped) this.#compare(name);
  }

  #forget(name: string): void {
    this.#delivery.forget(name);
    this.#upserts.delete(name);
    this.#removals.delete(name);
  }

  /** The first set meets the first request: everything is compared once. */
  #compareAll(): void {
    const set = this.#set;
    if (!set || !this.#begun) return;
    if (this.#sendsWorld && this.#interest.wildcard && this.#claim === set.version) {
      // Safe for a wildcard alone, whose names the server chooses (#xds-ack-nack).
      for (const resource of set.resources.values()) this.#delivery.hold(resource.name, resource);
      this.#answerOwed = false;
      this.#claim = '';
    }
    if (this.#interest.wildcard) for (const name of set.resources.keys()) this.#compare(name);
    for (const name of this.#interest.names) this.#compare(name, this.#delivery.expected(name) === undefined);
    for (const name of this.#delivery.held) this.#compare(name);
  }

  /** Puts the name where it belongs: owed as an upsert, as a removal, or not at all. */
  #compare(name: string, asked = false): void {
    const insists = asked || this.#upserts.get(name) === true;
    this.#upserts.delete(name);
    this.#removals.delete(name);
    if (!this.#interest.covers(name)) return;

    const wanted = this.#wanted(name);
    const rejected = this.#delivery.rejected.get(name);
    if (rejected && rejected.version !== wanted?.version) this.#delivery.pardon(name);
    const expected = this.#delivery.expected(name);
    if (wanted) {
      if (insists || (expected !== wanted.version && rejected?.version !== wanted.version))
        this.#upserts.set(name, insists);
    } else if (insists) this.#answerAbsence(name);
    else if (expected !== undefined) this.#withdraw(name);
  }

  /** Delta says so (#xds-protocol-delta-subscribe); SotW has no word for it, an answer without the name must do. */
  #answerAbsence(name: string): void {
    if (this.variant === 'delta') this.#upserts.set(name, true);
    else {
      this.#answerOwed = true;
      if (this.#delivery.expected(name) !== undefined) this.#withdraw(name);
    }
  }

  #withdraw(name: string): void {
    // SotW cannot take away what is not a listener or a cluster: the client drops it with whatever refers to it.
    if (this.variant === 'sotw' && !this.#isRoot) this.#delivery.forget(name);
    else this.#removals.add(name);
  }

  #wanted(name: string): Resource | undefined {
    if (!this.#set || !this.#interest.covers(name)) return undefined;
    const own = this.#set.resources.get(name);
    const mayFallBack = this.#fallbacks.has(name) || this.#fallbacks.size < this.bounds.maxFallbacks;
    const fallback =
      !own && mayFallBack && this.#interest.names.has(name) ? this.#set.fallback?.(name) : undefined;
    if (fallback) this.#fallbacks.add(name);
    else this.#fallbacks.delete(name);
    return own ?? fallback;
  }

  #takeUpserts(upserts: Map<string, Resource>, removed: Set<string>): void {
    this.#answerOwed = false;
    let room = this.bounds.maxUpdateBytes;
    for (const name of this.#upserts.keys()) {
      const wanted = this.#wanted(name);
      const isRejected = wanted && this.#delivery.rejected.get(name)?.version === wanted.version;
      const resource = isRejected ? (this.#delivery.lastGood(name) ?? wanted) : wanted;
      if (resource) room -= resource.bytes.length + FRAMING_BYTES;
      const isFull = upserts.size >= this.#delivery.batch || (room < 0 && !this.#sendsWorld);
      if (isFull && upserts.size + removed.size > 0) break;
      if (resource) upserts.set(name, resource);
      else removed.add(name);
      this.#upserts.delete(name);
    }
  }

  /**
   * What the client keeps is all that is in the response: the good ones it has, with the changes of this update, and
   * what is to be removed later until it is.
   */
  #world(
    upserts: ReadonlyMap<string, Resource>,
    removed: ReadonlySet<string>,
    carried: readonly Resource[],
  ): Resource[] {
    const world = new Map<string, Resource>();
    for (const name of this.#delivery.held) {
      const good = this.#delivery.lastGood(name);
      if (good && !removed.has(name)) world.set(name, good);
    }
    for (const resource of [...upserts.values(), ...carried]) world.set(resource.name, resource);
    return [...world.values()];
  }

  /**
   * A client that came with state from an earlier stream may have an older good version of what it refused. Leaving the
   * name out would delete that, so the refused version stays in: it is refused again, and the last good one stays.
   */
  #rejectedWithoutLastGood(upserts: ReadonlyMap<string, Resource>): Resource[] {
    return [...this.#delivery.rejected.values()].filter(
      (resource) => !upserts.has(resource.name) && !this.#delivery.lastGood(resource.name),
    );
  }

  #rest(): void {
    if (!this.isSettled) return;
    this.#delivery.rest();
    if (!this.hasRejections) this.#ackedVersion = this.#set!.version;
  }
}
