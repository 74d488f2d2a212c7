/**
 * The management server: keeps every connected node at the newest snapshot over ADS, in both variants of the
 * protocol. What a snapshot holds is decided elsewhere; who may connect, too.
 */
import type { Server } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Snapshot, TypeUrl } from '../../pure/snapshot/snapshot.js';
import type { EnvoyApi } from '../envoy-api/envoy-api.js';
import type { NodeView } from './node-view.js';

export interface XdsServerOptions {
  readonly api: EnvoyApi;
  readonly log: Logger;
  /** A node refused a version of `owner`'s resource; it keeps the last good one. */
  readonly onNack?: (node: string, typeUrl: TypeUrl, owner: string, message: string) => void;
  /** A node holds all it wants of this snapshot, `seconds` after it was published (or after the node connected, if later). */
  readonly onConverged?: (node: string, snapshotVersion: string, seconds: number) => void;
}

export class XdsServer {
  constructor(_options: XdsServerOptions) {}

  /** Adds envoy.service.discovery.v3.AggregatedDiscoveryService, both methods. */
  register(_server: Server): void {
    throw new Error('being built');
  }

  /** The newest state; a snapshot of the version already published changes nothing. */
  publish(_snapshot: Snapshot): void {
    throw new Error('being built');
  }

  nodes(): NodeView[] {
    throw new Error('being built');
  }

  /** Whether the node holds this resource, at its newest or an earlier good version. False for a node that is not connected. */
  isAcked(_node: string, _typeUrl: TypeUrl, _name: string): boolean {
    throw new Error('being built');
  }

  /** Resolves true as soon as `isAcked`, false when `timeoutMs` have passed before that. */
  whenAcked(_node: string, _typeUrl: TypeUrl, _name: string, _timeoutMs: number): Promise<boolean> {
    throw new Error('being built');
  }

  /** Ends every stream (nodes reconnect elsewhere or later) and settles what waits in `whenAcked`. */
  close(): void {
    throw new Error('being built');
  }
}
