import type { Problem } from '../../pure/spec/problem.js';
import { protocolOf } from '../../pure/spec/protocol.js';
import type { Spec } from '../../pure/spec/spec.js';
import { coverage } from './certificates.js';

/** Services of which clients that verify will refuse the certificate: their own or, without one, that of a listener. */
export function coverageWarnings(spec: Spec, contents: ReadonlyMap<string, Uint8Array>): Problem[] {
  const found = 'one for other names: clients that verify will refuse it';
  const listeners = Object.entries(spec.listeners).flatMap(([name, { protocol, tls }]) => {
    const chain = contents.get(tls.certificate.chain);
    return chain ? [{ name, protocol, covers: coverage(chain) }] : [];
  });
  return Object.entries(spec.services).flatMap(([name, { certificate, hostname, database }]) => {
    if (certificate) {
      const chain = contents.get(certificate.chain);
      const isGood = !chain || coverage(chain)(hostname);
      const path = `services.${name}.certificate`;
      return isGood ? [] : [{ path, expected: `a certificate for ${hostname}`, found }];
    }
    const protocol = protocolOf(spec.databases[database]!.engine);
    return listeners
      .filter((listener) => listener.protocol === protocol && !listener.covers(hostname))
      .map((listener) => ({
        path: `services.${name}.hostname`,
        expected: `a certificate for ${hostname} at listener ${listener.name}, or one of the service’s own`,
        found,
      }));
  });
}
