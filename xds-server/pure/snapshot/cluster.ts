import type { Cluster } from '#envoy-api/envoy/config/cluster/v3/Cluster.js';
import type { SocketOption } from '#envoy-api/envoy/config/core/v3/SocketOption.js';
import type { DnsCluster } from '#envoy-api/envoy/extensions/clusters/dns/v3/DnsCluster.js';
import type { ServicePlan, TargetPlan } from '../plan/plan.js';
import { isIpAddress } from '../spec/ip.js';
import { ejectionOfTheDead } from './ejection.js';
import { loadAssignment } from './endpoints.js';
import { bufferBytes } from './listener.js';
import { any, durationMs, fromAds } from './messages.js';
import { upstreamTransport } from './upstream-tls.js';

/**
 * One cluster a service, so that one service's breaker, statistics and connections are nobody else's.
 *
 * A changed cluster is a new one to Envoy, and its breaker counts from 0 while the old connections live on. So what
 * moves stays out of it: limits come as runtime values (runtime.ts) over breakers that are always the same. Other servers
 * are another cluster, by its name (plan/cluster-name.ts): the old connections are not theirs.
 */
export function cluster(service: ServicePlan, target: TargetPlan): Cluster {
  return {
    name: service.cluster,
    ...(isResolvedByEnvoy(target) ? byName(service, target) : byAddress),
    connect_timeout: durationMs(connectTimeoutMs),
    ...upstreamTransport(target),
    // Of several replicas the one with the fewest sessions.
    lb_policy: 'LEAST_REQUEST',
    ...(target.endpoints.length > 1 && withoutTheDead),
    circuit_breakers: {
      thresholds: [{ max_connections: { value: breaker }, max_pending_requests: { value: breaker } }],
    },
    per_connection_buffer_limit_bytes: { value: bufferBytes },
    upstream_bind_config: { socket_options: [twoSynsAtMost] },
    upstream_connection_options: {
      tcp_keepalive: {
        keepalive_time: { value: 30 },
        keepalive_interval: { value: 10 },
        keepalive_probes: { value: 3 },
      },
    },
  };
}

/** Whether a target's endpoints are DNS names, at least one of them. */
export function isResolvedByEnvoy(target: TargetPlan): boolean {
  return target.endpoints.some(({ host }) => !isIpAddress(host));
}

/** A LAN answers in milliseconds; a SYN may be lost once. The session filter gives up earlier where the grant was late. */
const connectTimeoutMs = 1250;

/**
 * For a node that stands still its kernel dials on: a second after the first SYN once more, and no third time after two more. By
 * then the grant is taken for lost. Linux, tcp(7): TCP_SYNCNT.
 */
const twoSynsAtMost: SocketOption = {
  description: 'TCP_SYNCNT',
  level: 6,
  name: 7,
  int_value: 1,
  state: 'STATE_PREBIND',
};

/** Envoy's own default, written down because it must never change: the service's limit comes by runtime. */
const breaker = 1024;

/** A server that is down has the fewest sessions of all and would be given nearly every new one. */
const withoutTheDead = ejectionOfTheDead({ intervalMs: 1000, leastMs: 5000, mostMs: 30_000 });

const byAddress: Cluster = { type: 'EDS', eds_cluster_config: { eds_config: fromAds } };

function byName(service: ServicePlan, target: TargetPlan): Cluster {
  return {
    cluster_type: {
      name: 'envoy.clusters.dns',
      typed_config: any<DnsCluster>('envoy.extensions.clusters.dns.v3.DnsCluster', {
        // A failover by DNS is followed within five seconds, or sooner when the record says so.
        dns_refresh_rate: durationMs(5000),
        respect_dns_ttl: true,
        dns_min_refresh_rate: durationMs(1000),
        dns_failure_refresh_rate: { base_interval: durationMs(500), max_interval: durationMs(5000) },
        dns_lookup_family: 'V4_PREFERRED',
        // Addresses of one name are one server: the observer asks one, so sessions must not be spread over them.
        all_addresses_in_single_endpoint: target.endpoints.length === 1,
      }),
    },
    load_assignment: loadAssignment(service, target),
    // A name that does not resolve must not hold up the other services of the node.
    wait_for_warm_on_init: { value: false },
  };
}
