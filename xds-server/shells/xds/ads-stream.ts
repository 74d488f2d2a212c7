/**
 * One stream of one node: reads its requests, sends what its subscriptions owe as fast as the node reads, and knows how
 * far the node is. Which resources exist, and who else is connected, is the server's business (xds-server.ts).
 *
 *     request ─▶ subscription of its type ─╮
 *     newest snapshot ─▶ all subscriptions ┴─▶ pump: nextTurn → bytes → write, until nothing is owed,
 *                                              the window is full or the socket is
 */
import { type Call, Status } from '../../pure/rpc/rpc.js';
import { type ResourceSet, type Snapshot, TypeUrl } from '../../pure/snapshot/snapshot.js';
import type { Answer, DeltaRequest, SotwRequest, Variant } from '../../pure/subscription/exchange.js';
import { nextTurn } from '../../pure/subscription/order.js';
import { showableMessage } from '../../pure/subscription/rejection.js';
import { Subscription } from '../../pure/subscription/subscription.js';
import type { Bounds } from './bounds.js';
import type { Convergence, NodeView, Rejection, TypeView } from './node-view.js';
import type { ResponseEncoder } from './wire.js';

/** What a stream asks of its server, and tells it. */
export interface StreamHost {
  readonly bounds: Bounds;
  readonly encoder: ResponseEncoder;
  changes(before: ResourceSet | undefined, after: ResourceSet): readonly string[];
  /** Each refused resource, once its owner is known. */
  rejected(stream: AdsStream, typeUrl: TypeUrl, rejection: Rejection): void;
  /** After anything that may have brought the node further. */
  progressed(stream: AdsStream): void;
}

/** A type that no snapshot has: nothing in it exists. */
const NONE: ResourceSet = { version: 'none', resources: new Map() };

export class AdsStream {
  readonly connectedAt = performance.now();
  readonly #connectedSince = Date.now();
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #sets = new Map<string, ResourceSet>();
  readonly #rejections = new Map<string, Rejection>();
  /** Clusters that were sent before the node asked for any endpoints. */
  readonly #sentBeforeEndpoints = new Set<string>();
  #snapshot: Snapshot | undefined;
  /** A response is on its way to the socket; the next one is not made before the node has taken it off. */
  #isWriting = false;
  #isClosed = false;
  /** Version of the newest snapshot that the node was told converged at. */
  #convergedAt: string | undefined;

