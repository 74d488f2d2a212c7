import type { TransportSocket } from '#envoy-api/envoy/config/core/v3/TransportSocket.js';
import type { SNI } from '#envoy-api/envoy/extensions/transport_sockets/tls/cert_mappers/sni/v3/SNI.js';
import type { Config as OnDemandSecret } from '#envoy-api/envoy/extensions/transport_sockets/tls/cert_selectors/on_demand_secret/v3/Config.js';
import type { DownstreamTlsContext } from '#envoy-api/envoy/extensions/transport_sockets/tls/v3/DownstreamTlsContext.js';
import type { ListenerPlan } from '../plan/plan.js';
import { any, fromAds } from './messages.js';
import { clientCaSecret, defaultSecret } from './secret.js';

/**
 * TLS towards clients. A node asks for the certificate of a server name when the first client asks for it, so the
 * listener holds none; a certificate that is renewed or added changes no listener.
 */
export function downstreamTls(plan: ListenerPlan): TransportSocket {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any<DownstreamTlsContext>(
      'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      {
        // The on-demand selector demands both: a resumed session would skip it.
        disable_stateless_session_resumption: true,
        disable_stateful_session_resumption: true,
        // A client may come without a certificate; one that it shows must verify.
        require_client_certificate: { value: false },
        common_tls_context: {
          tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
          // Direct TLS in Postgres demands it (protocol "Flow", "SSL Session Encryption").
          ...(plan.protocol === 'postgres' && { alpn_protocols: ['postgresql'] }),
          custom_tls_certificate_selector: {
            name: 'envoy.tls.certificate_selectors.on_demand_secret',
            typed_config: any<OnDemandSecret>(
              'envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config',
              {
                config_source: fromAds,
                certificate_mapper: {
                  name: 'envoy.tls.certificate_mappers.sni',
                  typed_config: any<SNI>('envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3.SNI', {
                    default_value: defaultSecret(plan.name),
                  }),
                },
              },
            ),
          },
          ...(plan.clientCa !== undefined && {
            validation_context_sds_secret_config: { name: clientCaSecret(plan.name), sds_config: fromAds },
          }),
        },
      },
    ),
  };
}
