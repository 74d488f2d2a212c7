import { isLoopback } from './ip.js';
import type { Problem } from './problem.js';
import type { Spec } from './spec.js';

/** Databases on other machines whose author has not said whether the way there is protected. */
export function plaintextWarnings({ databases }: Spec): readonly Problem[] {
  const warnings: Problem[] = [];
  for (const [name, { tls, endpoints }] of Object.entries(databases)) {
    const far = endpoints.find(({ host }) => !isLoopback(host) && host.toLowerCase() !== 'localhost');
    if (tls || !far) continue;
    warnings.push({
      path: `databases.${name}.tls`,
      expected: `TLS on the way to ${far.host}`,
      found: 'nothing, so all that clients send goes there in plaintext',
      hint: 'add {mode: verify-full, ca: …}, or {mode: disable} if that is meant',
    });
  }
  return warnings;
}
