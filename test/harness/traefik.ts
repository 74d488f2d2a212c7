/** A real Traefik that answers Postgres' TLS request and routes by the server name: the nearest peer of Sluice. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Certificate } from './certificates.js';
import { OtherProxy } from './other-proxy.js';
import { ownAddress, ownPort } from './own-address.js';
import { scratchFolder } from './scratch.js';

const program = path.resolve(import.meta.dirname, '../../build/bin/traefik');

export interface TraefikOptions {
  readonly certificate: Certificate;
  /** The server name that leads to `upstream`. */
  readonly hostname: string;
  readonly upstream: { readonly host: string; readonly port: number };
  /** Processors that it may use at once. */
  readonly workers: number;
}

export class Traefik extends OtherProxy {
  /** Resolves when clients can connect. */
  static async start({ certificate, hostname, upstream, workers }: TraefikOptions): Promise<Traefik> {
    const folder = scratchFolder('traefik');
    const port = await ownPort();
    const [fixed, dynamic] = [path.join(folder, 'traefik.yaml'), path.join(folder, 'dynamic.yaml')];
    writeFileSync(
      fixed,
      stringify({
        global: { checkNewVersion: false, sendAnonymousUsage: false },
        entryPoints: { pg: { address: `${ownAddress}:${port}` } },
        providers: { file: { filename: dynamic, watch: false } },
        log: { level: 'WARN' },
      }),
    );
    writeFileSync(
      dynamic,
      stringify({
        tcp: {
          routers: {
            pg: {
              entryPoints: ['pg'],
              rule: `HostSNI(\`${hostname}\`)`,
              service: 'pg',
              tls: { options: 'pg' },
            },
          },
          services: { pg: { loadBalancer: { servers: [{ address: `${upstream.host}:${upstream.port}` }] } } },
        },
        tls: {
          certificates: [{ certFile: certificate.chain, keyFile: certificate.key }],
          options: { pg: { alpnProtocols: ['postgresql'], minVersion: 'VersionTLS12' } },
        },
      }),
    );
    const child = await OtherProxy.run(port, {
      title: 'Traefik',
      command: program,
      args: [`--configFile=${fixed}`],
      logFile: path.join(folder, 'log'),
      env: { GOMAXPROCS: String(workers) },
    });
    return new Traefik(port, child);
  }
}