  constructor(
    readonly node: string,
    private readonly variant: Variant,
    private readonly call: Call,
    private readonly host: StreamHost,
  ) {}

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** Makes this the state that the node is to have. A stream that was passed over in between misses nothing. */
  bring(snapshot: Snapshot): void {
    if (this.#isClosed || this.#snapshot === snapshot) return;
    this.#snapshot = snapshot;
    for (const subscription of this.#subscriptions.values()) this.#publishTo(subscription);
    this.#pump();
    this.host.progressed(this);
  }

  receive(typeUrl: string, request: DeltaRequest | SotwRequest): void {
    if (this.#isClosed || !this.#isReadable(typeUrl, request)) return;
    const subscription = this.#subscriptionTo(typeUrl);
    if (!subscription) return;
    const answer =
      'names' in request ? subscription.requestSotw(request) : subscription.requestDelta(request);
    const claims = 'names' in request ? 0 : Object.keys(request.initialVersions).length;
    if (!this.#isWithin(claims)) return;
    if (answer) this.#note(subscription.typeUrl, answer);
    if (typeUrl === TypeUrl.endpoints && this.#sentBeforeEndpoints.size > 0) {
      subscription.repeat(this.#sentBeforeEndpoints);
      this.#sentBeforeEndpoints.clear();
    }
    this.#pump();
    this.host.progressed(this);
  }

  holds(typeUrl: TypeUrl, name: string): boolean {
    return this.#subscriptions.get(typeUrl)?.holds(name) ?? false;
  }

  /** Of the newest set of this type that the node has as far as it wants it. */
  ackedVersion(typeUrl: TypeUrl): string | undefined {
    return this.#subscriptions.get(typeUrl)?.ackedVersion;
  }

  get convergence(): Convergence {
    return worst([...this.#subscriptions.values()].map(convergenceOf));
  }

  /** True once for each snapshot, when the node has all that it wants of it. */
  hasJustConverged(): boolean {
    const version = this.#snapshot?.version;
    if (version === undefined || version === this.#convergedAt || this.convergence !== 'converged')
      return false;
    this.#convergedAt = version;
    return true;
  }

  view(): NodeView {
    return {
      node: this.node,
      peer: this.call.caller.peer,
      connectedSince: this.#connectedSince,
      stream: this.variant,
      types: [...this.#subscriptions.values()].map((subscription) => this.#viewOf(subscription)),
      convergence: this.convergence,
    };
  }

  /** Ends the stream with this status; what the node has, it keeps. */
  fail(code: Status, details: string): void {
    if (this.#isClosed) return;
    this.close();
    this.call.end(code, details);
  }

  /** The call is over; nothing is written any more. */
  close(): void {
    this.#isClosed = true;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  #subscriptionTo(typeUrl: string): Subscription | undefined {
    const known = this.#subscriptions.get(typeUrl);
    if (known) return known;
    const { maxTypes } = this.host.bounds;
    if (typeUrl === '') this.fail(Status.invalidArgument, 'expected a type_url, found none');
    else if (this.#subscriptions.size >= maxTypes)
      this.fail(Status.resourceExhausted, `a stream may ask for at most ${maxTypes} types`);
    else {
      const made = new Subscription(typeUrl as TypeUrl, this.variant, this.host.bounds);
      this.#subscriptions.set(typeUrl, made);
      this.#publishTo(made);
      return made;
    }
    return undefined;
  }

  #publishTo(subscription: Subscription): void {
    if (!this.#snapshot) return;
    const { typeUrl } = subscription;
    const before = this.#sets.get(typeUrl);
    const after = this.#snapshot.sets.get(typeUrl) ?? NONE;
    if (before?.version === after.version) return;
    this.#sets.set(typeUrl, after);
    subscription.publish(after, this.host.changes(before, after));
  }

  /** What a node asks for is kept for as long as it does. */
  #isReadable(typeUrl: string, request: DeltaRequest | SotwRequest): boolean {
    const { maxNameChars } = this.host.bounds;
    const isShort = (text: string): boolean => text.length <= maxNameChars;
    const isReadable =
      isShort(typeUrl) &&
      ('names' in request
        ? request.names.every(isShort)
        : request.subscribe.every(isShort) && Object.entries(request.initialVersions).flat().every(isShort));
    if (!isReadable)
      this.fail(
        Status.invalidArgument,
        `expected names of at most ${maxNameChars} characters, found a longer one`,
      );
    return isReadable;
  }

  #isWithin(claims: number): boolean {
    const { maxNames } = this.host.bounds;
    let names = claims;
    for (const subscription of this.#subscriptions.values()) names += subscription.size;
    if (names > maxNames)
      this.fail(
        Status.resourceExhausted,
        `a stream may subscribe to and bring along at most ${maxNames} names, this one has ${names}`,
      );
    return names <= maxNames;
  }

  #pump(): void {
    while (!this.#isWriting && !this.#isClosed) {
      const turn = nextTurn(this.#subscriptions);
      if (!turn) return;
      const { typeUrl } = turn.subscription;
      const update = turn.subscription.next(turn.phase);
      this.#isWriting = true;
      this.call.send(this.host.encoder.encode(this.variant, typeUrl, update), () => {
        this.#isWriting = false;
        this.#pump();
      });
      if (typeUrl === TypeUrl.cluster) this.#repeatEndpoints(update.changed);
    }
  }

  /**
   * A changed cluster warms until it is given its endpoints, also those that it has already
   * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#xds-protocol-resource-warming). Its endpoints
   * bear its name. A node that reconnects asks for clusters first and claims the endpoints, unchanged, later.
   */
  #repeatEndpoints(clusters: Iterable<string>): void {
    const subscription = this.#subscriptions.get(TypeUrl.endpoints);
    if (subscription) subscription.repeat(clusters);
    else for (const name of clusters) this.#sentBeforeEndpoints.add(name);
  }

  #note(typeUrl: TypeUrl, answer: Answer): void {
    if (answer.kind === 'ack' || answer.isSearching) return;
    const message = showableMessage(answer.message, typeUrl === TypeUrl.secret);
    const owners = new Set(answer.rejected.map((resource) => resource.owner));
    for (const owner of owners.size > 0 ? owners : ['unknown']) {
      const rejection = { owner, message, at: Date.now() };
      this.#rejections.set(typeUrl, rejection);
      this.host.rejected(this, typeUrl, rejection);
    }
  }

  #viewOf(subscription: Subscription): TypeView {
    const { typeUrl, sentVersion, ackedVersion } = subscription;
    const lastRejection = this.#rejections.get(typeUrl);
    return {
      typeUrl,
      ...(sentVersion !== undefined && { sent: sentVersion }),
      ...(ackedVersion !== undefined && { acked: ackedVersion }),
      ...(lastRejection && { lastRejection }),
      convergence: convergenceOf(subscription),
    };
  }
}

function convergenceOf(subscription: Subscription): Convergence {
  if (!subscription.isSettled) return 'behind';
  return subscription.hasRejections ? 'rejected' : 'converged';
}

/** A node that has asked for nothing yet has nothing yet. */
function worst(all: readonly Convergence[]): Convergence {
  if (all.length === 0 || all.includes('behind')) return 'behind';
  return all.includes('rejected') ? 'rejected' : 'converged';
}
