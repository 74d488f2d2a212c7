/**
 * The management server: keeps every connected node at the newest snapshot over ADS, in both variants of the
 * protocol. What a snapshot holds is decided elsewhere; who may connect, too.
 */
import type { Logger } from 'pino';
import type { DeltaDiscoveryRequest__Output } from '#envoy-api/envoy/service/discovery/v3/DeltaDiscoveryRequest.js';
import type { DiscoveryRequest__Output } from '#envoy-api/envoy/service/discovery/v3/DiscoveryRequest.js';
import { type Call, type Method, type Receiver, Status } from '../../pure/rpc/rpc.js';
import { type ResourceSet, type Snapshot, TypeUrl } from '../../pure/snapshot/snapshot.js';
import { changedNames } from '../../pure/subscription/changes.js';
import type { Variant } from '../../pure/subscription/exchange.js';
import type { EnvoyApi } from '../envoy-api/envoy-api.js';
import { Acknowledgements } from './acknowledgements.js';
import { AdsStream, type StreamHost } from './ads-stream.js';
import { BOUNDS, type Bounds } from './bounds.js';
import { FanOut } from './fan-out.js';
import type { NodeView, Rejection } from './node-view.js';
import { adsMethods, deltaRequestOf, ResponseEncoder, sotwRequestOf } from './wire.js';

export interface XdsServerOptions {
  readonly api: EnvoyApi;
  readonly log: Logger;
  readonly bounds?: Partial<Bounds>;
  /** A node refused a version of `owner`'s resource; it keeps the last good one. */
  readonly onNack?: (node: string, typeUrl: TypeUrl, owner: string, message: string) => void;
  /** A node has connected, has gone (`isHere` false), or has come further; `runtime`: the version of its limits. */
  readonly onNode?: (node: string, isHere: boolean, runtime: string | undefined) => void;
  /** A node holds all it wants of this snapshot, `seconds` after it was published (or after the node connected, if later). */
  readonly onConverged?: (node: string, snapshotVersion: string, seconds: number) => void;
}

type RequestMessage = DeltaDiscoveryRequest__Output | DiscoveryRequest__Output;

/** A node that brings along 100,000 names sends some ten megabytes. */
const MAX_REQUEST_BYTES = 32 << 20;

export class XdsServer {
  readonly #bounds: Bounds;
  readonly #streams = new Set<AdsStream>();
  /** Never an empty set. */
  readonly #streamsOfNode = new Map<string, Set<AdsStream>>();
  readonly #acknowledgements = new Acknowledgements((node) => this.#streamsOfNode.get(node));
  readonly #fanOut = new FanOut<AdsStream>((stream) => this.#snapshot && stream.bring(this.#snapshot));
  readonly #host: StreamHost;
  /** From a set to the one that came after it: the same for every stream. */
  readonly #changes = new WeakMap<ResourceSet, { after: ResourceSet; names: readonly string[] }>();
  #calls = 0;
  #snapshot: Snapshot | undefined;
  #publishedAt = 0;

