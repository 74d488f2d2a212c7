import type { Secret } from '#envoy-api/envoy/extensions/transport_sockets/tls/v3/Secret.js';

/**
 * Certificates by the name under which a node asks for them: a server name from a client's hello, the listener's own
 * certificate for clients that send none, and the CA that clients' certificates are verified with.
 */

/** A slash keeps these apart from every server name. */
export const defaultSecret = (listener: string) => `listener/${listener}`;
export const clientCaSecret = (listener: string) => `listener/${listener}/client-ca`;

export interface Pem {
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
}

export function certificate(name: string, pem: Pem): Secret {
  return {
    name,
    tls_certificate: {
      certificate_chain: { inline_bytes: pem.chain },
      private_key: { inline_bytes: pem.key },
    },
  };
}

export function clientCa(name: string, ca: Uint8Array): Secret {
  return { name, validation_context: { trusted_ca: { inline_bytes: ca } } };
}
