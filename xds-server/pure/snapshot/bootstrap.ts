import type { Bootstrap } from '#envoy-api/envoy/config/bootstrap/v3/Bootstrap.js';
import type { Cluster } from '#envoy-api/envoy/config/cluster/v3/Cluster.js';
import type { Address } from '#envoy-api/envoy/config/core/v3/Address.js';
import type { DnsCluster } from '#envoy-api/envoy/extensions/clusters/dns/v3/DnsCluster.js';
import type { HeaderMutation } from '#envoy-api/envoy/extensions/filters/http/header_mutation/v3/HeaderMutation.js';
import type { UpstreamCodec } from '#envoy-api/envoy/extensions/filters/http/upstream_codec/v3/UpstreamCodec.js';
import type { DownstreamConnectionsConfig } from '#envoy-api/envoy/extensions/resource_monitors/downstream_connections/v3/DownstreamConnectionsConfig.js';
import type { Secret } from '#envoy-api/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import type { UpstreamTlsContext } from '#envoy-api/envoy/extensions/transport_sockets/tls/v3/UpstreamTlsContext.js';
import type { HttpProtocolOptions } from '#envoy-api/envoy/extensions/upstreams/http/v3/HttpProtocolOptions.js';
import { nodeIdExpected, nodeIdPattern } from '../identity/node-identity.js';
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
 * large update would stand in the way of checks. The node's certificate says which node it is (node-identity.ts); in
 * plaintext a header of every request does, since the listeners, which ask for checks and send the reports, are the
 * same bytes on every node.
 */
export interface BootstrapOptions {
  /** Node id: names this Envoy in every check and report. */
  readonly node: string;
  /** Where the brain serves gRPC: an IP address, or with TLS a DNS name. */
  readonly xds: HostPort;
  /** Envoy's own admin interface; absent: it has none. */
  readonly admin?: HostPort;
  /** Absent: plaintext, on loopback. */
  readonly tls?: BootstrapTls;
}

export interface BootstrapTls {
  /** Where the node finds the files that `bootstrapSecrets` makes. */
  readonly secrets: { readonly certificate: string; readonly ca: string };
  /** DNS name or IP address that the brain's certificate must have. */
  readonly serverName: string;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The header by which the brain knows the node. */
export const nodeHeader = 'x-sluice-node';

/** What is wrong with the options; `bootstrap` may be called when there is nothing. */
export function bootstrapProblems({ node, xds, admin, tls }: BootstrapOptions): readonly Problem[] {
  const problems: Problem[] = [];
  // In a header Envoy would read % as the beginning of a command.
  if (!nodeIdPattern.test(node))
    problems.push({ path: 'node', expected: nodeIdExpected, found: shown(node) });
  const isNamed = (host: string): boolean => isIpAddress(host) || (tls !== undefined && isDnsName(host));
  const expected = tls ? 'an IP address or a DNS name' : 'an IP address';
  if (!isNamed(xds.host)) problems.push({ path: 'xds', expected, found: shown(xds.host) });
  else if (!tls && !isLoopback(xds.host))
    problems.push({
      path: 'xds',
      expected: 'a loopback address, as long as there is no TLS',
      found: shown(xds.host),
      hint: 'give the node a certificate (--tls-certificate, --tls-key, --tls-ca)',
    });
  if (tls && !isNamed(tls.serverName))
    problems.push({ path: 'tls-server-name', expected, found: shown(tls.serverName) });
  if (admin && !isIpAddress(admin.host))
    problems.push({ path: 'admin', expected: 'an IP address', found: shown(admin.host) });
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

function bootstrapMessage(options: BootstrapOptions): Bootstrap {
  const { node, admin } = options;
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
        brainCluster(clusterOf.xds, options, configurationKeepaliveMs),
        brainCluster(clusterOf.brain, options, admissionKeepaliveMs),
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

function brainCluster(name: string, { node, xds, tls }: BootstrapOptions, keepaliveMs: number): Cluster {
  return {
    name,
    ...(isIpAddress(xds.host) ? { type: 'STATIC' as const } : { cluster_type: byName }),
    connect_timeout: durationMs(1000),
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(xds) } }] }],
    },
    ...(tls && { transport_socket: upstreamTls(tls) }),
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
          ...(!tls && { http_filters: namedByHeader(node) }),
        },
      ),
    },
  };
}

/** The first address that the name has; connections stay when it has another. */
const byName = {
  name: 'envoy.clusters.dns',
  typed_config: any<DnsCluster>('envoy.extensions.clusters.dns.v3.DnsCluster', {
    dns_refresh_rate: durationMs(5000),
    dns_failure_refresh_rate: { base_interval: durationMs(500), max_interval: durationMs(5000) },
    dns_lookup_family: 'V4_PREFERRED',
    all_addresses_in_single_endpoint: true,
  }),
};

const namedByHeader = (node: string) => [
  {
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
  },
  {
    name: 'envoy.filters.http.upstream_codec',
    typed_config: any<UpstreamCodec>('envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec', {}),
  },
];

/** Names of the two secrets. */
const secretOf = { certificate: 'sluice_node', ca: 'sluice_brain_ca' } as const;

/** TLS 1.3 with the node's certificate; the brain's must be of the CA and have the name. */
function upstreamTls({ secrets, serverName }: BootstrapTls) {
  const fromFile = (name: string, path: string) => ({
    name,
    sds_config: { path_config_source: { path }, resource_api_version: 'V3' as const },
  });
  const isIp = isIpAddress(serverName);
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any<UpstreamTlsContext>('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      ...(!isIp && { sni: serverName }),
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
        alpn_protocols: ['h2'],
        tls_certificate_sds_secret_configs: [fromFile(secretOf.certificate, secrets.certificate)],
        combined_validation_context: {
          default_validation_context: {
            match_typed_subject_alt_names: [
              { san_type: isIp ? 'IP_ADDRESS' : 'DNS', matcher: { exact: serverName } },
            ],
          },
          validation_context_sds_secret_config: fromFile(secretOf.ca, secrets.ca),
        },
      },
    }),
  };
}

/** The node's files, PEM, where the node finds them: certificate and key in one folder. */
export interface NodeFiles {
  readonly certificate: string;
  readonly key: string;
  /** Of the brain's certificate. */
  readonly ca: string;
}

/**
 * The two files by which Envoy learns of the PEM files, and that it is to look at them again when something in their
 * folders is renamed. Only secrets that come so are followed; a bootstrap alone cannot say it.
 */
export function bootstrapSecrets(
  { certificate, key, ca }: NodeFiles,
  encoder: Encoder,
): { readonly certificate: JsonObject; readonly ca: JsonObject } {
  const type = 'envoy.service.discovery.v3.DiscoveryResponse';
  const response = (secret: Secret): JsonObject => {
    const resources = [any<Secret>('envoy.extensions.transport_sockets.tls.v3.Secret', secret)];
    return protoJson(encoder.root, type, encoder.encode(type, { resources }));
  };
  return {
    certificate: response({
      name: secretOf.certificate,
      tls_certificate: {
        certificate_chain: { filename: certificate },
        private_key: { filename: key },
        watched_directory: { path: folderOf(certificate) },
      },
    }),
    ca: response({
      name: secretOf.ca,
      validation_context: { trusted_ca: { filename: ca }, watched_directory: { path: folderOf(ca) } },
    }),
  };
}

/** Of an absolute path. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function isDnsName(host: string): boolean {
  return (
    host.length <= 253 &&
    /^(?!\d+(\.\d+)*$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/.test(
      host,
    )
  );
}

function address({ host, port }: HostPort): Address {
  return { socket_address: { address: host, port_value: port } };
}
