/**
 * The connections that are open: how many each node has, and how they end. A sweep each second notices ends that have
 * fallen silent, messages that do not come and certificates that expire.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { Overdue } from '../../pure/rpc/overdue.js';
import type { Http2Connection } from './http2-connection.js';
import { isIssuedBy, type PeerCertificate } from './peer-certificate.js';
import type { RpcStream } from './rpc-stream.js';

/**
 * Nodes that vanish or stand still are noticed after two of these, at the latest three: until then their clients that wait are
 * granted what they cannot use. As soon as nodes notice a brain (`connection_keepalive` of their bootstrap).
 */
const lookMs = 1_000;
/** So many looks a message has from its first byte to its last, and a call of one message from its opening. */
const messageLooks = 10;
/** So long before its certificate ends a channel takes no more calls: the node's next one proves itself anew. */
const farewellMs = 60_000;

interface Open {
  readonly connection: Http2Connection;
  /** `node edge-1`, `brain one`; undefined in plaintext. */
  readonly node: string | undefined;
  readonly certificate: PeerCertificate | undefined;
}

export class OpenConnections {
  /** Calls whose message is waited for. */
  readonly awaited = new Overdue<RpcStream>(messageLooks);
  readonly #log: Logger;
  readonly #open = new Set<Open>();
  readonly #countOfNode = new Map<string, number>();
  readonly #looking: NodeJS.Timeout;
  #lookedMs = performance.now();
  #isDraining = false;
  #drained: () => void = () => undefined;

  constructor(log: Logger) {
    this.#log = log;
    this.#looking = setInterval(() => this.#look(), lookMs);
  }

  add(open: Open, socket: Socket): void {
    const { connection, node } = open;
    this.#open.add(open);
    this.#count(node, 1);
    socket.once('close', () => {
      this.#open.delete(open);
      this.#count(node, -1);
      if (this.#isDraining && this.#open.size === 0) this.#drained();
    });
    if (this.#isDraining) connection.drain();
  }

  countOf(node: string): number {
    return this.#countOfNode.get(node) ?? 0;
  }

  /** Ends those of nodes that none of these CAs stands behind. */
  keepIssuedBy(cas: readonly X509Certificate[]): void {
    for (const { connection, certificate, node } of [...this.#open]) {
      if (!certificate || isIssuedBy(certificate, cas)) continue;
      this.#log.warn({ node }, 'the CA of a node was taken away: its channel is closed');
      connection.destroy();
    }
  }

  /** No new calls, on those that come meanwhile neither. Resolves when all have ended. */
  drain(): Promise<void> {
    this.#isDraining = true;
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    for (const { connection } of [...this.#open]) connection.drain();
    if (this.#open.size === 0) this.#drained();
    return drained;
  }

  /** Ends all; more may come. */
  breakOff(): void {
    for (const { connection } of [...this.#open]) connection.destroy();
  }

  destroy(): void {
    clearInterval(this.#looking);
    this.breakOff();
  }

  #count(node: string | undefined, by: 1 | -1): void {
    if (node === undefined) return;
    const count = this.countOf(node) + by;
    if (count > 0) this.#countOfNode.set(node, count);
    else this.#countOfNode.delete(node);
  }

  #look(): void {
    const nowMs = Date.now();
    // Who stood still himself has not read yet what came meanwhile.
    const stoodStill = performance.now() - this.#lookedMs > 2 * lookMs;
    this.#lookedMs = performance.now();
    if (!stoodStill) for (const call of this.awaited.look()) call.overdue();
    for (const { connection, certificate, node } of [...this.#open]) {
      if (!stoodStill) connection.look();
      const leftMs = certificate ? certificate.validToMs - nowMs : Number.POSITIVE_INFINITY;
      if (leftMs <= 0) {
        this.#log.warn({ node }, 'the certificate of a node has expired: its channel is closed');
        connection.destroy();
      } else if (leftMs <= farewellMs) connection.drain();
    }
  }
}
