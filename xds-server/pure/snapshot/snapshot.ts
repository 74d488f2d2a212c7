/**
 * A snapshot is one consistent set of Envoy resources, encoded. Who wants which of them is the subscription's
 * business, how they are sent the stream's.
 */

export const TypeUrl = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  runtime: 'type.googleapis.com/envoy.service.runtime.v3.Runtime',
} as const;

export type TypeUrl = (typeof TypeUrl)[keyof typeof TypeUrl];

export interface Resource {
  readonly name: string;
  /** Content hash of `bytes`: equal content has an equal version, in every process. */
  readonly version: string;
  /** The resource's own message, encoded deterministically once; shared by every stream. */
  readonly bytes: Uint8Array;
  /** The operator's object it comes from, as a path into the spec (`services.checkout`): named when a node rejects it. */
  readonly owner: string;
}

/** All resources of one type. */
export interface ResourceSet {
  /** Content hash over names and versions. */
  readonly version: string;
  readonly resources: ReadonlyMap<string, Resource>;
  /**
   * A resource for a name that is not in `resources`, where the type has one (a listener's default certificate for
   * an unknown SNI); undefined means that the name does not exist.
   */
  readonly fallback?: (name: string) => Resource | undefined;
}

export interface Snapshot {
  readonly version: string;
  readonly sets: ReadonlyMap<TypeUrl, ResourceSet>;
}
