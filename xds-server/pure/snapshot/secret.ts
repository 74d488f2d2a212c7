import type { Secret } from '#envoy-api/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import { isIpAddress } from '../spec/ip.js';

/**
 * Certificates by the name under which a node asks for them: a server name from a client's hello, the listener's own
 * certificate for clients that send none, the CA that clients' certificates are verified with, and what the
 * certificates of databases' servers are.
 */

/** A slash keeps these apart from every server name. */
export const defaultSecret = (listener: string) => `listener/${listener}`;
export const clientCaSecret = (listener: string) => `listener/${listener}/client-ca`;

/** CA and name of the server at this place in a target's endpoints. */
export const serverSecret = (target: string, place: number) => `upstream/${target}/${place}`;

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

/** @param name that the server's certificate must have, as a DNS name or an IP address among its alternative names */
export function serverCa(secret: string, ca: Uint8Array, name: string): Secret {
  return {
    name: secret,
    validation_context: {
      trusted_ca: { inline_bytes: ca },
      match_typed_subject_alt_names: [
        { san_type: isIpAddress(name) ? 'IP_ADDRESS' : 'DNS', matcher: { exact: name } },
      ],
    },
  };
}
