/**
 * The management server over real gRPC in this process, and a node that does what a test tells it to: it sends no
 * request and acknowledges nothing by itself. The same script runs in both variants of the protocol.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientDuplexStream, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import pino from 'pino';
import type { DeltaDiscoveryRequest } from '#envoy-api/envoy/service/discovery/v3/DeltaDiscoveryRequest.js';
import type { DeltaDiscoveryResponse__Output } from '#envoy-api/envoy/service/discovery/v3/DeltaDiscoveryResponse.js';
import type { DiscoveryRequest } from '#envoy-api/envoy/service/discovery/v3/DiscoveryRequest.js';
import type { DiscoveryResponse__Output } from '#envoy-api/envoy/service/discovery/v3/DiscoveryResponse.js';
import {
  type Resource,
  type ResourceSet,
  type Snapshot,
  TypeUrl,
} from '../../xds-server/pure/snapshot/snapshot.js';
import type { Variant } from '../../xds-server/pure/subscription/exchange.js';
import { Channel } from '../../xds-server/shells/channel/channel.js';
import { EnvoyApi } from '../../xds-server/shells/envoy-api/envoy-api.js';
import type { Bounds } from '../../xds-server/shells/xds/bounds.js';
import { XdsServer } from '../../xds-server/shells/xds/xds-server.js';
import { clientOf } from '../harness/grpc-client.js';

const api = EnvoyApi.load();

/** Longer than anything here takes, so that only what never comes runs into it. */
const PATIENCE_MS = 5_000;

/** Resources of one type as name → revision; a revision is what a test tells apart. */
export type Revisions = Readonly<Record<string, string>>;

export interface Nack {
  readonly node: string;
  readonly typeUrl: TypeUrl;
  readonly owner: string;
  readonly message: string;
}

/** Field of a message that carries its name, and a harmless one for the revision. */
const shapes: Record<TypeUrl, (name: string, revision: string) => object> = {
  [TypeUrl.cluster]: (name, revision) => ({ name, alt_stat_name: revision }),
  [TypeUrl.endpoints]: (name, revision) => ({
    cluster_name: name,
    endpoints: [{ locality: { zone: revision } }],
  }),
  [TypeUrl.listener]: (name, revision) => ({ name, stat_prefix: revision }),
  [TypeUrl.secret]: (name, revision) => ({
    name,
    tls_certificate: { certificate_chain: { inline_string: revision } },
  }),
  [TypeUrl.runtime]: (name, revision) => ({
    name,
    layer: { fields: { revision: { string_value: revision } } },
  }),
};

function messageType(typeUrl: string) {
  return api.root.lookupType(typeUrl.slice(typeUrl.indexOf('/') + 1));
}

export function resource(typeUrl: TypeUrl, name: string, revision: string, padding = 0): Resource {
  const type = messageType(typeUrl);
  const text = revision + ' '.repeat(padding);
  const bytes = type.encode(type.fromObject(shapes[typeUrl](name, text))).finish();
  return { name, version: `${name}@${revision}`, bytes, owner: `services.${name}` };
}

/** The name and revision inside a resource's bytes: what a node would find. */
function read(typeUrl: string, bytes: Uint8Array): [name: string, revision: string] {
  const found = messageType(typeUrl).toObject(messageType(typeUrl).decode(bytes));
  const name: string = found.name ?? found.cluster_name;
  const revision =
    found.alt_stat_name ??
    found.stat_prefix ??
    found.endpoints?.[0]?.locality?.zone ??
    found.tls_certificate?.certificate_chain?.inline_string ??
    found.layer?.fields?.revision?.string_value;
  return [name, String(revision).trim()];
}

export function setOf(
  typeUrl: TypeUrl,
  revisions: Revisions,
  fallback?: (name: string) => Resource | undefined,
): ResourceSet {
  const resources = Object.entries(revisions).map(([name, revision]) => resource(typeUrl, name, revision));
  return {
    version: resources.map(({ version }) => version).join(' ') || 'empty',
    resources: new Map(resources.map((each) => [each.name, each])),
    ...(fallback && { fallback }),
  };
}

let snapshots = 0;

