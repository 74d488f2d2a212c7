/**
 * The bytes of the discovery service: requests as the subscription reads them, responses from bytes that were encoded
 * once. No resource is decoded or encoded here.
 *
 * Fields are those of envoy/service/discovery/v3/discovery.proto.
 */
import protobuf from 'protobufjs';
import type { DeltaDiscoveryRequest__Output } from '#envoy-api/envoy/service/discovery/v3/DeltaDiscoveryRequest.js';
import type { DiscoveryRequest__Output } from '#envoy-api/envoy/service/discovery/v3/DiscoveryRequest.js';
import type { Resource } from '../../pure/snapshot/snapshot.js';
import type { DeltaRequest, SotwRequest, Update, Variant } from '../../pure/subscription/exchange.js';
import type { EnvoyApi } from '../envoy-api/envoy-api.js';

/** A field's number and wire type 2 (length-delimited), as one byte. */
const tag = (field: number): number => (field << 3) | 2;

const service = 'envoy.service.discovery.v3.AggregatedDiscoveryService';

export interface AdsMethod {
  readonly path: string;
  readonly decode: (bytes: Uint8Array) => DeltaDiscoveryRequest__Output | DiscoveryRequest__Output;
}

/** How requests of each variant come, and where to. */
export function adsMethods(api: EnvoyApi): Readonly<Record<Variant, AdsMethod>> {
  const method = (name: string, request: string): AdsMethod => ({
    path: `/${service}/${name}`,
    decode: api.decoder(`envoy.service.discovery.v3.${request}`),
  });
  return {
    delta: method('DeltaAggregatedResources', 'DeltaDiscoveryRequest'),
    sotw: method('StreamAggregatedResources', 'DiscoveryRequest'),
  };
}

export function deltaRequestOf(message: DeltaDiscoveryRequest__Output): DeltaRequest {
  return {
    subscribe: message.resource_names_subscribe ?? [],
    unsubscribe: message.resource_names_unsubscribe ?? [],
    initialVersions: message.initial_resource_versions ?? {},
    nonce: message.response_nonce ?? '',
    ...(message.error_detail && { error: message.error_detail.message ?? '' }),
  };
}

export function sotwRequestOf(message: DiscoveryRequest__Output): SotwRequest {
  return {
    names: message.resource_names ?? [],
    version: message.version_info ?? '',
    nonce: message.response_nonce ?? '',
    ...(message.error_detail && { error: message.error_detail.message ?? '' }),
  };
}

/** Makes responses; one for all streams, so that what many are sent is put together once. */
export class ResponseEncoder {
  /** What stands before a resource's bytes; gone with the resource. */
  readonly #framings: Record<Variant, WeakMap<Resource, Uint8Array>> = {
    delta: new WeakMap(),
    sotw: new WeakMap(),
  };
  /** By variant and type, the resources sent last: after a publish every node is sent the same. */
  readonly #last = new Map<string, { resources: readonly Resource[]; bytes: Buffer }>();

  encode(variant: Variant, typeUrl: string, update: Update): Buffer {
    const head = protobuf.Writer.create()
      .uint32(tag(1))
      .string(update.version)
      .uint32(tag(4))
      .string(typeUrl)
      .uint32(tag(5))
      .string(update.nonce);
    for (const name of update.removed) head.uint32(tag(6)).string(name);
    return Buffer.concat([head.finish(), this.#resources(variant, typeUrl, update.resources)]);
  }

  #resources(variant: Variant, typeUrl: string, resources: readonly Resource[]): Uint8Array {
    if (resources.length === 0) return Buffer.alloc(0);
    const key = `${variant} ${typeUrl}`;
    const last = this.#last.get(key);
    if (last && isSame(last.resources, resources)) return last.bytes;
    const framings = this.#framings[variant];
    const parts: Uint8Array[] = [];
    for (const resource of resources) {
      let framing = framings.get(resource);
      if (!framing) {
        framing = variant === 'delta' ? frameResource(typeUrl, resource) : frameAny(2, typeUrl, resource);
        framings.set(resource, framing);
      }
      parts.push(framing, resource.bytes);
    }
    const bytes = Buffer.concat(parts);
    this.#last.set(key, { resources, bytes });
    return bytes;
  }
}

/** The very same objects in the same order. */
function isSame(some: readonly Resource[], others: readonly Resource[]): boolean {
  return some.length === others.length && some.every((resource, index) => resource === others[index]);
}

/** Field `field` holding an Any, up to where its value's bytes begin. */
function frameAny(field: number, typeUrl: string, { bytes }: Resource): Uint8Array {
  const inside = protobuf.Writer.create()
    .uint32(tag(1))
    .string(typeUrl)
    .uint32(tag(2))
    .uint32(bytes.length)
    .finish();
  const outside = protobuf.Writer.create()
    .uint32(tag(field))
    .uint32(inside.length + bytes.length)
    .finish();
  return Buffer.concat([outside, inside]);
}

/** Field 2 of a delta response, a Resource, up to where the bytes of its Any begin: that one is written last. */
function frameResource(typeUrl: string, resource: Resource): Uint8Array {
  const named = protobuf.Writer.create()
    .uint32(tag(1))
    .string(resource.version)
    .uint32(tag(3))
    .string(resource.name)
    .finish();
  const inside = Buffer.concat([named, frameAny(2, typeUrl, resource)]);
  const outside = protobuf.Writer.create()
    .uint32(tag(2))
    .uint32(inside.length + resource.bytes.length)
    .finish();
  return Buffer.concat([outside, inside]);
}
