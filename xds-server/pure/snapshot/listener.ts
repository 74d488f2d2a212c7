import type { Filter } from '#envoy-api/envoy/config/listener/v3/Filter.js';
import type { FilterChain } from '#envoy-api/envoy/config/listener/v3/FilterChain.js';
import type { FilterChainMatch } from '#envoy-api/envoy/config/listener/v3/FilterChainMatch.js';
import type { Listener } from '#envoy-api/envoy/config/listener/v3/Listener.js';
import type { ListenerFilter } from '#envoy-api/envoy/config/listener/v3/ListenerFilter.js';
import type { TcpGrpcAccessLogConfig } from '#envoy-api/envoy/extensions/access_loggers/grpc/v3/TcpGrpcAccessLogConfig.js';
import type { DynamicModuleListenerFilter } from '#envoy-api/envoy/extensions/filters/listener/dynamic_modules/v3/DynamicModuleListenerFilter.js';
import type { TlsInspector } from '#envoy-api/envoy/extensions/filters/listener/tls_inspector/v3/TlsInspector.js';
import type { DynamicModuleNetworkFilter } from '#envoy-api/envoy/extensions/filters/network/dynamic_modules/v3/DynamicModuleNetworkFilter.js';
import type { ExtAuthz } from '#envoy-api/envoy/extensions/filters/network/ext_authz/v3/ExtAuthz.js';
import type { TcpProxy } from '#envoy-api/envoy/extensions/filters/network/tcp_proxy/v3/TcpProxy.js';
import type { PreviousHostsPredicate } from '#envoy-api/envoy/extensions/retry/host/previous_hosts/v3/PreviousHostsPredicate.js';
import type { Struct } from '#envoy-api/google/protobuf/Struct.js';
import type { ListenerPlan } from '../plan/plan.js';
import { downstreamTls } from './downstream-tls.js';
import type { Greeting } from './greeting.js';
import { any, brain, durationMs, struct } from './messages.js';
import type { JsonObject } from './proto-json.js';
import { headerTaken, plaintext, ranges } from './proxy-protocol.js';

/**
 * One listener: the chain of filters that a connection passes. Its bytes depend on nothing but the listener's own
 * entry in the spec (and, for MySQL, on the servers' version): a change of them drains every connection of the
 * listener, so services, databases and tenants must not show here.
 *
 *   (proxy_protocol →) handshake → tls_inspector ─┬─ TLS ───────▶ startup → ext_authz → session → tcp_proxy
 *                                                 └─ plaintext ─▶ the same, where the listener allows it; and for Postgres'
 *                                                                 requests to cancel, which alone `handshake` lets through
 *                                                                 otherwise
 *
 * @param greeting required for MySQL
 */
export function listener(plan: ListenerPlan, greeting: Greeting | undefined): Listener {
  const filters = networkFilters(plan);
  const takesPlaintext = plan.allowPlaintext || plan.protocol === 'postgres';
  const trusted: FilterChainMatch = plan.proxyProtocol
    ? { direct_source_prefix_ranges: ranges(plan.proxyProtocol.from) }
    : {};
  const overTls: FilterChain = {
    name: 'tls',
    // Without plaintext this chain catches all: what is not TLS fails its handshake.
    ...matching({ ...trusted, ...(takesPlaintext && { transport_protocol: 'tls' }) }),
    filters,
    transport_socket: downstreamTls(plan),
    transport_socket_connect_timeout: durationMs(handshakeTimeoutMs),
  };
  const inClear: FilterChain = {
    name: 'plaintext',
    // Not the default chain, which would take whoever is not trusted.
    ...matching({ ...trusted, transport_protocol: 'raw_buffer' }),
    filters,
    transport_socket: plaintext,
  };
  return {
    name: plan.name,
    address: {
      socket_address: {
        address: plan.address.host,
        port_value: plan.address.port,
        // As with other servers, [::] is everybody; an IPv4 client is seen by its IPv4 address.
        ...(plan.address.host === '::' && { ipv4_compat: true }),
      },
    },
    stat_prefix: `sluice_${plan.name}`,
    // The greeting of a MySQL listener, too, comes only after the header.
    listener_filters: [
      ...(plan.proxyProtocol ? [headerTaken(plan.name)] : []),
      handshake(plan, greeting),
      tlsInspector,
    ],
    listener_filters_timeout: durationMs(handshakeTimeoutMs),
    filter_chains: takesPlaintext ? [overTls, inClear] : [overTls],
    per_connection_buffer_limit_bytes: { value: bufferBytes },
    // Pools are few connections that stay: left to the kernel, one worker may get most of them.
    connection_balance_config: { exact_balance: {} },
    // A client that vanished while its check is held is noticed after 10 + 3 × 5 seconds.
    tcp_keepalive: {
      keepalive_time: { value: 10 },
      keepalive_interval: { value: 5 },
      keepalive_probes: { value: 3 },
    },
  };
}

