/**
 * TLS 1.3 with those who come: out of a handshake comes whoever has shown a certificate of the CA, in time, while not too
 * many try. Whose certificate it is is not asked here.
 */
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { endOf, endOfClosed, socketBelow } from './peer-address.js';

/** Why a connection was refused before it could ask anything. */
export type RefusalReason =
  | 'no_certificate'
  | 'expired_certificate'
  | 'untrusted_certificate'
  | 'not_a_node'
  /** Over its name, its CA or its time: the other end says no more. */
  | 'brain_not_trusted'
  | 'not_tls'
  /** Also a brain that does not trust this one: Node sends no alert. */
  | 'hung_up'
  | 'handshake_timeout'
  | 'too_many';

/** PEM. They have been checked. */
export interface Credentials {
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
  /** Whose certificates are those of nodes. */
  readonly clientCa: Uint8Array;
}

interface HandshakeOutcomes {
  completed(socket: TLSSocket, peer: string): void;
  /** `found`: for the log. */
  refused(reason: RefusalReason, peer: string, found: string): void;
}

/** Who takes longer is not there, or not one of ours. */
const handshakeMs = 5_000;
/** In their handshake at once; the oldest gives way. */
const maxHandshakes = 1_024;

export class TlsHandshakes {
  readonly server: Server;
  /** By `address:port` of the other end, the oldest first. */
  readonly #underWay = new Map<string, Socket>();
  /** Broken off to make room. */
  readonly #crowded = new WeakSet<Socket>();

  constructor(credentials: Credentials, outcomes: HandshakeOutcomes) {
    this.server = createServer({
      ...contextOf(credentials),
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['h2'],
      handshakeTimeout: handshakeMs,
    });
    this.server.on('connection', (socket: Socket) => this.#begin(socket));
    this.server.on('secureConnection', (socket) => {
      const peer = endOf(socket);
      this.#underWay.delete(peer);
      outcomes.completed(socket, peer);
    });
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      const found = socket.authorizationError
        ? String(socket.authorizationError)
        : (error.code ?? error.message);
      const below = socketBelow(socket);
      if (below && this.#crowded.has(below))
        outcomes.refused('too_many', endOfClosed(socket), `${maxHandshakes} are in their handshake`);
      else outcomes.refused(reasonOf(found), endOfClosed(socket), found);
      socket.destroy();
    });
  }

  /** For those who come from now on. */
  replaceCredentials(credentials: Credentials): void {
    this.server.setSecureContext(contextOf(credentials));
  }

  /** Breaks off those that are under way. */
  destroy(): void {
    for (const socket of [...this.#underWay.values()]) socket.destroy();
  }

  #begin(socket: Socket): void {
    const end = endOf(socket);
    socket.once('close', () => {
      if (this.#underWay.get(end) === socket) this.#underWay.delete(end);
    });
    this.#underWay.set(end, socket);
    if (this.#underWay.size <= maxHandshakes) return;
    const [oldest, crowded] = this.#underWay.entries().next().value!;
    this.#underWay.delete(oldest);
    this.#crowded.add(crowded);
    crowded.destroy();
  }
}

/** Without tickets: a resumed session would not be held against the CA of its time. */
function contextOf({ chain, key, clientCa }: Credentials) {
  return {
    cert: Buffer.from(chain),
    key: Buffer.from(key),
    ca: Buffer.from(clientCa),
    minVersion: 'TLSv1.3' as const,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** By OpenSSL's and Node's own codes. */
function reasonOf(code: string): RefusalReason {
  if (code.includes('HAS_EXPIRED')) return 'expired_certificate';
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'no_certificate';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'handshake_timeout';
  if (/_ALERT_(.*CERTIFICATE|UNKNOWN_CA)/.test(code)) return 'brain_not_trusted';
  if (code === 'ECONNRESET') return 'hung_up';
  if (code.startsWith('ERR_') || code === 'EPROTO') return 'not_tls';
  return 'untrusted_certificate';
}
