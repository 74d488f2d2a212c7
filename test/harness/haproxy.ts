/** A real HAProxy, as a load balancer before Envoy or as the proxy that stands before a database. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { OtherProxy } from './other-proxy.js';
import { ownAddress, ownPort } from './own-address.js';
import { scratchFolder } from './scratch.js';

export interface HaProxyOptions {
  readonly name: string;
  /** Where it leads to. */
  readonly to: { readonly host: string; readonly port: number };
  /** The PROXY header that it sends there; none by default. */
  readonly sends?: 'v1' | 'v2';
  /** The address that it connects from. */
  readonly from?: string;
  /** Whether it demands a PROXY header of its own clients. */
  readonly demands?: boolean;
}

export class HaProxy extends OtherProxy {
  /** Resolves when it listens. */
  static async start({ name, to, sends, from, demands = false }: HaProxyOptions): Promise<HaProxy> {
    const folder = scratchFolder(name);
    const port = await ownPort();
    const file = path.join(folder, 'haproxy.cfg');
    const header = sends === undefined ? '' : { v1: ' send-proxy', v2: ' send-proxy-v2' }[sends];
    writeFileSync(
      file,
      [
        ...['global', '  maxconn 2000', '  log stdout format raw local0'],
        ...['defaults', '  mode tcp', '  log global', '  log-format "client %ci:%cp"'],
        ...['  timeout connect 5s', '  timeout client 1h', '  timeout server 1h'],
        ...[
          'frontend in',
          `  bind ${ownAddress}:${port}${demands ? ' accept-proxy' : ''}`,
          '  default_backend out',
        ],
        ...[
          'backend out',
          `  server one ${to.host}:${to.port}${header}${from === undefined ? '' : ` source ${from}`}`,
          '',
        ],
      ].join('\n'),
    );
    const child = await OtherProxy.run(port, {
      title: `HAProxy ${name}`,
      command: '/usr/sbin/haproxy',
      args: ['-db', '-f', file],
      logFile: path.join(folder, 'log'),
      // SIGTERM ends it at once, SIGUSR1 would wait for its clients.
      stopSignal: 'SIGTERM',
    });
    return new HaProxy(port, child);
  }

  /** Addresses of the clients whose connections have ended, `192.0.2.7:5555`, in their order. */
  get clients(): readonly string[] {
    return [...this.child.log.matchAll(/^client (\S+)$/gm)].map(([, address]) => address!);
  }
}
