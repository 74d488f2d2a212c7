/** What an operator may see of the nodes: who is connected, what each holds, what it refused and whose that was. */
import type { TypeUrl } from '../../pure/snapshot/snapshot.js';

export type StreamKind = 'delta' | 'sotw';

/**
 * `converged`: holds everything it wants at the newest version. `behind`: something is still to be sent or answered.
 * `rejected`: nothing is under way, but the node refused a newest version and stays on its last good one.
 */
export type Convergence = 'converged' | 'behind' | 'rejected';

export interface Rejection {
  /** The operator's object (`services.checkout`); `unknown` when neither the node's text nor what was sent tells. */
  readonly owner: string;
  /** The node's own words, shortened, without key material. */
  readonly message: string;
  /** Unix milliseconds. */
  readonly at: number;
}

export interface TypeView {
  readonly typeUrl: TypeUrl;
  /** Version of the set that the newest response was made from; absent before the first. */
  readonly sent?: string;
  /** Version of the newest set that the node holds as far as it wants it; absent before the first. */
  readonly acked?: string;
  readonly lastRejection?: Rejection;
  readonly convergence: Convergence;
}

/** One live stream. A node has one, for a moment two while it reconnects or restarts hot. */
export interface NodeView {
  readonly node: string;
  /** Its end of the connection, `address:port`. */
  readonly peer: string;
  /** Unix milliseconds. */
  readonly connectedSince: number;
  readonly stream: StreamKind;
  readonly types: readonly TypeView[];
  readonly convergence: Convergence;
}