  constructor(private readonly options: XdsServerOptions) {
    this.#bounds = { ...BOUNDS, ...options.bounds };
    this.#host = {
      bounds: this.#bounds,
      encoder: new ResponseEncoder(),
      changes: (before, after) => this.#changesBetween(before, after),
      rejected: (stream, typeUrl, rejection) => this.#onRejected(stream, typeUrl, rejection),
      progressed: (stream) => this.#onProgressed(stream),
    };
  }

  /** envoy.service.discovery.v3.AggregatedDiscoveryService, both methods. */
  get methods(): readonly Method<RequestMessage>[] {
    const of = adsMethods(this.options.api);
    return (['delta', 'sotw'] as const).map((variant) => ({
      ...of[variant],
      maxMessageBytes: MAX_REQUEST_BYTES,
      accept: (call) => this.#accept(variant, call),
    }));
  }

  /** The newest state; a snapshot of the version already published changes nothing. */
  publish(snapshot: Snapshot): void {
    if (snapshot.version === this.#snapshot?.version) return;
    this.#snapshot = snapshot;
    this.#publishedAt = performance.now();
    this.#fanOut.add(this.#streams);
  }

  /** One for each live stream, by node id. */
  nodes(): NodeView[] {
    return [...this.#streams].map((stream) => stream.view()).sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  get nodeCount(): number {
    return this.#streamsOfNode.size;
  }

  isConnected(node: string): boolean {
    return this.#streamsOfNode.has(node);
  }

  /**
   * Whether the node holds this resource, at its newest or an earlier good version. False for a node that is not
   * connected. While a node has two streams (it reconnects, or restarts hot) both must hold it.
   */
  isAcked(node: string, typeUrl: TypeUrl, name: string): boolean {
    return this.#acknowledgements.isAcked(node, typeUrl, name);
  }

  /** Resolves true as soon as `isAcked`, false when `timeoutMs` have passed before that. */
  whenAcked(node: string, typeUrl: TypeUrl, name: string, timeoutMs: number): Promise<boolean> {
    return this.#acknowledgements.whenAcked(node, typeUrl, name, timeoutMs);
  }

  /** Ends every stream (nodes reconnect elsewhere or later) and settles what waits in `whenAcked`. */
  close(): void {
    for (const stream of [...this.#streams])
      stream.fail(Status.unavailable, 'the management server is shutting down');
    this.#acknowledgements.close();
  }

  #accept(variant: Variant, call: Call): Receiver<RequestMessage> {
    const { maxStreams, firstRequestMs } = this.#bounds;
    let stream: AdsStream | undefined;
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(silence);
      this.#calls -= 1;
      if (stream) this.#forget(stream);
    };
    const refuse = (code: Status, details: string): void => {
      this.options.log.warn({ stream: variant, ...call.caller }, `stream refused: ${details}`);
      call.end(code, details);
      end();
    };
    this.#calls += 1;
    const silence = setTimeout(
      () => refuse(Status.deadlineExceeded, `no request within ${firstRequestMs} ms`),
      firstRequestMs,
    );
    if (this.#calls > maxStreams)
      refuse(Status.resourceExhausted, `${maxStreams} streams are open, more are not allowed`);

    return {
      message: (message) => {
        if (isOver) return;
        if (!stream) {
          clearTimeout(silence);
          // Only the first request is sure to carry the node (protocol overview in the protocol page).
          const asked = message.node?.id ?? '';
          const { node } = call.caller;
          if (asked !== node) {
            refuse(Status.permissionDenied, notItsOwn(asked, node));
            return;
          }
          stream = this.#admit(variant, call);
        }
        const request =
          variant === 'delta'
            ? deltaRequestOf(message as DeltaDiscoveryRequest__Output)
            : sotwRequestOf(message as DiscoveryRequest__Output);
        if (this.#snapshot) stream.bring(this.#snapshot);
        stream.receive(message.type_url ?? '', request);
        // It may have asked for more than it may: then the call has been ended from within.
        if (stream.isClosed) end();
      },
      finished: () => {
        if (isOver) return;
        call.end(Status.ok);
        end();
      },
      cancelled: end,
    };
  }

  #admit(variant: Variant, call: Call): AdsStream {
    const { node, peer } = call.caller;
    const stream = new AdsStream(node, variant, call, this.#host);
    this.#streams.add(stream);
    const streams = this.#streamsOfNode.get(node) ?? new Set();
    this.#streamsOfNode.set(node, streams.add(stream));
    this.options.log.info({ node, stream: variant, peer }, 'node connected');
    return stream;
  }

  #forget(stream: AdsStream): void {
    stream.close();
    this.#fanOut.remove(stream);
    this.#streams.delete(stream);
    const streams = this.#streamsOfNode.get(stream.node);
    streams?.delete(stream);
    if (streams?.size === 0) this.#streamsOfNode.delete(stream.node);
    this.options.log.info({ node: stream.node }, 'node disconnected');
    if (!this.isConnected(stream.node)) this.options.onNode?.(stream.node, false, undefined);
    // A stream less may be one that did not hold what the other does.
    this.#acknowledgements.progressed(stream.node);
  }

  #changesBetween(before: ResourceSet | undefined, after: ResourceSet): readonly string[] {
    // The first set of a subscription is compared whole, against what the node brought along.
    if (!before) return [];
    const known = this.#changes.get(before);
    if (known?.after === after) return known.names;
    const names = changedNames(before, after);
    this.#changes.set(before, { after, names });
    return names;
  }

  #onRejected(stream: AdsStream, typeUrl: TypeUrl, { owner, message }: Rejection): void {
    this.options.log.warn(
      { node: stream.node, type: typeUrl, owner, message },
      'node refused a resource and keeps the last good one',
    );
    this.options.onNack?.(stream.node, typeUrl, owner, message);
  }

  #onProgressed(stream: AdsStream): void {
    this.#acknowledgements.progressed(stream.node);
    if (!stream.isClosed) this.options.onNode?.(stream.node, true, stream.ackedVersion(TypeUrl.runtime));
    if (!stream.hasJustConverged()) return;
    const since = Math.max(this.#publishedAt, stream.connectedAt);
    this.options.onConverged?.(stream.node, stream.snapshot!.version, (performance.now() - since) / 1000);
  }
}

function notItsOwn(asked: string, node: string): string {
  const found = asked === '' ? 'none' : JSON.stringify(asked.slice(0, 128));
  return `expected node.id of the first request to be that of the channel, ${node}, found ${found}`;
}
