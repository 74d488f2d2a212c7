/**
 * A server that lies to nodes and is honest to the observer: a real database stands behind it for the latter. It tells
 * them apart by the PROXY header (v1) that its spec asks for: the observer's names nobody.
 */
import net from 'node:net';
import { atEnd } from './ending.js';
import { ownAddress, ownPort } from './own-address.js';

/** What it does with a node's connection, whose header has been taken off. */
export type Lie = (socket: net.Socket) => void;

export class LyingServer {
  readonly host = ownAddress;
  readonly port: number;
  /** May be changed at any time; for connections to come. */
  lie: Lie = (socket) => socket.destroy();
  /** Connections of nodes so far. */
  connections = 0;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(honest: { readonly host: string; readonly port: number }): Promise<LyingServer> {
    const liar = new LyingServer(await ownPort());
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
      let head = Buffer.alloc(0);
      const read = (chunk: Buffer) => {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n');
        if (end < 0) return;
        socket.off('data', read).pause();
        const rest = head.subarray(end + 2);
        if (rest.length > 0) socket.unshift(rest);
        if (head.subarray(0, end).toString() === 'PROXY UNKNOWN') passOn(socket, honest);
        else {
          liar.connections += 1;
          liar.lie(socket.resume());
        }
      };
      socket.on('data', read);
    });
    await new Promise<void>((resolve) => server.listen(liar.port, liar.host, resolve));
    await atEnd(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    return liar;
  }
}

function passOn(socket: net.Socket, to: { readonly host: string; readonly port: number }): void {
  const beyond = net.connect(to.port, to.host);
  beyond.on('error', () => socket.destroy()).on('close', () => socket.destroy());
  socket.on('close', () => beyond.destroy());
  socket.pipe(beyond).pipe(socket);
}
