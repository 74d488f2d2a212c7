/** What an election is told and what it asks for. Time is an argument of every step: milliseconds of this brain's monotonic clock. */
import type { Term } from './leadership.js';

export type LeaseId = string;

/** Of a command that is answered: an answer names it. */
export type RequestId = number;

/** Whose key it is. */
export interface Holder {
  readonly term: Term;
  readonly brain: string;
  /** Where brains dial it. */
  readonly address: string;
  readonly lease: LeaseId;
}

export type ElectionEvent =
  /** The key as it was at this revision of etcd: by a look, or by the watch at its start and at each change. Undefined: there is none. */
  | {
      readonly kind: 'seen';
      readonly revision: number;
      readonly holder: Holder | undefined;
      readonly request?: RequestId;
    }
  /** The watch has ended. */
  | { readonly kind: 'unwatched'; readonly problem: string }
  | { readonly kind: 'leased'; readonly request: RequestId; readonly lease: LeaseId; readonly ttlMs: number }
  /** Who has the key after a campaign: this brain, or whoever had it before. */
  | {
      readonly kind: 'campaigned';
      readonly request: RequestId;
      readonly revision: number;
      readonly holder: Holder;
    }
  /** `ttlMs` 0: there is no such lease, or no longer. */
  | { readonly kind: 'kept'; readonly request: RequestId; readonly ttlMs: number }
  /** What was asked was refused, or was not answered: it may have been done all the same. */
  | { readonly kind: 'failed'; readonly request: RequestId; readonly problem: string }
  /** This brain has what it needs to lead. */
  | { readonly kind: 'stand' }
  /** Gives leadership up for good. What was granted must have run out: the next leader does not wait for it. */
  | { readonly kind: 'resign' }
  /** Time has passed; due at `Election.nextDeadlineMs()`. The first one is the start. */
  | { readonly kind: 'tick' };

export type ElectionCommand =
  /** Tell of the key now and at each change until `unwatched`. */
  | { readonly kind: 'watch' }
  /** Read the key. */
  | { readonly kind: 'look'; readonly request: RequestId }
  | { readonly kind: 'lease'; readonly request: RequestId; readonly ttlMs: number }
  /** Make the key, under this lease, unless there is one. */
  | { readonly kind: 'campaign'; readonly request: RequestId; readonly lease: LeaseId }
  | { readonly kind: 'keepAlive'; readonly request: RequestId; readonly lease: LeaseId }
  /** As good as may be: a lease that is not revoked runs out. */
  | { readonly kind: 'revoke'; readonly lease: LeaseId };
