import type { Bootstrap } from '#envoy-api/envoy/config/bootstrap/v3/Bootstrap.js';
import type { Cluster } from '#envoy-api/envoy/config/cluster/v3/Cluster.js';
import type { Address } from '#envoy-api/envoy/config/core/v3/Address.js';
import type { HeaderMutation } from '#envoy-api/envoy/extensions/filters/http/header_mutation/v3/HeaderMutation.js';
import type { UpstreamCodec } from '#envoy-api/envoy/extensions/filters/http/upstream_codec/v3/UpstreamCodec.js';
import type { DownstreamConnectionsConfig } from '#envoy-api/envoy/extensions/resource_monitors/downstream_connections/v3/DownstreamConnectionsConfig.js';
import type { HttpProtocolOptions } from '#envoy-api/envoy/extensions/upstreams/http/v3/HttpProtocolOptions.js';
import { isIpAddress, isLoopback } from '../spec/ip.js';
import { type Problem, renderProblem, shown } from '../spec/problem.js';
import type { Encoder } from './encoder.js';
import { any, clusterOf, durationMs, fromAds, struct } from './messages.js';
import { type JsonObject, protoJson } from './proto-json.js';
import { runtimeLayer } from './runtime.js';

/**
 * What a node is started with: who it is and where the brain is; everything else it is told by the brain.
 *
 * Two clusters lead to the same address, because configuration and admission must not share an HTTP/2 connection: a
 * large update would stand in the way of checks. Both name the node in a header of every request, since the
 * listeners, which ask for checks and send the reports, are the same bytes on every node.
 */
export interface BootstrapOptions {
  /** Node id: names this Envoy in every check and report. */
  readonly node: string;
  /** Where the brain serves gRPC: an IP address. */
  readonly xds: HostPort;
  /** Envoy's own admin interface; absent: it has none. */
  readonly admin?: HostPort;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The header by which the brain knows the node. */
export const nodeHeader = 'x-sluice-node';

/** What is wrong with the options; `bootstrap` may be called when there is nothing. */
export function bootstrapProblems({ node, xds, admin }: BootstrapOptions): readonly Problem[] {
  const problems: Problem[] = [];
  // In a header Envoy would read % as the beginning of a command.
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(node))
    problems.push({ path: 'node', expected: '1 to 128 of A-Z a-z 0-9 . _ -', found: shown(node) });
  for (const [path, at] of [
    ['xds', xds],
    ['admin', admin],
  ] as const)
    if (at && !isIpAddress(at.host))
      problems.push({ path, expected: 'an IP address', found: shown(at.host) });
  if (isIpAddress(xds.host) && !isLoopback(xds.host))
    problems.push({
      path: 'xds',
      expected: 'a loopback address, the only one that the brain serves',
      found: shown(xds.host),
      hint: 'mutual TLS between brain and node is not there yet',
    });
  return problems;
}

/**
 * Envoy's bootstrap in the JSON form that `envoy -c` reads; checked against the schema field by field.
 *
 * @throws Error when `bootstrapProblems` has something to say
 */
export function bootstrap(options: BootstrapOptions, encoder: Encoder): JsonObject {
  const [problem] = bootstrapProblems(options);
  if (problem) throw new Error(renderProblem(problem));
  const type = 'envoy.config.bootstrap.v3.Bootstrap';
  return protoJson(encoder.root, type, encoder.encode(type, bootstrapMessage(options)));
}

function bootstrapMessage({ node, xds, admin }: BootstrapOptions): Bootstrap {
  return {
    node: { id: node, cluster: 'sluice' },
    ...(admin && { admin: { address: address(admin) } }),
    dynamic_resources: {
      cds_config: fromAds,
      lds_config: fromAds,
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [
          {
            envoy_grpc: {
              cluster_name: clusterOf.xds,
              // A brain that is back grants nothing to a node before the node has told it what it holds.
              retry_policy: {
                retry_back_off: { base_interval: durationMs(250), max_interval: durationMs(1000) },
              },
            },
          },
        ],
      },
    },
    layered_runtime: {
      layers: [
        {
          name: 'sluice_guards',
          // Without it a client whose database fails its TLS handshake would be closed without a word.
          static_layer: struct({ 'envoy.reloadable_features.connection_close_through_filter_manager': true }),
        },
        { name: runtimeLayer, rtds_layer: { name: runtimeLayer, rtds_config: fromAds } },
      ],
    },
    overload_manager: {
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: any<DownstreamConnectionsConfig>(
            'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
            { max_active_downstream_connections: maxClients },
          ),
        },
      ],
    },
    static_resources: {
      clusters: [
        brainCluster(clusterOf.xds, node, xds, configurationKeepaliveMs),
        brainCluster(clusterOf.brain, node, xds, admissionKeepaliveMs),
      ],
    },
  };
}

/** Waiting and half-open clients included: past it a node closes newcomers at once, so its memory has a bound. */
const maxClients = 50_000;

/** A brain that is busy with a large update is not dead. */
const configurationKeepaliveMs = 10_000;

/** Held checks move on from a brain that hangs within twice this. */
const admissionKeepaliveMs = 1000;

/** Above every queue together: the defaults would close clients beyond 1,024 held checks. */
const unlimited = { value: 1_000_000 };

function brainCluster(name: string, node: string, at: HostPort, keepaliveMs: number): Cluster {
  return {
    name,
    // One brain today; a name would be resolved once an hour at worst, so the address is given.
    type: 'STATIC',
    connect_timeout: durationMs(1000),
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(at) } }] }],
    },
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
            {
              name: 'envoy.filters.http.header_mutation',
              typed_config: any<HeaderMutation>(
                'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
                {
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
                },
              ),
            },
            {
              name: 'envoy.filters.http.upstream_codec',
              typed_config: any<UpstreamCodec>(
                'envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec',
                {},
              ),
            },
          ],
        },
      ),
    },
  };
}

function address({ host, port }: HostPort): Address {
  return { socket_address: { address: host, port_value: port } };
}
