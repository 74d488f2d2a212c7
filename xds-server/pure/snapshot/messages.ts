import type { ConfigSource } from '#envoy-api/envoy/config/core/v3/ConfigSource.js';
import type { GrpcService } from '#envoy-api/envoy/config/core/v3/GrpcService.js';
import type { Any } from '#envoy-api/google/protobuf/Any.js';
import type { Duration } from '#envoy-api/google/protobuf/Duration.js';
import type { Struct } from '#envoy-api/google/protobuf/Struct.js';
import type { Value } from '#envoy-api/google/protobuf/Value.js';
import type { Json, JsonObject } from './proto-json.js';

/** The few message values that nearly every resource is made of. */

/** `T` is the generated type of the message named: the compiler then knows its fields. */
export function any<T extends object>(typeName: string, message: NoInfer<T>): Any {
  return { '@type': `type.googleapis.com/${typeName}`, ...message } as Any;
}

export function durationMs(ms: number): Duration {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}

export function struct(json: JsonObject): Struct {
  return { fields: Object.fromEntries(Object.entries(json).map(([key, each]) => [key, value(each)])) };
}

function value(json: Json): Value {
  if (json === null) return { nullValue: 'NULL_VALUE' };
  if (typeof json === 'string') return { stringValue: json };
  if (typeof json === 'number') return { numberValue: json };
  if (typeof json === 'boolean') return { boolValue: json };
  if (Array.isArray(json)) return { listValue: { values: json.map(value) } };
  return { structValue: struct(json as JsonObject) };
}

/** From the one aggregated stream, so that the order of types holds. */
export const fromAds: ConfigSource = { ads: {}, resource_api_version: 'V3' };

/** The bootstrap's static clusters, both the brain: configuration, and what is asked for each connection. */
export const clusterOf = { xds: 'sluice_xds', brain: 'sluice_brain' } as const;

export function brain(): GrpcService {
  return { envoy_grpc: { cluster_name: clusterOf.brain } };
}
