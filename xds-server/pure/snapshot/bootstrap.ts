import type { Bootstrap } from '#envoy-api/envoy/config/bootstrap/v3/Bootstrap.js';
import type { Address } from '#envoy-api/envoy/config/core/v3/Address.js';
import type { DownstreamConnectionsConfig } from '#envoy-api/envoy/extensions/resource_monitors/downstream_connections/v3/DownstreamConnectionsConfig.js';
import type { Secret } from '#envoy-api/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import { nodeIdExpected, nodeIdPattern } from '../identity/node-identity.js';
import { formatAddress } from '../plan/address.js';
import { isIpAddress, isLoopback } from '../spec/ip.js';
import { type Problem, renderProblem, shown } from '../spec/problem.js';
import { brainCluster, nodeSecret } from './brain-cluster.js';
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
  /** Where brains serve gRPC, each an IP address or with TLS a DNS name; at least one, and none twice. */
  readonly xds: readonly HostPort[];
  /** Envoy's own admin interface; absent: it has none. */
  readonly admin?: HostPort;
  /** Absent: plaintext, on loopback. */
  readonly tls?: BootstrapTls;
}

export interface BootstrapTls {
  /** Where the node finds the files that `bootstrapSecrets` makes. */
  readonly secrets: { readonly certificate: string; readonly ca: string };
  /** DNS names and IP addresses: a brain's certificate must have one of them. */
  readonly serverNames: readonly string[];
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** One decides, the others are for its failure: more only cost. */
const maxBrains = 16;

/** What is wrong with the options; `bootstrap` may be called when there is nothing. */
export function bootstrapProblems({ node, xds, admin, tls }: BootstrapOptions): readonly Problem[] {
  const problems: Problem[] = [];
  // In a header Envoy would read % as the beginning of a command.
  if (!nodeIdPattern.test(node))
    problems.push({ path: 'node', expected: nodeIdExpected, found: shown(node) });
  const isNamed = (host: string): boolean => isIpAddress(host) || (tls !== undefined && isDnsName(host));
  const expected = tls ? 'an IP address or a DNS name' : 'an IP address';
  for (const { host } of xds) {
    if (tls && !isNamed(host)) problems.push({ path: 'xds', expected, found: shown(host) });
    else if (!tls && !isLoopback(host))
      problems.push({
        path: 'xds',
        expected: 'a loopback address, as long as there is no TLS',
        found: shown(host),
        hint: 'give the node a certificate (--tls-certificate, --tls-key, --tls-ca)',
      });
  }
  for (const twice of doubles(xds.map(formatAddress)))
    problems.push({ path: 'xds', expected: 'each brain once', found: `${twice} twice` });
  if (xds.length === 0 || xds.length > maxBrains)
    problems.push({ path: 'xds', expected: `1 to ${maxBrains} addresses`, found: `${xds.length}` });
  for (const name of tls?.serverNames ?? [])
    if (!isNamed(name)) problems.push({ path: 'tls-server-name', expected, found: shown(name) });
  // Whoever reaches it may stop the node, and nobody is asked who he is.
  if (admin && !isLoopback(admin.host))
    problems.push({
      path: 'admin',
      expected: 'a loopback address, as everybody who reaches it may stop this Envoy',
      found: shown(admin.host),
      hint: 'give 127.0.0.1, and come by a tunnel (ssh -L, kubectl port-forward) or by a proxy that passes GET /stats/prometheus on and nothing else',
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
        brainCluster(clusterOf.xds, options, {
          keepaliveMs: options.xds.length > 1 ? sharedConfigurationKeepaliveMs : configurationKeepaliveMs,
          answers: 'many',
        }),
        // The access log is here too: it is answered when it ends.
        brainCluster(clusterOf.brain, options, { keepaliveMs: admissionKeepaliveMs, answers: 'one' }),
      ],
    },
  };
}

/** Waiting and half-open clients included: past it a node closes newcomers at once, so its memory has a bound. */
const maxClients = 50_000;

/** A brain that is busy with a large update is not dead, and there is no other to turn to. */
const configurationKeepaliveMs = 10_000;

/** Where there is another, a node is without configuration from a brain that hangs for twice this. */
const sharedConfigurationKeepaliveMs = 2000;

/** Held checks move on from a brain that hangs within twice this. */
const admissionKeepaliveMs = 1000;

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
      name: nodeSecret.certificate,
      tls_certificate: {
        certificate_chain: { filename: certificate },
        private_key: { filename: key },
        watched_directory: { path: folderOf(certificate) },
      },
    }),
    ca: response({
      name: nodeSecret.ca,
      validation_context: { trusted_ca: { filename: ca }, watched_directory: { path: folderOf(ca) } },
    }),
  };
}

/** Of an absolute path. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function doubles(texts: readonly string[]): readonly string[] {
  return texts.filter((text, index) => texts.indexOf(text) < index);
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
