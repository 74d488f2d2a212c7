/**
 * The call of a brain that follows to the brain that leads (protos/sluice/v1/brains.proto), begun again for as long as
 * that one leads. A leader that is silent is given up.
 *
 *   connecting ──answered──▶ open ──silent, broken, ended──▶ a pause ──▶ connecting
 */
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { brainIdentity } from '../../pure/identity/brain-identity.js';
import { batchOf } from '../../pure/peers/batch.js';
import type { News, Order } from '../../pure/peers/messages.js';
import { MessageReader, messageHeadBytes } from '../../pure/rpc/message-reader.js';
import { followPath } from './follow-service.js';
import { decodeOrders, encodeTelling } from './wire.js';

/** PEM; absent: plaintext, and each is who he says he is. */
export interface LinkCredentials {
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
  /** Of the other brains' certificates. */
  readonly clientCa: Uint8Array;
}

export interface LeaderLinkOptions {
  /** Who this brain is. */
  readonly brain: string;
  readonly leader: { readonly term: number; readonly brain: string; readonly address: string };
  /** Asked for at each connection: they may have been renewed. */
  readonly credentials: () => LinkCredentials | undefined;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  /** The leader can be told. @returns what it has to be told first */
  readonly opened: () => Iterator<News>;
  /** @param isMeant by `stop` */
  readonly closed: (why: string, isMeant: boolean) => void;
  readonly ordered: (order: Order) => void;
}

/** What keeps the other side from giving this one up. */
const signMs = 500;
/** Without a sign of life the leader is given up. */
const silenceMs = 2_000;
const pauseMs = 200;
const maxOrderBytes = 4 << 20;
/** Unsent; past it the leader is too slow to be told anything, and is told all of it anew. */
const maxUnsentBytes = 64 << 20;
/** What is told anew, in one message. */
const retoldAtOnce = 500;

export class LeaderLink {
  readonly #options: LeaderLinkOptions;
  #session: ClientHttp2Session | undefined;
  #stream: ClientHttp2Stream | undefined;
  #reader = new MessageReader(maxOrderBytes);
  #heardMs = 0;
  #isOpen = false;
  #problem: string | undefined;
  #isStopped = false;
  #pending: News[] = [];
  #retold: Iterator<News> | undefined;
  #isFlushing = false;
  readonly #clock: NodeJS.Timeout;
  #again: NodeJS.Timeout | undefined;

