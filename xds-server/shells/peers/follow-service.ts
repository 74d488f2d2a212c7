/**
 * The leader's end of the calls of brains that follow (protos/sluice/v1/brains.proto): who follows, what their clocks say,
 * and when one is given up. What they tell is for others to decide.
 */
import { NodeClock } from '../../pure/clock/node-clock.js';
import type { Answer, News, Order } from '../../pure/peers/messages.js';
import { type Call, type Method, Status } from '../../pure/rpc/rpc.js';
import { decodeTelling, encodeOrders, type Telling } from './wire.js';

export const followPath = '/sluice.v1.Brains/Follow';

export interface FollowOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  /** Of this brain, while it may lead. */
  readonly term: () => number | undefined;
  readonly joined: (follower: Follower) => void;
  readonly told: (follower: Follower, news: News) => void;
  readonly left: (follower: Follower) => void;
}

const maxTellingBytes = 4 << 20;
/** Without a sign of life a follower is given up. */
const silenceMs = 2_000;
const signMs = 500;
/** Orders that it has not taken; past it, it is told all of it anew. */
const maxUnsent = 200_000;
/** Orders in one message: of a turn in which thousands are refused all would be more than a follower takes. */
const batch = 500;
const doesNotLead = 'this brain does not lead, or its term is over';
/** More are more than anybody has. */
const maxFollowers = 64;

/** One brain that follows, for as long as its call lasts. */
export class Follower {
  readonly #call: Call;
  readonly #now: () => number;
  readonly #clock = new NodeClock();
  #orders: Order[] = [];
  #isFlushing = false;
  #unsent = 0;
  heardMs: number;

  constructor(
    readonly brain: string,
    call: Call,
    now: () => number,
  ) {
    this.#call = call;
    this.#now = now;
    this.heardMs = now();
  }

  order(order: Order): void {
    this.#orders.push(order);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      if (this.#orders.length > 0) this.flush();
    });
  }

  answer(answer: Answer): void {
    this.order(answer);
  }

  /** Its clock at a time of ours, by the newest stamps: never later than it is. */
  clockAt(ms: number): number {
    return this.#clock.nodeMs(ms);
  }

  /** Also without anything to say: a sign of life. */
  flush(): void {
    const orders = this.#orders;
    this.#orders = [];
    for (let from = 0; from === 0 || from < orders.length; from += batch)
      this.#send(orders.slice(from, from + batch));
  }

  #send(orders: readonly Order[]): void {
    const count = orders.length + 1;
    this.#unsent += count;
    if (this.#unsent > maxUnsent) this.end('it takes too little');
    else
      this.#call.send(encodeOrders(orders), () => {
        this.#unsent -= count;
      });
  }

  end(why: string): void {
    this.#call.end(Status.aborted, why);
  }

  /** @returns what our clock was at a time of its own; never earlier than it was */
  stamped(monotonicMs: number, unixMs: number): (ms: number) => number {
    const nowMs = this.#now();
    this.heardMs = nowMs;
    this.#clock.observe({ monotonicMs, ageMs: 0, bornUnixMs: unixMs, retriedAfterMs: 0 }, nowMs);
    return (ms) => nowMs - (this.#clock.nodeMs(nowMs) - ms);
  }
}

export class FollowService {
  readonly #options: FollowOptions;
  readonly #followers = new Map<Follower, () => void>();
  readonly #clock: NodeJS.Timeout;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#clock = setInterval(() => this.#look(), signMs);
    this.#clock.unref();
  }

  get method(): Method<Telling> {
    return {
      path: followPath,
      from: 'brains',
      speaksAtOnce: true,
      maxMessageBytes: maxTellingBytes,
      decode: decodeTelling,
      accept: (call) => this.#accept(call),
    };
  }

  get followers(): Iterable<Follower> {
    return this.#followers.keys();
  }

  /** Nobody follows any more: this brain does not lead. */
  dismiss(why: string): void {
    for (const [follower, leave] of [...this.#followers]) {
      follower.end(why);
      leave();
    }
  }

  stop(): void {
    clearInterval(this.#clock);
    this.dismiss('stopping');
  }

  #accept(call: Call) {
    const { now, term, joined, told, left } = this.#options;
    let follower: Follower | undefined;
    const leave = (): void => {
      if (!follower || !this.#followers.delete(follower)) return;
      left(follower);
    };
    return {
      message: ({ term: meant, monotonicMs, unixMs, news }: Telling) => {
        if (!follower) {
          const why = this.#objection(meant, term());
          if (why !== undefined) {
            call.end(Status.aborted, why);
            return;
          }
          follower = new Follower(call.caller.brain!, call, now);
          this.#supersede(follower.brain);
          follower.stamped(monotonicMs, unixMs);
          this.#followers.set(follower, leave);
          // It is open for the other side with the first message.
          follower.flush();
          joined(follower);
          return;
        }
        if (!this.#followers.has(follower)) return;
        const of = follower;
        const clock = of.stamped(monotonicMs, unixMs);
        for (const each of news) told(of, onClock(each, clock));
      },
      finished: () => {
        leave();
        call.end(Status.ok);
      },
      cancelled: leave,
    };
  }

  /** What an earlier call has still to say is of the past: all is told anew. */
  #supersede(brain: string): void {
    for (const [earlier, leave] of [...this.#followers]) {
      if (earlier.brain !== brain) continue;
      earlier.end('it has called again');
      leave();
    }
  }

  #objection(meant: number | undefined, term: number | undefined): string | undefined {
    if (term === undefined) return doesNotLead;
    if (meant !== term) return `expected term ${term}, found ${meant}`;
    return this.#followers.size >= maxFollowers ? `${maxFollowers} brains follow already` : undefined;
  }

  #look(): void {
    const { now, term } = this.#options;
    if (term() === undefined) this.dismiss(doesNotLead);
    const nowMs = now();
    for (const [follower, leave] of [...this.#followers]) {
      if (nowMs - follower.heardMs <= silenceMs) follower.flush();
      else {
        follower.end('it is silent');
        leave();
      }
    }
  }
}

/** Times of the teller, on the leader's clock. */
function onClock(news: News, clock: (ms: number) => number): News {
  if (news.kind !== 'check') return news;
  const { question } = news;
  return { kind: 'check', question: { ...question, bornMs: clock(question.bornMs) } };
}
