import type { Cluster } from '#envoy-api/envoy/config/cluster/v3/Cluster.js';
import type { TransportSocket } from '#envoy-api/envoy/config/core/v3/TransportSocket.js';
import type { UpstreamStartTlsConfig } from '#envoy-api/envoy/extensions/transport_sockets/starttls/v3/UpstreamStartTlsConfig.js';
import type { UpstreamTlsContext } from '#envoy-api/envoy/extensions/transport_sockets/tls/v3/UpstreamTlsContext.js';
import type { Endpoint, TargetPlan, UpstreamTlsPlan } from '../plan/plan.js';
import { isIpAddress } from '../spec/ip.js';
import { any, fromAds, struct } from './messages.js';
import { withHeader } from './proxy-protocol.js';
import { serverSecret } from './secret.js';

/**
 * How a target's servers are spoken to: with a PROXY header first where they want one, then TLS. CA and name to verify are secrets, so that either changes without a change of the
 * cluster, which would start its breaker anew and have new connections only. Where several servers have names of their
 * own, each has a transport of its own: one server's certificate does not do for another.
 */
export function upstreamTransport(
  target: TargetPlan,
): Pick<Cluster, 'transport_socket' | 'transport_socket_matches'> {
  const { tls, proxyProtocol } = target;
  const [first] = target.endpoints;
  const headed = (inner?: TransportSocket) => (proxyProtocol ? withHeader(proxyProtocol, inner) : inner);
  if (!tls || !first) return proxyProtocol ? { transport_socket: headed()! } : {};
  return {
    // Whatever matches none of those below has TLS too.
    transport_socket: headed(transport(target, tls, first, 0))!,
    ...(hasOwnTransports(target) && {
      transport_socket_matches: target.endpoints.map((endpoint, place) => ({
        name: `endpoint-${place}`,
        match: struct({ endpoint: `${place}` }),
        transport_socket: headed(transport(target, tls, endpoint, place))!,
      })),
    }),
  };
}

/** Whether the endpoints of the target differ in how TLS is spoken to them. */
export function hasOwnTransports({ tls, endpoints }: TargetPlan): boolean {
  return tls !== undefined && tls.serverName === undefined && endpoints.length > 1;
}

export interface VerifiedServer {
  readonly secret: string;
  /** Path of the CA. */
  readonly ca: string;
  /** DNS name or IP address. */
  readonly name: string;
}

/** What servers of a target must prove to be; nothing where nothing is verified. */
export function verifiedServers({ name: target, tls, endpoints }: TargetPlan): readonly VerifiedServer[] {
  const { ca, serverName } = tls ?? {};
  if (ca === undefined) return [];
  const names = serverName === undefined ? endpoints.map(({ host }) => host) : [serverName];
  return names.map((name, place) => ({ secret: serverSecret(target, place), ca, name }));
}

function transport(
  target: TargetPlan,
  tls: UpstreamTlsPlan,
  { host }: Endpoint,
  place: number,
): TransportSocket {
  const context = tlsContext(target, tls, tls.serverName ?? host, tls.serverName === undefined ? place : 0);
  if (tls.negotiation === 'direct')
    return {
      name: 'envoy.transport_sockets.tls',
      typed_config: any<UpstreamTlsContext>(
        'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        context,
      ),
    };
  return {
    name: 'envoy.transport_sockets.starttls',
    typed_config: any<UpstreamStartTlsConfig>(
      'envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig',
      { tls_socket_config: context },
    ),
  };
}

function tlsContext(
  target: TargetPlan,
  { negotiation, ca }: UpstreamTlsPlan,
  name: string,
  place: number,
): UpstreamTlsContext {
  return {
    // RFC 6066, section 3: no address in a server name.
    ...(!isIpAddress(name) && { sni: name }),
    common_tls_context: {
      // Envoy alone would offer no more than 1.2.
      tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
      // Postgres demands it of direct TLS.
      ...(negotiation === 'direct' && { alpn_protocols: ['postgresql'] }),
      ...(ca !== undefined && {
        validation_context_sds_secret_config: {
          name: serverSecret(target.name, place),
          sds_config: fromAds,
        },
      }),
    },
  };
}