  constructor(options: LeaderLinkOptions) {
    this.#options = options;
    this.#clock = setInterval(() => this.#look(), signMs);
    this.#connect();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Why the last connection has ended, or has not come about. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** For the leader; nothing before it is open. */
  pass(news: News): void {
    if (!this.#isOpen) return;
    this.#pending.push(news);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    // What comes in one turn of the loop goes in one message.
    setImmediate(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#clock);
    clearTimeout(this.#again);
    this.#end('another brain leads');
  }

  #connect(): void {
    const { leader, brain, now } = this.#options;
    const credentials = this.#options.credentials();
    this.#heardMs = now();
    this.#reader = new MessageReader(maxOrderBytes);
    let session: ClientHttp2Session;
    try {
      session = this.#dial(credentials);
    } catch (error) {
      // Its address is what it has said of itself: one that cannot be dialled must not end those who read it.
      this.#problem = `${leader.address}: ${(error as Error).message}`;
      this.#connectSoon();
      return;
    }
    this.#session = session;
    session.on('error', (error) => this.#lost(session, error.message));
    session.on('close', () => this.#lost(session, 'the connection has ended'));
    const stream = session.request({
      ':method': 'POST',
      ':path': followPath,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(!credentials && { 'x-sluice-brain': brain }),
    });
    this.#stream = stream;
    stream.on('error', (error) => this.#lost(session, error.message));
    stream.on('response', (headers) => {
      if (headers['grpc-status'] !== undefined)
        this.#lost(session, `${headers['grpc-message'] ?? 'refused'}`);
    });
    stream.on('trailers', (trailers) => this.#lost(session, `${trailers['grpc-message'] ?? 'ended'}`));
    // A certificate that it does not take ends the connection behind the handshake, without a reason.
    const why = () =>
      this.#isOpen ? 'the call has ended' : 'it has ended the call at once, its log says why';
    stream.on('close', () => this.#lost(session, why()));
    stream.on('data', (bytes: Buffer) => this.#take(session, bytes));
    stream.on('drain', () => this.#flush());
    this.#write([], leader.term);
  }

  /** @throws where the address is none */
  #dial(credentials: LinkCredentials | undefined): ClientHttp2Session {
    const { leader } = this.#options;
    return credentials
      ? http2.connect(`https://${leader.address}`, {
          cert: Buffer.from(credentials.chain),
          key: Buffer.from(credentials.key),
          ca: Buffer.from(credentials.clientCa),
          minVersion: 'TLSv1.3',
          ALPNProtocols: ['h2'],
          // Its address may be any; its name is the leader's.
          checkServerIdentity: (_host, certificate) =>
            brainIdentity(certificate.subjectaltname) === leader.brain
              ? undefined
              : new Error(`expected the certificate of brain ${leader.brain}`),
        })
      : http2.connect(`http://${leader.address}`);
  }

  #connectSoon(): void {
    this.#again = setTimeout(() => this.#connect(), pauseMs);
  }

  #take(session: ClientHttp2Session, bytes: Buffer): void {
    if (session !== this.#session) return;
    const { now, opened, ordered } = this.#options;
    this.#heardMs = now();
    const unreadable = this.#reader.push(bytes, (message) => {
      let orders: readonly Order[];
      try {
        orders = decodeOrders(message);
      } catch {
        this.#lost(session, 'an order that cannot be read');
        return false;
      }
      if (!this.#isOpen) {
        this.#isOpen = true;
        this.#problem = undefined;
        this.#retold = opened();
        this.#flush();
      }
      for (const order of orders) if (session === this.#session) ordered(order);
      return session === this.#session;
    });
    if (unreadable) this.#lost(session, 'an order that cannot be read');
  }

  #flush(): void {
    const stream = this.#stream;
    if (!stream || !this.#isOpen) return;
    while (this.#pending.length > 0) this.#write(this.#pending.splice(0, batchOf(this.#pending)));
    // What is told anew waits for room; what is new does not wait for it.
    while (this.#retold && !stream.writableNeedDrain) {
      const some: News[] = [];
      while (this.#retold && some.length < retoldAtOnce) {
        const next = this.#retold.next();
        if (next.done) this.#retold = undefined;
        else some.push(next.value);
      }
      if (some.length > 0) this.#write(some);
    }
    if (stream.writableLength > maxUnsentBytes) this.#lost(this.#session!, 'the leader takes too little');
  }

  #write(news: readonly News[], term?: number): void {
    const bytes = encodeTelling({
      ...(term !== undefined && { term }),
      ...{ monotonicMs: this.#options.now(), unixMs: Date.now(), news },
    });
    const head = Buffer.alloc(messageHeadBytes);
    head.writeUInt32BE(bytes.length, 1);
    this.#stream?.write(Buffer.concat([head, bytes]));
  }

  #look(): void {
    const session = this.#session;
    if (!session) return;
    if (this.#options.now() - this.#heardMs > silenceMs) this.#lost(session, 'it is silent');
    else if (this.#isOpen) this.#write([]);
  }

  #lost(session: ClientHttp2Session, why: string): void {
    if (session !== this.#session) return;
    this.#problem = why;
    this.#end(why);
    if (!this.#isStopped) this.#connectSoon();
  }

  #end(why: string): void {
    const session = this.#session;
    this.#session = undefined;
    this.#stream = undefined;
    this.#pending = [];
    this.#retold = undefined;
    session?.destroy();
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#options.closed(why, this.#isStopped);
  }
}
