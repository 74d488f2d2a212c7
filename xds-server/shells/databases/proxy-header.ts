/**
 * The PROXY header of a connection that is nobody's but its own: what a proxy sends with its health checks, and the
 * observer with its questions. The receiver then takes the connection's real address.
 *
 * https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, sections 2.1 (UNKNOWN) and 2.2 (LOCAL)
 */
import net from 'node:net';
import type { ProxyVersion } from '../../pure/plan/plan.js';

export const ownHeader: Readonly<Record<ProxyVersion, Buffer>> = {
  v1: Buffer.from('PROXY UNKNOWN\r\n'),
  // Signature; version 2, command LOCAL; no family; no addresses.
  v2: Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'),
};

/** A socket that has yet to connect, and sends the header before whatever its user sends. */
export function socketWithHeader(version: ProxyVersion): net.Socket {
  const socket = new net.Socket();
  // The first to hear of it, so that the header is the first to be written.
  socket.once('connect', () => socket.write(ownHeader[version]));
  return socket;
}