function matching(match: FilterChainMatch): Pick<FilterChain, 'filter_chain_match'> {
  return Object.keys(match).length > 0 ? { filter_chain_match: match } : {};
}

/** What is kept of one direction of one connection when the other side is slow. */
export const bufferBytes = 256 * 1024;

/** For the protocol's TLS request, for the TLS handshake and for the startup message, each. */
const handshakeTimeoutMs = 10_000;

/**
 * From the grant until the server has let the client in: for so long somebody without a password can hold a server
 * connection. Half of what Postgres itself allows (authentication_timeout), and three times what a database may stand
 * still for in the drills without a login being lost.
 */
const loginDeadlineMs = 30_000;

/**
 * A connection to a server must stand so long after its grant's end at the latest: until then the ledger counts it. Who was
 * granted at once has a grant's time (0.7 s) more, so that a lost SYN may be sent again, a second behind the first.
 */
export const connectGraceMs = 550;

/** More than any startup message is allowed to have (10,000 bytes in Postgres, less than 16 KiB in MySQL). */
const earlyDataBytes = 64 * 1024;

/** Longer than the longest wait that a spec may ask for (600 s). */
export const checkTimeoutMs = 660_000;

/**
 * Between two tries of a check; each is drawn between 0 and this. A try that is refused at once costs Envoy a third of a
 * millisecond, so five hundred held checks cost it a sixth of a core while there is no brain.
 */
const longestRetryPauseMs = 2000;

/**
 * So a check is asked for during a minute and a half without any brain, all the outages of its life together. Then the client is told so:
 * its own `timeout_ms` is known to brains alone.
 */
const triesOfCheck = 90;

/** The longest pause between a session's reports. */
export const reportIntervalMs = 2000;

/**
 * From this much unsent on, some ten thousand entries, Envoy sends with each entry in place of each batch. What a brain that is
 * connected does not read it keeps beyond that, until the channel's keepalive cuts the brain off; then, and without a brain, entries
 * are dropped. They may come as one message.
 */
export const unsentReportBytes = 16 * 1024 * 1024;

/**
 * Entries of so short a time travel together. Each worker wakes as often, and each message costs both sides as much as
 * several entries: at 5 ms reports were a fifth of what a new connection costs Envoy. A slot that ends waits as long.
 */
const reportBatchMs = 20;

/** No cluster has it: a connection that no verdict has given a cluster goes nowhere. */
const noVerdict = 'sluice/no-verdict';

/** Never unloaded: a thread of it sleeps until the deadlines of its connections. */
const moduleConfig = { name: 'sluice', do_not_close: true };

function handshake(plan: ListenerPlan, greeting: Greeting | undefined): ListenerFilter {
  if (plan.protocol === 'mysql' && !greeting)
    throw new Error(`listener ${plan.name}: expected a greeting for a MySQL listener, found none`);
  const config: JsonObject = {
    protocol: plan.protocol,
    plaintext: plan.allowPlaintext ? 'allow' : 'refuse',
    ...(plan.protocol === 'mysql' && { greeting: { ...greeting! } }),
  };
  return {
    name: 'sluice.handshake',
    typed_config: any<DynamicModuleListenerFilter>(
      'envoy.extensions.filters.listener.dynamic_modules.v3.DynamicModuleListenerFilter',
      { dynamic_module_config: moduleConfig, filter_name: 'handshake', filter_config: json(config) },
    ),
  };
}

