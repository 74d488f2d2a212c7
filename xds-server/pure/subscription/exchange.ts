/** What a subscription is told and what it gives, in the protocol's terms but without its encoding. */
import type { Resource } from '../snapshot/snapshot.js';

export type Variant = 'delta' | 'sotw';

/** `removals` only takes away what has left the set; everything else, also "there is no such name", is an `upserts`. */
export type Phase = 'upserts' | 'removals';

export interface Reply {
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
  /** Names of those for which the response was made; the others (SotW) come along. */
  readonly changed: readonly string[];
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
