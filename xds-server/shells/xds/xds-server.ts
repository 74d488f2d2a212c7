/**
 * The management server: keeps every connected node at the newest snapshot over ADS, in both variants of the
 * protocol. What a snapshot holds is decided elsewhere; who may connect, too.
 */
import { type Server, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { DeltaDiscoveryRequest__Output } from '#envoy-api/envoy/service/discovery/v3/DeltaDiscoveryRequest.js';
import type { DiscoveryRequest__Output } from '#envoy-api/envoy/service/discovery/v3/DiscoveryRequest.js';
import type { ResourceSet, Snapshot, TypeUrl } from '../../pure/snapshot/snapshot.js';
import { changedNames } from '../../pure/subscription/changes.js';
import type { Variant } from '../../pure/subscription/exchange.js';
import type { EnvoyApi } from '../envoy-api/envoy-api.js';
import { Acknowledgements } from './acknowledgements.js';
import { type AdsCall, AdsStream, type StreamHost } from './ads-stream.js';
import { BOUNDS, type Bounds } from './bounds.js';
import { FanOut } from './fan-out.js';
import type { NodeView, Rejection } from './node-view.js';
import { adsDefinition, deltaRequestOf, ResponseEncoder, sotwRequestOf } from './wire.js';

export interface XdsServerOptions {
  readonly api: EnvoyApi;
  readonly log: Logger;
  readonly bounds?: Partial<Bounds>;
  /** A node refused a version of `owner`'s resource; it keeps the last good one. */
  readonly onNack?: (node: string, typeUrl: TypeUrl, owner: string, message: string) => void;
  /** A node holds all it wants of this snapshot, `seconds` after it was published (or after the node connected, if later). */
  readonly onConverged?: (node: string, snapshotVersion: string, seconds: number) => void;
}

type RequestMessage = DeltaDiscoveryRequest__Output | DiscoveryRequest__Output;

const MAX_NODE_ID_CHARS = 255;

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

  /** Adds envoy.service.discovery.v3.AggregatedDiscoveryService, both methods. */
  register(server: Server): void {
    server.addService(adsDefinition(this.options.api), {
      DeltaAggregatedResources: (call: AdsCall) => this.#accept('delta', call),
      StreamAggregatedResources: (call: AdsCall) => this.#accept('sotw', call),
    });
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
      stream.fail(status.UNAVAILABLE, 'the management server is shutting down');
    this.#acknowledgements.close();
  }

  #accept(variant: Variant, call: AdsCall): void {
    const { maxStreams, firstRequestMs } = this.#bounds;
    if (this.#calls >= maxStreams) {
      call.emit('error', {
        code: status.RESOURCE_EXHAUSTED,
        details: `${maxStreams} streams are open, more are not allowed`,
      });
      return;
    }
    this.#calls += 1;
    let stream: AdsStream | undefined;
    let isOver = false;
    const refuse = (code: status, details: string): void => {
      this.options.log.warn({ stream: variant, peer: call.getPeer() }, `stream refused: ${details}`);
      call.emit('error', { code, details });
      end();
    };
    const silence = setTimeout(
      () => refuse(status.DEADLINE_EXCEEDED, `no request within ${firstRequestMs} ms`),
      firstRequestMs,
    );
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(silence);
      this.#calls -= 1;
      if (stream) this.#forget(stream);
    };

    call.on('data', (message: RequestMessage) => {
      if (isOver) return;
      if (!stream) {
        clearTimeout(silence);
        // Only the first request is sure to carry the node (protocol overview in the protocol page).
        const node = message.node?.id ?? '';
        const problem = nodeProblem(node, call.metadata.get('x-sluice-node'));
        if (problem) return refuse(status.INVALID_ARGUMENT, problem);
        stream = this.#admit(node, variant, call);
      }
      const request =
        variant === 'delta'
          ? deltaRequestOf(message as DeltaDiscoveryRequest__Output)
          : sotwRequestOf(message as DiscoveryRequest__Output);
      if (this.#snapshot) stream.bring(this.#snapshot);
      stream.receive(message.type_url ?? '', request);
    });
    call.on('end', () => {
      call.end();
      end();
    });
    for (const event of ['cancelled', 'error', 'close']) call.on(event, end);
  }

  #admit(node: string, variant: Variant, call: AdsCall): AdsStream {
    const stream = new AdsStream(node, variant, call, this.#host);
    this.#streams.add(stream);
    const streams = this.#streamsOfNode.get(node) ?? new Set();
    this.#streamsOfNode.set(node, streams.add(stream));
    this.options.log.info({ node, stream: variant, peer: call.getPeer() }, 'node connected');
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
    if (!stream.hasJustConverged()) return;
    const since = Math.max(this.#publishedAt, stream.connectedAt);
    this.options.onConverged?.(stream.node, stream.snapshot!.version, (performance.now() - since) / 1000);
  }
}

function nodeProblem(node: string, headers: readonly (string | Buffer)[]): string | undefined {
  if (node === '') return 'expected node.id in the first request, found none';
  if (node.length > MAX_NODE_ID_CHARS)
    return `expected a node.id of at most ${MAX_NODE_ID_CHARS} characters, found ${node.length}`;
  const other = headers.find((header) => header !== node);
  if (other !== undefined) return `expected node.id to be that of x-sluice-node (${other}), found ${node}`;
  return undefined;
}
