/**
 * PROXY headers as a load balancer writes them: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, section 2.
 * Written here once more, from the document alone: what Envoy and the brain make of it is what is tested.
 */
import net from 'node:net';

export interface Peers {
  /** IP addresses of one family. */
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
}

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

export function proxyHeader(version: 'v1' | 'v2', { client, clientPort, server, serverPort }: Peers): Buffer {
  const isV4 = net.isIPv4(client);
  if (version === 'v1')
    return Buffer.from(
      `PROXY ${isV4 ? 'TCP4' : 'TCP6'} ${client} ${server} ${clientPort} ${serverPort}\r\n`,
      'latin1',
    );
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(clientPort, 0);
  ports.writeUInt16BE(serverPort, 2);
  const addresses = Buffer.concat([addressBytes(client), addressBytes(server), ports]);
  const head = Buffer.from([0x21, isV4 ? 0x11 : 0x21, 0, addresses.length]);
  return Buffer.concat([signature, head, addresses]);
}

/** Of a connection that is the load balancer's own. */
export const localHeader = Buffer.concat([signature, Buffer.from([0x20, 0, 0, 0])]);

function addressBytes(address: string): Buffer {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const missing = 8 - groups(head).length - groups(tail ?? '').length;
  const all = [
    ...groups(head),
    ...new Array<string>(tail === undefined ? 0 : missing).fill('0'),
    ...groups(tail ?? ''),
  ];
  return Buffer.concat(all.map((group) => Buffer.from(group.padStart(4, '0'), 'hex')));
}

/** A socket that connects from `localAddress`, if one is given, and sends these bytes before all others. */
export function socketBeginningWith(
  bytes: Buffer,
  { port, host }: { readonly port: number; readonly host: string },
  localAddress?: string,
): net.Socket {
  const socket = net.connect({ port, host, ...(localAddress !== undefined && { localAddress }) });
  socket.setNoDelay(true).write(bytes);
  return socket;
}