export function snapshotOf(sets: Partial<Record<TypeUrl, Revisions | ResourceSet>>): Snapshot {
  snapshots += 1;
  const entries = Object.entries(sets) as [TypeUrl, Revisions | ResourceSet][];
  return {
    version: `snapshot ${snapshots}`,
    sets: new Map(
      entries.map(([typeUrl, set]) => [
        typeUrl,
        set.resources instanceof Map ? (set as ResourceSet) : setOf(typeUrl, set as Revisions),
      ]),
    ),
  };
}

/** Resolves when `holds` does; looked at again each time something may have happened in this process. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > deadline) assert.fail(`never seen: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export class ServerUnderTest {
  readonly nacks: Nack[] = [];
  readonly converged: { node: string; version: string; seconds: number }[] = [];

  private constructor(
    readonly xds: XdsServer,
    private readonly channel: Channel,
    readonly port: number,
    nacks: Nack[],
    converged: { node: string; version: string; seconds: number }[],
  ) {
    this.nacks = nacks;
    this.converged = converged;
  }

  static async start(bounds: Partial<Bounds> = {}, port = 0): Promise<ServerUnderTest> {
    const nacks: Nack[] = [];
    const converged: { node: string; version: string; seconds: number }[] = [];
    const xds = new XdsServer({
      api,
      log: pino({ level: process.env.SLUICE_TEST_LOG ?? 'silent' }),
      bounds,
      onNack: (node, typeUrl, owner, message) => nacks.push({ node, typeUrl, owner, message }),
      onConverged: (node, version, seconds) => converged.push({ node, version, seconds }),
    });
    const channel = await Channel.listen({
      host: '127.0.0.1',
      port,
      methods: xds.methods,
      log: pino({ level: 'silent' }),
      exhausted: () => undefined,
      refused: () => undefined,
    });
    return new ServerUnderTest(xds, channel, channel.port, nacks, converged);
  }

  async stop(): Promise<void> {
    this.xds.close();
    this.channel.destroy();
  }
}

export interface Response {
  readonly typeUrl: TypeUrl;
  readonly version: string;
  readonly nonce: string;
  readonly revisions: Revisions;
  /** Delta: removed_resources. */
  readonly removed: readonly string[];
}

interface Ask {
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  /** Delta. */
  readonly initialVersions?: Readonly<Record<string, string>>;
  /** SotW: the version that the node says it has. */
  readonly version?: string;
}

type Output = DeltaDiscoveryResponse__Output & DiscoveryResponse__Output;

type Call = ClientDuplexStream<DeltaDiscoveryRequest | DiscoveryRequest, Output>;

export class ScriptedNode {
  readonly #call: Call;
  readonly #close: () => void;
  readonly #responses: Response[] = [];
  readonly #status: Promise<StatusObject>;
  /** SotW sends the whole list each time. */
  readonly #names = new Map<string, Set<string>>();
  readonly #nonces = new Map<string, string>();
  readonly #versions = new Map<string, string>();
  #isFirst = true;
  #fences = 0;

