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
import type { Answer, DeltaRequest, Phase, Reply, SotwRequest, Update, Variant } from './exchange.js';
import { Interest, type InterestChange } from './interest.js';
import { Supply } from './supply.js';

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

/**
 * Why a name is owed. `news`: the client is expected to have something else. `again`: it stood in a response that was
 * refused because of another one. `asked`: the client wants to be told, whatever it has.
 */
type Owed = 'news' | 'again' | 'asked';

/** Bytes that a resource takes beside its own: names, versions, tags. */
const FRAMING_BYTES = 256;

export class Subscription {
  readonly #interest: Interest;
  readonly #supply: Supply;
  readonly #delivery: Delivery;
  readonly #upserts = new Map<string, Owed>();
  readonly #removals = new Set<string>();
  /** A response is owed even if there is nothing to put in it. */
  #answerOwed = false;
  #begun = false;
  #nonces = 0;
  /** The newest nonce when the client last gave something up. */
  #lastDrop = 0;
  /** SotW: the client came with a version from an earlier stream and has acknowledged nothing on this one. */
  #isUncertain = false;
  #sentVersion: string | undefined;
  #ackedVersion: string | undefined;

  constructor(
    readonly typeUrl: TypeUrl,
    private readonly variant: Variant,
    private readonly bounds: Bounds,
  ) {
    // Each stream brings its own copy of every name; the set's is shared.
    this.#interest = new Interest(
      this.#isRoot,
      (name) => this.#supply.set?.resources.get(name)?.name ?? name,
    );
    this.#supply = new Supply(this.#interest, bounds.maxFallbacks);
    this.#delivery = new Delivery(
      (name) => this.#interest.covers(name),
      // A fallback is made for one name and stream; only its version is worth the memory.
      (resource) => (this.#supply.fallbacks.has(resource.name) ? resource.version : resource),
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

  /** Names that this subscription remembers for the client. */
  get size(): number {
    return this.#interest.names.size;
  }

  get inFlight(): number {
    return this.#delivery.inFlight;
  }

  /** Everything that is wanted was sent and answered, refused or not. */
  get isSettled(): boolean {
    return (
      this.#begun &&
      !!this.#supply.set &&
      !this.owes('upserts') &&
      !this.owes('removals') &&
      this.inFlight === 0
    );
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
    if (this.#interest.startsWildcard(request.subscribe)) this.#delivery.beforeWildcard();
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
    // Stale: not answered. The client will say the same, or something newer, when it answers the newest response
    // (resource updates, #xds-protocol-resource-update). A request without any nonce left before the client saw one.
    if (request.nonce !== '' && this.#begun && request.nonce !== String(this.#nonces)) {
      this.#changeInterest(this.#interest.narrow(request.names));
      return undefined;
    }
    const answer = this.#answer(request);
    if (this.#interest.startsWildcard(request.names)) this.#delivery.beforeWildcard();
    const change = this.#interest.replace(request.names);
    if (this.#begun) this.#changeInterest(change);
    else {
      // Which version the client names does not tell what it has: after a response that it refused in part it is still
      // the one before. So everything is sent, and what is unchanged costs the node a comparison.
      this.#isUncertain = this.#sendsWorld && request.version !== '';
      this.#begin(change);
    }
    this.#rest();
    return answer;
  }

  /** @param changed names that were added, changed or removed since the set published before. */
  publish(set: ResourceSet, changed: Iterable<string>): void {
    const before = this.#supply.set;
    this.#supply.replace(set);
    if (!before) this.#compareAll();
    else {
      // All that was refused together may have been refused because of one, and that one may be gone.
      if (this.#isUncertain) for (const name of this.#delivery.pardonAll()) this.#compare(name);
      for (const name of changed) this.#compare(name);
      for (const name of [...this.#supply.fallbacks]) this.#compare(name);
      for (const name of this.#supply.emerging()) this.#compare(name, 'asked');
    }
    this.#rest();
  }

  /** Sends these again, as far as they are wanted and exist. */
  repeat(names: Iterable<string>): void {
    for (const name of names) if (this.#supply.find(name, false)) this.#compare(name, 'asked');
  }

  owes(phase: Phase): boolean {
    if (!this.#supply.set) return false;
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
    this.#sentVersion = this.#supply.set!.version;
    const isWhole =
      this.#interest.wildcard && !this.owes('upserts') && !this.owes('removals') && !this.hasRejections;
    // A part must not pass for the whole.
    const version = this.#sendsWorld && !isWhole ? `${this.#sentVersion}~${nonce}` : this.#sentVersion;
    const told = this.variant === 'delta' ? [...removed] : [];
    return { nonce, version, resources, changed: [...upserts.keys()], removed: told };
  }

  #answer(reply: Reply): Answer | undefined {
    if (reply.nonce === '') return undefined;
    if (reply.error === undefined) {
      const acked = this.#delivery.ack(reply.nonce);
      if (!acked) return undefined;
      // Of what the client gave up while it was on its way, it may hold something that nobody wants any more.
      if (Number(reply.nonce) <= this.#lastDrop) for (const name of acked) this.#compare(name);
      this.#isUncertain = false;
      return { kind: 'ack' };
    }
    const nack = this.#delivery.nack(reply.nonce, reply.error, this.#isUncertain);
    if (!nack) return undefined;
    for (const name of nack.again) this.#compare(name, 'again');
    // What is wanted may have moved on since it was sent.
    for (const { name } of nack.rejected) this.#compare(name);
    return { kind: 'nack', message: reply.error, rejected: nack.rejected, isSearching: nack.isSearching };
  }

  #begin(change: InterestChange): void {
    this.#begun = true;
    // The first answer ends a node's initialisation, also when there is nothing in it; one that comes with versions has
    // that behind it.
    this.#answerOwed = change.wildcardAsked && this.#delivery.held.length === 0;
    if (this.#supply.set) this.#compareAll();
  }

  #changeInterest(change: InterestChange): void {
    if (change.dropped.length > 0 || change.wildcardDropped) this.#lastDrop = this.#nonces;
    for (const name of change.added) this.#delivery.forget(name);
    for (const name of change.dropped) if (!this.#interest.covers(name)) this.#forget(name);
    if (change.wildcardDropped)
      for (const name of [...this.#delivery.held, ...this.#upserts.keys(), ...this.#removals])
        if (!this.#interest.covers(name)) this.#forget(name);
    for (const name of change.dropped) this.#supply.release(name);
    if (!this.#supply.set) return;
    if (change.wildcardAsked) {
      this.#answerOwed = true;
      for (const name of this.#supply.set.resources.keys()) this.#compare(name, 'asked');
    }
    for (const name of change.asked) this.#compareAsked(name);
    for (const name of change.dropped) this.#compare(name);
  }

  #forget(name: string): void {
    this.#delivery.forget(name);
    this.#upserts.delete(name);
    this.#removals.delete(name);
  }

  /** The first set meets the first request: everything is compared once. */
  #compareAll(): void {
    const set = this.#supply.set;
    if (!set || !this.#begun) return;
    if (this.#interest.wildcard) for (const name of set.resources.keys()) this.#compare(name);
    for (const name of this.#interest.names)
      this.#compare(name, this.#delivery.expected(name) === undefined ? 'asked' : 'news');
    for (const name of this.#delivery.held) this.#compare(name);
  }

  /** One more fallback may cost another one its room, where the client can be told. */
  #compareAsked(name: string): void {
    const loser = this.variant === 'delta' ? this.#supply.makeRoomFor(name) : undefined;
    this.#compare(name, 'asked');
    if (loser !== undefined) this.#compare(loser);
  }

  /** Puts the name where it belongs: owed as an upsert, as a removal, or not at all. */
  #compare(name: string, why: Owed = 'news'): void {
    const owed = this.#upserts.get(name);
    const reason = owed === 'asked' || why === 'news' ? (owed ?? why) : why;
    this.#upserts.delete(name);
    this.#removals.delete(name);
    if (!this.#interest.covers(name)) return;

    const expected = this.#delivery.expected(name);
    // Room that becomes free goes to the next who asks, not to those who were told that there is none.
    const wanted = this.#supply.find(name, reason !== 'news' || expected !== undefined);
    const rejected = this.#delivery.rejected.get(name);
    if (rejected && rejected.version !== wanted?.version) this.#delivery.pardon(name);
    if (wanted) {
      const isRefused = rejected?.version === wanted.version;
      const isMissing = reason === 'again' || expected !== wanted.version;
      if (reason === 'asked' || (isMissing && !isRefused)) this.#upserts.set(name, reason);
    } else if (reason === 'asked' || (reason === 'again' && expected === undefined))
      this.#answerAbsence(name);
    else if (expected !== undefined) this.#withdraw(name);
  }

  /** Delta says so (#xds-protocol-delta-subscribe); SotW has no word for it, an answer without the name must do. */
  #answerAbsence(name: string): void {
    if (this.variant === 'delta') this.#upserts.set(name, 'asked');
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

  #takeUpserts(upserts: Map<string, Resource>, removed: Set<string>): void {
    this.#answerOwed = false;
    let room = this.bounds.maxUpdateBytes;
    for (const name of this.#upserts.keys()) {
      const wanted = this.#supply.find(name, false);
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
    this.#delivery.rest(this.#supply.set!.resources, this.#supply.fallbacks);
    if (!this.hasRejections) this.#ackedVersion = this.#supply.set!.version;
  }
}
