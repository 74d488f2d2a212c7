/** A client without manners: sends the bytes that a test gives it, in clear or within TLS, and keeps what comes back. */
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';

export interface At {
  readonly host: string;
  readonly port: number;
  /** The client's own; the kernel's choice without it. */
  readonly localAddress?: string;
}

export class RawClient {
  #stream: net.Socket;
  readonly #received: Buffer[] = [];
  readonly #watchers = new Set<() => void>();
  #bytes = 0;
  #isClosed = false;

  private constructor(socket: net.Socket) {
    this.#stream = socket;
    this.#watch(socket);
  }

  static async connect(at: At): Promise<RawClient> {
    const socket = net.connect(at).setNoDelay(true);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  #watch(socket: net.Socket): void {
    const wake = () => {
      for (const watcher of this.#watchers) watcher();
    };
    // Being cut off is an answer.
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.#received.push(chunk);
      this.#bytes += chunk.length;
      wake();
    });
    socket.on('close', () => {
      if (socket !== this.#stream) return;
      this.#isClosed = true;
      wake();
    });
  }

  /** Resolves when the kernel has taken the bytes, or the other end is gone. */
  send(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => this.#stream.write(bytes, () => resolve()));
  }

  /** Nothing more will come from this side. */
  end(): void {
    this.#stream.end();
  }

  /** @throws when TLS does not come about. */
  async startTls(options: tls.ConnectionOptions): Promise<void> {
    const below = this.#stream;
    below.removeAllListeners('data');
    await new Promise<void>((resolve, reject) => {
      const secure = tls.connect({ ...options, socket: below }, () => {
        // At once: whoever waits for the promise first may miss that the other end has closed.
        this.#stream = secure;
        this.#received.length = 0;
        this.#bytes = 0;
        this.#watch(secure);
        resolve();
      });
      secure.once('error', reject);
      secure.once('close', () => reject(new Error('closed during the TLS handshake')));
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  /** How many of them. */
  get bytes(): number {
    return this.#bytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Until this many bytes have come since the last change to TLS, or the other end is gone. */
  async until(bytes: number): Promise<Buffer> {
    await this.#when(() => this.#isClosed || this.#bytes >= bytes);
    return this.received;
  }

  /** Everything that came, once the other end has closed. */
  async closed(): Promise<Buffer> {
    await this.#when(() => this.#isClosed);
    return this.received;
  }

  #when(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** RST: nobody is there any more. */
  reset(): void {
    this.#stream.destroy();
  }
}

/** The first bytes of a TLS client, as this machine's library writes them. */
export function clientHello(servername: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    tls.connect({ socket: wire, servername }).on('error', () => {});
  });
}
