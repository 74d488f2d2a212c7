/**
 * A network between two processes: passes everything on until it is cut. What is cut loses nothing and says nothing:
 * no byte, no FIN and no RST comes through, and whoever connects meanwhile waits, as when packets are dropped.
 */
import net from 'node:net';
import { atEnd } from '../harness/ending.js';
import { ownAddress, ownPort } from '../harness/own-address.js';

interface Ends {
  readonly near: net.Socket;
  far: net.Socket | undefined;
}

export class Link {
  readonly host = ownAddress;
  readonly port: number;
  readonly #to: { readonly host: string; readonly port: number };
  readonly #open = new Set<Ends>();
  #isCut = false;

  private constructor(port: number, to: { readonly host: string; readonly port: number }) {
    this.port = port;
    this.#to = to;
  }

  static async to(server: { readonly host: string; readonly port: number }): Promise<Link> {
    const link = new Link(await ownPort(), server);
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

  cut(): void {
    this.#isCut = true;
    for (const { near, far } of this.#open) for (const end of [near, far]) end?.unpipe().pause();
  }

  mend(): void {
    this.#isCut = false;
    for (const ends of this.#open) this.#join(ends);
  }

  /** Every connection is reset; new ones are let through. */
  breakOff(): void {
    for (const ends of [...this.#open]) this.#reset(ends);
  }

  #accept(near: net.Socket): void {
    const ends: Ends = { near, far: undefined };
    this.#open.add(ends);
    near.on('error', () => this.#reset(ends)).on('close', () => this.#reset(ends));
    if (!this.#isCut) this.#join(ends);
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
    if (this.#isCut && !ends.near.destroyed) return;
    this.#open.delete(ends);
    for (const end of [ends.near, ends.far]) if (end && !end.destroyed) end.resetAndDestroy();
  }
}