  constructor(
    server: ServerUnderTest,
    readonly variant: Variant,
    readonly node = 'node-1',
    /** Whose channel it is. */
    channelOf = node === '' ? 'node-1' : node,
  ) {
    const Client = clientOf('envoy.service.discovery.v3.AggregatedDiscoveryService');
    const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
    });
    const headers = new Metadata();
    headers.set('x-sluice-node', channelOf);
    const method = variant === 'delta' ? 'DeltaAggregatedResources' : 'StreamAggregatedResources';
    this.#call = client[method]!.bind(client)(headers) as unknown as Call;
    this.#close = () => client.close();
    this.#status = new Promise((resolve) => this.#call.on('status', resolve));
    this.#call.on('error', () => {});
    this.#call.on('data', (output: Output) => this.#receive(output));
  }

  /** Asks for names, or gives them up. Nothing at all is the empty request that means everything. */
  ask(typeUrl: TypeUrl, ask: Ask = {}): void {
    this.#send(typeUrl, ask, {
      response_nonce: this.variant === 'sotw' ? (this.#nonces.get(typeUrl) ?? '') : '',
    });
  }

  ack(response: Response): void {
    this.#versions.set(response.typeUrl, response.version);
    this.#send(response.typeUrl, {}, { response_nonce: response.nonce });
  }

  nack(response: Response, message: string): void {
    this.#send(
      response.typeUrl,
      {},
      {
        response_nonce: response.nonce,
        error_detail: { code: 13, message },
      },
    );
  }

  /** A request as it is, in place of what the node would have sent. */
  raw(request: DeltaDiscoveryRequest | DiscoveryRequest): void {
    this.#call.write(request);
    this.#isFirst = false;
  }

  /** The next response, of whatever type; with `typeUrl`, it must be of that. */
  async next(typeUrl?: TypeUrl): Promise<Response> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    while (this.#responses.length === 0) {
      const ended = this.#status.then(({ code, details }) => {
        throw new Error(`the stream has ended: ${code} ${details}`);
      });
      await Promise.race([once(this.#call, 'taken', { signal: deadline }), ended]);
    }
    const response = this.#responses.shift()!;
    if (typeUrl) assert.equal(response.typeUrl, typeUrl);
    return response;
  }

  async nextAcked(typeUrl?: TypeUrl): Promise<Response> {
    const response = await this.next(typeUrl);
    this.ack(response);
    return response;
  }

  /** The server had nothing to say to anything that has happened so far. */
  async expectSilence(): Promise<void> {
    assert.deepEqual(await this.collect(), []);
  }

  /**
   * Adds to `taken` all that the server has to say to everything that has happened so far: it answers in order, so when
   * the answer to a later request is here, all the others are.
   */
  async collect(taken: Response[] = []): Promise<Response[]> {
    this.#fences += 1;
    const name = `fence-${this.#fences}`;
    this.ask(TypeUrl.runtime, { subscribe: [name] });
    for (;;) {
      const response = await this.next();
      if (response.typeUrl !== TypeUrl.runtime) taken.push(response);
      else {
        assert.deepEqual(response.removed, this.variant === 'delta' ? [name] : []);
        this.ack(response);
        return taken;
      }
    }
  }

  /** How the server ended the stream. */
  get status(): Promise<StatusObject> {
    return this.#status;
  }

  /** Stops taking responses off the socket, as a node does that has more urgent things to do. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  async disconnect(): Promise<void> {
    this.#call.cancel();
    await this.#status;
    this.#close();
  }

  #send(
    typeUrl: TypeUrl,
    ask: Ask,
    reply: { response_nonce: string; error_detail?: { code: number; message: string } },
  ): void {
    const names = this.#names.get(typeUrl) ?? new Set();
    this.#names.set(typeUrl, names);
    for (const name of ask.subscribe ?? []) names.add(name);
    for (const name of ask.unsubscribe ?? []) names.delete(name);
    const node = this.#isFirst ? { node: { id: this.node } } : {};
    this.#isFirst = false;
    if (this.variant === 'delta')
      this.#call.write({
        ...node,
        type_url: typeUrl,
        resource_names_subscribe: [...(ask.subscribe ?? [])],
        resource_names_unsubscribe: [...(ask.unsubscribe ?? [])],
        initial_resource_versions: { ...ask.initialVersions },
        ...reply,
      });
    else
      this.#call.write({
        ...node,
        type_url: typeUrl,
        resource_names: [...names],
        version_info: ask.version ?? this.#versions.get(typeUrl) ?? '',
        ...reply,
      });
  }

  #receive(output: Output): void {
    const typeUrl = output.type_url as TypeUrl;
    const nonce = output.nonce ?? '';
    this.#nonces.set(typeUrl, nonce);
    this.#responses.push({
      typeUrl,
      version: (this.variant === 'delta' ? output.system_version_info : output.version_info) ?? '',
      nonce,
      revisions: Object.fromEntries((output.resources ?? []).map((each) => this.#read(typeUrl, each))),
      removed: output.removed_resources ?? [],
    });
    this.#call.emit('taken');
  }

  /** Delta: the outer name must be the inner one; and the Any must be of the response's type. */
  #read(typeUrl: TypeUrl, each: object): [string, string] {
    const outer = each as {
      name?: string;
      version?: string;
      resource?: { type_url: string; value: Uint8Array };
    };
    const any =
      this.variant === 'delta' ? outer.resource! : (each as { type_url: string; value: Uint8Array });
    assert.equal(any.type_url, typeUrl);
    const [name, revision] = read(typeUrl, any.value);
    if (this.variant === 'delta')
      assert.deepEqual([outer.name, outer.version], [name, `${name}@${revision}`]);
    return [name, revision];
  }
}
