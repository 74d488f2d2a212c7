/**
 * A CancelRequest to a Postgres server: a connection of its own, which the server closes without an answer once it has
 * signalled the session. It takes none of the server's max_connections.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
import net from 'node:net';
import { patience } from './link.js';

const cancelRequestCode = 80_877_102;

/** @returns whether the server has taken it; it says nothing of what it did. */
export function sendCancel(
  server: { readonly host: string; readonly port: number },
  pid: number,
  secret: Uint8Array,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: server.host, port: server.port });
    let isSent = false;
    const end = (): void => {
      socket.destroy();
      resolve(isSent);
    };
    socket.setTimeout(patience.connectMs, end);
    socket.once('connect', () => {
      socket.setTimeout(patience.answerMs, end);
      socket.write(cancelRequest(pid, secret), () => {
        isSent = true;
      });
    });
    socket.once('error', end);
    socket.once('close', end);
    // Nothing is ever said there, and unread bytes would hold the close back.
    socket.resume();
  });
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
