/** Where a connection's other end is, as `address:port`. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { formatAddress } from '../../pure/plan/address.js';

export function endOf(socket: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): string {
  return formatAddress({ host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });
}

/** What a TLS socket was made of. Node keeps it to itself. */
export function socketBelow(socket: TLSSocket): Socket | undefined {
  return (socket as unknown as { readonly _parent?: Socket })._parent;
}

/**
 * Of a TLS socket that Node has closed by itself, over a certificate that it does not trust: it no longer knows its other
 * end, and the socket below it does, which was asked while it was open.
 */
export function endOfClosed(socket: TLSSocket): string {
  const below = socketBelow(socket);
  return endOf(socket.remoteAddress === undefined && below ? below : socket);
}