const tlsInspector: ListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  typed_config: any<TlsInspector>('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {}),
};

function networkFilters(plan: ListenerPlan): Filter[] {
  const { name, protocol } = plan;
  return [
    moduleFilter('startup', { protocol, listener: name, deadline_ms: handshakeTimeoutMs }),
    { name: 'envoy.filters.network.ext_authz', typed_config: extAuthz(plan) },
    moduleFilter('session', {
      protocol,
      login_deadline_ms: loginDeadlineMs,
      connect_grace_ms: connectGraceMs,
    }),
    { name: 'envoy.filters.network.tcp_proxy', typed_config: tcpProxy(plan) },
  ];
}

function moduleFilter(filter: string, config: JsonObject): Filter {
  return {
    name: `sluice.${filter}`,
    typed_config: any<DynamicModuleNetworkFilter>(
      'envoy.extensions.filters.network.dynamic_modules.v3.DynamicModuleNetworkFilter',
      { dynamic_module_config: moduleConfig, filter_name: filter, filter_config: json(config) },
    ),
  };
}

function extAuthz(plan: ListenerPlan) {
  return any<ExtAuthz>('envoy.extensions.filters.network.ext_authz.v3.ExtAuthz', {
    stat_prefix: `sluice_${plan.name}`,
    transport_api_version: 'V3',
    // The session filter lets nothing pass without a grant, and so can refuse in the client's own protocol.
    failure_mode_allow: true,
    include_tls_session: true,
    include_peer_certificate: true,
    metadata_context_namespaces: ['sluice'],
    grpc_service: {
      ...brain(),
      timeout: durationMs(checkTimeoutMs),
      // Without it Envoy takes max_interval below for the time-out of each try, which would cut every longer wait.
      initial_metadata: [{ key: 'x-envoy-upstream-rq-per-try-timeout-ms', value: `${checkTimeoutMs}` }],
      // A held check moves on when its brain dies, and finds the next one within a second.
      retry_policy: {
        retry_on: 'unavailable,cancelled,connect-failure,refused-stream,reset',
        num_retries: { value: triesOfCheck },
        retry_back_off: { base_interval: durationMs(250), max_interval: durationMs(longestRetryPauseMs) },
        // Where there are several brains: one that has not been asked yet. Where there is one, that one again.
        retry_host_predicate: [
          {
            name: 'envoy.retry_host_predicates.previous_hosts',
            typed_config: any<PreviousHostsPredicate>(
              'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
              {},
            ),
          },
        ],
        host_selection_retry_max_attempts: 5,
      },
    },
  });
}

function tcpProxy(plan: ListenerPlan) {
  return any<TcpProxy>('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
    stat_prefix: `sluice_${plan.name}`,
    cluster: noVerdict,
    // No connection to a database before the session filter lets the first bytes pass.
    upstream_connect_mode: 'ON_DOWNSTREAM_DATA',
    max_early_data_bytes: { value: earlyDataBytes },
    // Where it gives up it closes without a word, so a second try is announced that never comes: meanwhile the
    // session filter sees the failure of the first and says so in the client's protocol. The pause is drawn between 0
    // and the base, and a try that did come would open a connection later than the ledger waits for one.
    max_connect_attempts: { value: 2 },
    backoff_options: { base_interval: durationMs(3_600_000), max_interval: durationMs(3_600_000) },
    // How long a session may rest is not the network's to decide.
    idle_timeout: durationMs(0),
    access_log_options: {
      flush_access_log_on_connected: true,
      access_log_flush_interval: durationMs(reportIntervalMs),
    },
    access_log: [
      {
        name: 'envoy.access_loggers.tcp_grpc',
        typed_config: any<TcpGrpcAccessLogConfig>(
          'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig',
          {
            common_config: {
              log_name: 'sluice',
              transport_api_version: 'V3',
              grpc_service: brain(),
              buffer_flush_interval: durationMs(reportBatchMs),
              buffer_size_bytes: { value: unsentReportBytes },
            },
          },
        ),
      },
    ],
  });
}

function json(config: JsonObject) {
  return any<Struct>('google.protobuf.Struct', struct(config));
}
