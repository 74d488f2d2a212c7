import type { Draft } from './draft.js';
import { canonicalHost, parseAddress } from './ip.js';
import { unknownName } from './nearest.js';
import type { Finding } from './problem.js';
import { protocolOf } from './protocol.js';

/** Listeners among themselves, and what they need of databases and services. */
export function listenerFindings(draft: Draft): Finding[] {
  return [...addressClashes(draft), ...defaultServices(draft), ...greetings(draft)];
}

function addressClashes({ listeners }: Draft): Finding[] {
  const findings: Finding[] = [];
  const taken: { name: string; host: string; port: number }[] = [];
  for (const [name, { address }] of listeners) {
    const parsed = address === undefined ? undefined : parseAddress(address);
    if (!parsed) continue;
    const here = { host: canonicalHost(parsed.host), port: parsed.port };
    const other = taken.find((each) => each.port === here.port && overlaps(each.host, here.host));
    taken.push({ name, ...here });
    if (!other) continue;
    const path = ['listeners', name, 'address'];
    findings.push({ path, expected: 'an address of its own', found: `that of listener ${other.name}` });
  }
  return findings;
}

/** 0.0.0.0 is every IPv4 address, [::] every address. */
function overlaps(a: string, b: string): boolean {
  if (a === b || a === '::' || b === '::') return true;
  return (a === '0.0.0.0' && !b.includes(':')) || (b === '0.0.0.0' && !a.includes(':'));
}

function defaultServices({ listeners, services, databases }: Draft): Finding[] {
  const findings: Finding[] = [];
  for (const [name, listener] of listeners) {
    const path = ['listeners', name, 'default_service'];
    const service = listener.default_service;
    if (service === undefined) {
      // A field that is there but wrong has its own finding.
      if (listener.allow_plaintext === true && Object.hasOwn(listener, 'default_service'))
        findings.push({
          path: ['listeners', name, 'allow_plaintext'],
          expected: 'a default_service beside it',
          found: 'none',
          hint: 'clients without TLS send no server name',
        });
      continue;
    }
    const known = services.get(service);
    if (!known) {
      findings.push(unknownName(path, 'service', service, services.keys()));
      continue;
    }
    const engine = databases.get(known.database ?? '')?.engine;
    if (!engine || !listener.protocol || protocolOf(engine) === listener.protocol) continue;
    const found = `"${service}", whose database ${known.database} is ${engine}`;
    findings.push({ path, expected: `a service of protocol ${listener.protocol}`, found });
  }
  return findings;
}

function greetings({ listeners, databases }: Draft): Finding[] {
  const engines = [...databases.values()].map(({ engine }) => engine);
  // An engine that could not be read may be the one that is missed.
  if (engines.includes(undefined) || engines.some((engine) => engine && protocolOf(engine) === 'mysql'))
    return [];
  return [...listeners]
    .filter(([, { protocol }]) => protocol === 'mysql')
    .map(([name]) => ({
      path: ['listeners', name, 'protocol'],
      expected: 'a database of engine mysql or mariadb in this spec',
      found: 'none',
      hint: 'a MySQL listener greets its clients in the version of the servers behind it',
    }));
}
