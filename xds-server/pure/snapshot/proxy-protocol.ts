import type { CidrRange } from '#envoy-api/envoy/config/core/v3/CidrRange.js';
import type { TransportSocket } from '#envoy-api/envoy/config/core/v3/TransportSocket.js';
import type { ListenerFilter } from '#envoy-api/envoy/config/listener/v3/ListenerFilter.js';
import type { ProxyProtocol } from '#envoy-api/envoy/extensions/filters/listener/proxy_protocol/v3/ProxyProtocol.js';
import type { ProxyProtocolUpstreamTransport } from '#envoy-api/envoy/extensions/transport_sockets/proxy_protocol/v3/ProxyProtocolUpstreamTransport.js';
import type { RawBuffer } from '#envoy-api/envoy/extensions/transport_sockets/raw_buffer/v3/RawBuffer.js';
import type { ProxyVersion } from '../plan/plan.js';
import { formatIp, parseCidr, unmapped } from '../spec/ip.js';
import { missing } from './build.js';
import { any } from './messages.js';

/**
 * The PROXY protocol (https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt): the client's address in front of a
 * connection's first byte, from a load balancer to Envoy, and from Envoy to a server.
 */

/** Takes the header, of either version, off the front; a connection that begins otherwise is closed. */
export function headerTaken(listener: string): ListenerFilter {
  return {
    name: 'envoy.filters.listener.proxy_protocol',
    typed_config: any<ProxyProtocol>(
      'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol',
      // What is passed on is the addresses alone.
      { stat_prefix: `sluice_${listener}` },
    ),
  };
}

/** Networks in the form in which Envoy compares a peer's address: IPv4 as IPv4, however it came in. */
export function ranges(cidrs: readonly string[]): CidrRange[] {
  return cidrs.map((text) => {
    const { network, prefix } = unmapped(parseCidr(text) ?? missing(`a network, not ${text}`));
    return { address_prefix: formatIp(network), prefix_len: { value: prefix } };
  });
}

/**
 * A transport whose first bytes are the header: before a TLS request, before TLS itself.
 *
 * @param inner what goes on below it; plaintext when there is nothing to say
 */
export function withHeader(version: ProxyVersion, inner: TransportSocket = plaintext): TransportSocket {
  return {
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typed_config: any<ProxyProtocolUpstreamTransport>(
      'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
      { config: { version: version === 'v1' ? 'V1' : 'V2' }, transport_socket: inner },
    ),
  };
}

export const plaintext: TransportSocket = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: any<RawBuffer>('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {}),
};
