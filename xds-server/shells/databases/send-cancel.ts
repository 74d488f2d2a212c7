/**
 * A CancelRequest to a Postgres server: a connection of its own, which the server closes without an answer once it has
 * signalled the session. It takes none of the server's max_connections.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
import net from 'node:net';
import tls from 'node:tls';
import type { Server } from '../../pure/cancel/server-of.js';
import { type Approach, type LinkTls, patience } from './link.js';
import { tlsTo } from './postgres-link.js';
import { socketWithHeader } from './proxy-header.js';

const cancelRequestCode = 80_877_102;
const sslRequest = Buffer.from('0000000804d2162f', 'hex');

/**
 * @param approach as the nodes come: the secret goes by TLS where they do
 * @returns whether the server has taken it; it says nothing of what it did.
 */
export function sendCancel(
  server: Server,
  pid: number,
  secret: Uint8Array,
  { proxyProtocol, tls: over }: Approach,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = proxyProtocol ? socketWithHeader(proxyProtocol) : new net.Socket();
    let isSent = false;
    const end = (): void => {
      socket.destroy();
      resolve(isSent);
    };
    const send = (way: net.Socket): void => {
      // Nothing is ever said there, and unread bytes would hold the close back.
      way.resume();
      way.write(cancelRequest(pid, secret), () => {
        isSent = true;
      });
    };
    socket.setTimeout(patience.connectMs, end);
    socket.once('connect', () => {
      socket.setTimeout(patience.answerMs, end);
      if (over) protect(socket, server, over, send, end);
      else send(socket);
    });
    socket.once('error', end);
    socket.once('close', end);
    socket.connect(server.port, server.host);
  });
}

function protect(
  socket: net.Socket,
  { endpoint }: Server,
  over: LinkTls,
  send: (way: net.Socket) => void,
  end: () => void,
): void {
  const begin = (): void => {
    const way = tls.connect({ socket, ...tlsTo(endpoint, over) });
    way.once('secureConnect', () => send(way));
    way.once('error', end);
    way.once('close', end);
  };
  if (over.negotiation === 'direct') {
    begin();
    return;
  }
  socket.once('data', (answer) => (answer.toString('latin1') === 'S' ? begin() : end()));
  socket.write(sslRequest);
}

/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-CANCELREQUEST */
function cancelRequest(pid: number, secret: Uint8Array): Buffer {
  const message = Buffer.alloc(12 + secret.length);
  message.writeUInt32BE(message.length, 0);
  message.writeUInt32BE(cancelRequestCode, 4);
  message.writeUInt32BE(pid, 8);
  message.set(secret, 12);
  return message;
}
