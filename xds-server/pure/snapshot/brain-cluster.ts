import type { Cluster } from '#envoy-api/envoy/config/cluster/v3/Cluster.js';
import type { DnsCluster } from '#envoy-api/envoy/extensions/clusters/dns/v3/DnsCluster.js';
import type { HeaderMutation } from '#envoy-api/envoy/extensions/filters/http/header_mutation/v3/HeaderMutation.js';
import type { Lua } from '#envoy-api/envoy/extensions/filters/http/lua/v3/Lua.js';
import type { UpstreamCodec } from '#envoy-api/envoy/extensions/filters/http/upstream_codec/v3/UpstreamCodec.js';
import type { UpstreamTlsContext } from '#envoy-api/envoy/extensions/transport_sockets/tls/v3/UpstreamTlsContext.js';
import type { HttpProtocolOptions } from '#envoy-api/envoy/extensions/upstreams/http/v3/HttpProtocolOptions.js';
import { isIpAddress } from '../spec/ip.js';
import type { BootstrapOptions, BootstrapTls } from './bootstrap.js';
import { ejectionOfTheDead } from './ejection.js';
import { any, durationMs } from './messages.js';

/**
 * The brains as a node sees them: all of them in one cluster, each as good as the other. What moves its calls from one
 * that has died or hangs to another:
 *
 *   dead       the kernel answers (RST, refused): at once to another, by the retry of each call
 *   hangs      the kernel still accepts, HTTP/2 does not answer: the connection ends after two keep-alives, TLS on a
 *              new one after connect_timeout
 *   both       the first such failure keeps the brain out for a while, so that the next calls do not find it again
 *   dies in    an answer that has begun is never asked for again, and node:http2 writes the end of each in a turn of its own:
 *   an answer  so calls that have one answer wait until it is whole, and what is cut off in between has not begun
 *
 * Where all have failed all are asked (a panic threshold of 1 %, not 0: with nobody to ask a call ends at once).
 */
export function brainCluster(
  name: string,
  { node, xds, tls }: BootstrapOptions,
  { keepaliveMs, answers }: BrainCalls,
): Cluster {
  return {
    name,
    ...discovery(xds),
    connect_timeout: durationMs(1000),
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: xds.map(({ host, port }) => ({
            endpoint: { address: { socket_address: { address: host, port_value: port } } },
          })),
        },
      ],
    },
    ...(tls && { transport_socket: upstreamTls(tls) }),
    ...(xds.length > 1 && withoutTheDead),
    circuit_breakers: {
      thresholds: [
        {
          max_connections: unlimited,
          max_pending_requests: unlimited,
          max_requests: unlimited,
          max_retries: unlimited,
        },
      ],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any<HttpProtocolOptions>(
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        {
          explicit_http_config: {
            http2_protocol_options: {
              max_concurrent_streams: unlimited,
              connection_keepalive: {
                interval: durationMs(keepaliveMs),
                timeout: durationMs(keepaliveMs),
              },
            },
          },
          http_filters: [
            ...(answers === 'one' ? [heldUntilWhole] : []),
            ...(tls ? [] : [namedByHeader(node)]),
            upstreamCodec,
          ],
        },
      ),
    },
  };
}

/** What a cluster's calls are like. */
export interface BrainCalls {
  readonly keepaliveMs: number;
  /** Messages that a call is answered by, before its end. */
  readonly answers: 'one' | 'many';
}

/** The header by which a brain knows the node. */
export const nodeHeader = 'x-sluice-node';

/** Names of the node's two secrets. */
export const nodeSecret = { certificate: 'sluice_node', ca: 'sluice_brain_ca' } as const;

/** Above every queue together: the defaults would close clients beyond 1,024 held checks. */
const unlimited = { value: 1_000_000 };

const withoutTheDead = ejectionOfTheDead({ intervalMs: 500, leastMs: 2000, mostMs: 10_000 });

/** One name stays where its connections are when it gets another address; of several, each is followed to all it has. */
function discovery(xds: BootstrapOptions['xds']): Pick<Cluster, 'type' | 'cluster_type'> {
  if (xds.every(({ host }) => isIpAddress(host))) return { type: 'STATIC' };
  return {
    cluster_type: {
      name: 'envoy.clusters.dns',
      typed_config: any<DnsCluster>('envoy.extensions.clusters.dns.v3.DnsCluster', {
        dns_refresh_rate: durationMs(5000),
        dns_failure_refresh_rate: { base_interval: durationMs(500), max_interval: durationMs(5000) },
        dns_lookup_family: 'V4_PREFERRED',
        all_addresses_in_single_endpoint: xds.length === 1,
      }),
    },
  };
}

const namedByHeader = (node: string) => ({
  name: 'envoy.filters.http.header_mutation',
  typed_config: any<HeaderMutation>('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
    mutations: {
      request_mutations: [
        {
          append: {
            header: { key: nodeHeader, value: node },
            append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
          },
        },
      ],
    },
  }),
});

const heldUntilWhole = {
  name: 'envoy.filters.http.lua',
  typed_config: any<Lua>('envoy.extensions.filters.http.lua.v3.Lua', {
    default_source_code: {
      inline_string: 'function envoy_on_response(response) response:body() end',
    },
  }),
};

const upstreamCodec = {
  name: 'envoy.filters.http.upstream_codec',
  typed_config: any<UpstreamCodec>('envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec', {}),
};

/** TLS 1.3 with the node's certificate; a brain's must be of the CA and have one of the names. */
function upstreamTls({ secrets, serverNames }: BootstrapTls) {
  const fromFile = (name: string, path: string) => ({
    name,
    sds_config: { path_config_source: { path }, resource_api_version: 'V3' as const },
  });
  const named = serverNames.find((name) => !isIpAddress(name));
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any<UpstreamTlsContext>('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      ...(named !== undefined && { sni: named }),
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
        alpn_protocols: ['h2'],
        tls_certificate_sds_secret_configs: [fromFile(nodeSecret.certificate, secrets.certificate)],
        combined_validation_context: {
          default_validation_context: {
            match_typed_subject_alt_names: serverNames.map((name) => ({
              san_type: isIpAddress(name) ? ('IP_ADDRESS' as const) : ('DNS' as const),
              matcher: { exact: name },
            })),
          },
          validation_context_sds_secret_config: fromFile(nodeSecret.ca, secrets.ca),
        },
      },
    }),
  };
}
