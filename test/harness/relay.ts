/**
 * A server in front of a server: passes everything on, until it is told to listen to what new connections say, or to
 * answer them by itself. Connections that are open stay as they are. Cut, it is a network that lets nothing through and
 * says nothing of it.
 */
import net from 'node:net';
import { Transform } from 'node:stream';
import { atEnd } from './ending.js';
import { ownAddress, ownPort } from './own-address.js';

export class Relay {
  readonly host = ownAddress;
  readonly port: number;
  readonly #to: net.NetConnectOpts;
  #heard: Buffer[][] = [];
  #lie: ((socket: net.Socket) => void) | undefined;
  /** What is under way while it is cut; undefined: it is not. */
  #stuck: (() => void)[] | undefined;
  /** Of which connections only what the server says is under way; 0: of none. */
  #answersFrom = 0;
  #connections = 0;

  private constructor(port: number, to: net.NetConnectOpts) {
    this.port = port;
    this.#to = to;
  }

  static async start({ host, port }: { readonly host: string; readonly port: number }): Promise<Relay> {
    const relay = new Relay(await ownPort(), { host, port });
    const sockets = new Set<net.Socket>();
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
      relay.#serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(relay.port, relay.host, resolve));
    await atEnd(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return relay;
  }

  /** From now on, what new connections send is kept for `heard`; they reach the server. */
  listen(): void {
    this.#heard = [];
    this.#lie = undefined;
  }

  /** From now on, new connections are answered like this, and what they send is kept. */
  lie(answer: (socket: net.Socket) => void): void {
    this.#heard = [];
    this.#lie = answer;
  }

  /** Nothing arrives any more on either side, on connections old and new, until `mend`. */
  cut(): void {
    this.#stuck ??= [];
  }

  /** Nothing of what the server says arrives any more, on all connections but the first one, until `mend`. */
  holdAnswers(): void {
    this.#stuck ??= [];
    this.#answersFrom = 2;
  }

  /** What was under way arrives, and what follows. */
  mend(): void {
    const stuck = this.#stuck ?? [];
    this.#stuck = undefined;
    this.#answersFrom = 0;
    for (const go of stuck) go();
  }

  /** What each connection has sent since, as hex. */
  heard(): string[] {
    return this.#heard.map((chunks) => Buffer.concat(chunks).toString('hex'));
  }

  #serve(socket: net.Socket): void {
    const chunks: Buffer[] = [];
    this.#heard.push(chunks);
    // Long conversations are not what is asked for.
    socket.on('data', (chunk: Buffer) => void (chunks.length < 100 && chunks.push(chunk)));
    if (this.#lie) {
      this.#lie(socket);
      return;
    }
    const server = net.connect({ ...this.#to, allowHalfOpen: true }).on('error', () => socket.destroy());
    socket.on('error', () => server.destroy());
    const number = ++this.#connections;
    const isHeld = (): boolean => this.#answersFrom === 0 || number >= this.#answersFrom;
    const there = this.#valve(() => this.#answersFrom === 0);
    socket.pipe(there).pipe(server).pipe(this.#valve(isHeld)).pipe(socket);
  }

  #valve(isHeld: () => boolean): Transform {
    const pass = (go: () => void): void => void (this.#stuck && isHeld() ? this.#stuck.push(go) : go());
    return new Transform({
      transform: (chunk, _encoding, done) => pass(() => done(null, chunk)),
      flush: (done) => pass(done),
    });
  }
}
