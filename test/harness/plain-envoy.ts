/**
 * The same Envoy binary with nothing of this project in it: TLS ended, bytes passed on to one Postgres. What Sluice
 * is compared with. It does not know Postgres' TLS request, so its clients begin with TLS (`sslnegotiation=direct`).
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Certificate } from './certificates.js';
import { OtherProxy } from './other-proxy.js';
import { ownAddress, ownPort } from './own-address.js';
import { scratchFolder } from './scratch.js';

const top = path.resolve(import.meta.dirname, '../..');

export interface PlainEnvoyOptions {
  readonly certificate: Certificate;
  readonly upstream: { readonly host: string; readonly port: number };
  readonly workers: number;
}

export class PlainEnvoy extends OtherProxy {
  /** Resolves when clients can connect. */
  static async start(options: PlainEnvoyOptions): Promise<PlainEnvoy> {
    const folder = scratchFolder('plain-envoy');
    const [port, adminPort] = [await ownPort(), await ownPort()];
    const file = path.join(folder, 'bootstrap.json');
    writeFileSync(file, JSON.stringify(bootstrap(options, port, adminPort)));
    const child = await OtherProxy.run(port, {
      title: 'plain Envoy',
      command: path.join(top, 'build/bin/envoy'),
      args: [
        ...['--config-path', file, '--concurrency', String(options.workers), '--disable-hot-restart'],
        ...['--log-level', 'warning'],
      ],
      logFile: path.join(folder, 'log'),
    });
    return new PlainEnvoy(port, child);
  }
}

const address = (host: string, port: number) => ({
  address: { socket_address: { address: host, port_value: port } },
});

/** What also stands in the listeners and clusters of this project stands here: buffers, workers, TLS, no session resumption. */
function bootstrap({ certificate, upstream }: PlainEnvoyOptions, port: number, adminPort: number): object {
  const type = (name: string) => ({ '@type': `type.googleapis.com/envoy.extensions.${name}` });
  const bufferBytes = 256 * 1024;
  return {
    node: { id: 'plain', cluster: 'plain' },
    admin: address(ownAddress, adminPort),
    static_resources: {
      listeners: [
        {
          name: 'pg',
          ...address(ownAddress, port),
          per_connection_buffer_limit_bytes: bufferBytes,
          connection_balance_config: { exact_balance: {} },
          filter_chains: [
            {
              filters: [
                {
                  name: 'envoy.filters.network.tcp_proxy',
                  typed_config: {
                    ...type('filters.network.tcp_proxy.v3.TcpProxy'),
                    stat_prefix: 'plain',
                    cluster: 'postgres',
                    idle_timeout: '0s',
                  },
                },
              ],
              transport_socket: {
                name: 'envoy.transport_sockets.tls',
                typed_config: {
                  ...type('transport_sockets.tls.v3.DownstreamTlsContext'),
                  common_tls_context: {
                    tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
                    alpn_protocols: ['postgresql'],
                    tls_certificates: [
                      {
                        certificate_chain: { filename: certificate.chain },
                        private_key: { filename: certificate.key },
                      },
                    ],
                  },
                  disable_stateless_session_resumption: true,
                  disable_stateful_session_resumption: true,
                },
              },
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'postgres',
          type: 'STATIC',
          connect_timeout: '2s',
          per_connection_buffer_limit_bytes: bufferBytes,
          circuit_breakers: { thresholds: [{ max_connections: 10_000, max_pending_requests: 10_000 }] },
          load_assignment: {
            cluster_name: 'postgres',
            endpoints: [{ lb_endpoints: [{ endpoint: address(upstream.host, upstream.port) }] }],
          },
        },
      ],
    },
  };
}
