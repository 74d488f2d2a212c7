/**
 * A network between two processes: passes everything on until it is cut. What is cut loses nothing and says nothing:
 * no byte, no FIN and no RST comes through, and whoever connects meanwhile waits, as when packets are dropped.
 */
import net from 'node:net';
import { atEnd } from '../harness/ending.js';
import { ownAddress, ownPort } from '../harness/own-address.js';

interface Server {
  readonly host: string;
  readonly port: number;
}

interface Ends {
  readonly near: net.Socket;
  far: net.Socket | undefined;
  /** Undefined until it has said its first words, where those tell. */
  party: string | undefined;
}

export interface LinkOptions {
  /** Who speaks, by the first bytes of a connection: a cut may be of one party alone. */
  readonly partyOf?: (first: Buffer) => string;
}

const anybody = 'anybody';

export class Link {
  readonly host = ownAddress;
  readonly port: number;
  readonly #to: Server;
  readonly #partyOf: LinkOptions['partyOf'];
  readonly #open = new Set<Ends>();
  /** Who is cut off; all, or some. */
  readonly #cut = new Set<string>();

  private constructor(port: number, to: Server, { partyOf }: LinkOptions) {
    this.port = port;
    this.#to = to;
    this.#partyOf = partyOf;
  }

  static async to(server: Server, options: LinkOptions = {}): Promise<Link> {
    const link = new Link(await ownPort(), server, options);
    const listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) =>
      link.#accept(near),
    );
    await new Promise<void>((resolve) => listener.listen(link.port, link.host, resolve));
    await atEnd(async () => {
      listener.close();
      for (const ends of link.#open) link.#reset(ends);
    });
    return link;
  }

  /** @param party everybody unless said otherwise */
  cut(party = anybody): void {
    this.#cut.add(party);
    for (const ends of this.#open)
      if (this.#isCut(ends)) for (const end of [ends.near, ends.far]) end?.unpipe().pause();
  }

  mend(): void {
    const held = [...this.#open].filter((ends) => this.#isCut(ends));
    this.#cut.clear();
    for (const ends of held)
      if (ends.party !== undefined) this.#join(ends);
      // It has yet to say its first words.
      else ends.near.resume();
  }

  /** Connections are reset; new ones are let through. */
  breakOff(party = anybody): void {
    for (const ends of [...this.#open]) if (party === anybody || ends.party === party) this.#reset(ends);
  }

  #isCut({ party }: Ends): boolean {
    return this.#cut.has(anybody) || (party !== undefined && this.#cut.has(party));
  }

  #accept(near: net.Socket): void {
    const ends: Ends = { near, far: undefined, party: undefined };
    this.#open.add(ends);
    near.on('error', () => this.#reset(ends)).on('close', () => this.#reset(ends));
    const partyOf = this.#partyOf;
    if (!partyOf) {
      this.#meet(ends, anybody);
      return;
    }
    near.once('data', (first: Buffer) => {
      near.pause();
      near.unshift(first);
      this.#meet(ends, partyOf(first));
    });
    near.resume();
  }

  #meet(ends: Ends, party: string): void {
    ends.party = party;
    if (!this.#isCut(ends)) this.#join(ends);
  }

  #join(ends: Ends): void {
    const { near } = ends;
    if (near.destroyed) return;
    ends.far ??= net
      .connect({ ...this.#to, allowHalfOpen: true, noDelay: true })
      .on('error', () => this.#reset(ends))
      .on('close', () => this.#reset(ends));
    near.setNoDelay(true);
    near.pipe(ends.far).pipe(near);
  }

  /** An end that the other side has closed tells nobody while the link is cut. */
  #reset(ends: Ends): void {
    if (this.#isCut(ends) && !ends.near.destroyed) return;
    this.#open.delete(ends);
    for (const end of [ends.near, ends.far]) if (end && !end.destroyed) end.resetAndDestroy();
  }
}
