/**
 * One watch of one key. It hears from etcd at least each few seconds, asked or not, or is lost: a member that has stopped
 * keeps its connections open and says nothing.
 *
 *   created ──▶ changes … ──▶ ended: compacted | lost
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { WatchRequest } from '#etcd-api/etcdserverpb/WatchRequest.js';
import type { WatchResponse__Output } from '#etcd-api/etcdserverpb/WatchResponse.js';
import { type Entry, entryOf } from './messages.js';

/** The key as it is from `revision` on; undefined: it is gone. */
export interface Change {
  readonly revision: number;
  readonly entry: Entry | undefined;
}

export type WatchEnd =
  /** What happened from the revision that was asked for is not known to etcd any more. */
  | { readonly kind: 'compacted'; readonly revision: number }
  | { readonly kind: 'lost'; readonly reason: string };

export interface WatchListener {
  changed(change: Change): void;
  /** Once, and nothing after it. */
  ended(reason: WatchEnd): void;
}

const askMs = 1000;
const silenceMs = 3000;

export class Watch {
  readonly #stream: ClientDuplexStream<WatchRequest, WatchResponse__Output>;
  readonly #listener: WatchListener;
  readonly #asking: NodeJS.Timeout;
  #silence: NodeJS.Timeout;
  #isOver = false;
  /** Messages so far: changes, and signs of life that were asked for. */
  heard = 0;

  constructor(
    stream: ClientDuplexStream<WatchRequest, WatchResponse__Output>,
    { key, fromRevision }: { readonly key: string; readonly fromRevision: number },
    listener: WatchListener,
  ) {
    this.#stream = stream;
    this.#listener = listener;
    stream.on('data', (response) => this.#take(response));
    stream.on('error', (error) => this.#end({ kind: 'lost', reason: error.message }));
    stream.on('end', () => this.#end({ kind: 'lost', reason: 'etcd has ended the watch' }));
    stream.write({ create_request: { key: Buffer.from(key), start_revision: fromRevision } });
    this.#asking = setInterval(() => stream.write({ progress_request: {} }), askMs);
    this.#silence = this.#startSilence();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#asking);
    clearTimeout(this.#silence);
    this.#stream.cancel();
  }

  #startSilence(): NodeJS.Timeout {
    return setTimeout(
      () => this.#end({ kind: 'lost', reason: `nothing heard for ${silenceMs} ms` }),
      silenceMs,
    );
  }

  #take(response: WatchResponse__Output): void {
    if (this.#isOver) return;
    this.heard += 1;
    clearTimeout(this.#silence);
    this.#silence = this.#startSilence();
    const compacted = Number(response.compact_revision ?? 0);
    if (compacted > 0) this.#end({ kind: 'compacted', revision: compacted });
    else if (response.canceled)
      this.#end({ kind: 'lost', reason: response.cancel_reason || 'etcd has cancelled the watch' });
    for (const { type, kv } of response.events ?? []) {
      if (!kv || this.#isOver) continue;
      this.#listener.changed({
        revision: Number(kv.mod_revision),
        entry: type === 'DELETE' ? undefined : entryOf(kv),
      });
    }
  }

  #end(reason: WatchEnd): void {
    if (this.#isOver) return;
    this.close();
    this.#listener.ended(reason);
  }
}
