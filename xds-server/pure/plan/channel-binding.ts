import type { Problem } from '../spec/problem.js';
import type { Plan, ServicePlan, TargetName } from './plan.js';

/**
 * Services whose clients cannot bind their login to a certificate (SCRAM-SHA-256-PLUS), because the one that they see is
 * not the database's: told to the operator before the first client meets it (docs/decisions/0014).
 *
 * @param shown fingerprint of the certificate that clients of a service see; undefined: not known
 * @param seen fingerprints of the certificates that the servers of a target have shown to the observer
 */
export function bindingWarnings(
  plan: Plan,
  shown: (service: ServicePlan) => string | undefined,
  seen: (target: TargetName) => readonly string[],
): readonly Problem[] {
  const warnings: Problem[] = [];
  for (const service of plan.services.values()) {
    // Of the protocols only Postgres has it, and only over TLS.
    if (service.protocol !== 'postgres' || !plan.targets.get(service.target)?.tls) continue;
    const own = shown(service);
    if (own === undefined || seen(service.target).every((fingerprint) => fingerprint === own)) continue;
    warnings.push({
      path: `services.${service.name}`,
      expected: 'the certificate of its database, for clients that bind their login to it',
      found: 'another one',
      hint: 'clients of libpq need channel_binding=disable, pgjdbc channelBinding=disable',
    });
  }
  return warnings;
}
