import type { ListenerPlan, Plan, Protocol } from '../plan/plan.js';
import { isHostname } from '../spec/hostname.js';
import { cluster, isResolvedByEnvoy } from './cluster.js';
import type { Encoder } from './encoder.js';
import { loadAssignment } from './endpoints.js';
import { greetingFor } from './greeting.js';
import { listener } from './listener.js';
import { runtime, runtimeLayer } from './runtime.js';
import { certificate, clientCa, clientCaSecret, defaultSecret, type Pem } from './secret.js';
import { type Resource, type ResourceSet, type Snapshot, TypeUrl } from './snapshot.js';

/** Content hash as text, long enough that two contents never share one (the shells give SHA-256). */
export type Hash = (bytes: Uint8Array) => string;

/**
 * Everything that nodes need for this plan; which node asks for what is decided by its subscriptions. Equal inputs
 * give equal bytes and equal versions.
 *
 * @param files content of `referencedFiles(spec)`, by path as written in the spec
 * @throws Error when a certificate's file is not among `files`
 */
export function buildSnapshot(
  plan: Plan,
  files: ReadonlyMap<string, Uint8Array>,
  encoder: Encoder,
  hash: Hash,
): Snapshot {
  const make = resourceMaker(encoder, hash);
  const services = sorted(plan.services);
  const targetOf = (name: string) => plan.targets.get(name) ?? missing(`target ${name}`);
  const sets = new Map<TypeUrl, ResourceSet>();
  const add = (type: TypeUrl, resources: readonly Resource[]) => sets.set(type, setOf(resources, hash));

  add(
    TypeUrl.cluster,
    services.map((service) => {
      const message = cluster(service, targetOf(service.target));
      return make(TypeUrl.cluster, service.cluster, message, `services.${service.name}`);
    }),
  );
  add(
    TypeUrl.endpoints,
    services
      .filter((service) => !isResolvedByEnvoy(targetOf(service.target)))
      .map((service) => {
        const message = loadAssignment(service, targetOf(service.target));
        return make(TypeUrl.endpoints, service.cluster, message, `services.${service.name}`);
      }),
  );
  const greeting = greetingFor(plan);
  add(
    TypeUrl.listener,
    sorted(plan.listeners).map((each) =>
      make(TypeUrl.listener, each.name, listener(each, greeting), `listeners.${each.name}`),
    ),
  );
  sets.set(TypeUrl.secret, secretSet(plan, files, make, hash));
  add(TypeUrl.runtime, [make(TypeUrl.runtime, runtimeLayer, runtime(plan), 'services')]);
  return {
    version: hashText(
      hash,
      [...sets].map(([type, set]) => `${type} ${set.version}`),
    ),
    sets,
  };
}

type Make = (type: TypeUrl, name: string, message: object, owner: string) => Resource;

function resourceMaker(encoder: Encoder, hash: Hash): Make {
  return (type, name, message, owner) => {
    const bytes = encoder.encode(type.slice(type.indexOf('/') + 1), message);
    return { name, version: hash(bytes), bytes, owner };
  };
}

function setOf(resources: readonly Resource[], hash: Hash): ResourceSet {
  return {
    version: hashText(
      hash,
      resources.map(({ name, version }) => `${name} ${version}`),
    ),
    resources: new Map(resources.map((resource) => [resource.name, resource])),
  };
}

/**
 * Named: each listener's own certificate and CA, and the certificates that services bring. Any other server name,
 * known or not, gets a listener's certificate under the name that was asked for, so that its client can read an
 * answer in its own protocol: the first listener's that speaks the service's protocol, or the very first's.
 * (A node asks by server name alone, so which of several listeners was called is not known.)
 */
function secretSet(plan: Plan, files: ReadonlyMap<string, Uint8Array>, make: Make, hash: Hash): ResourceSet {
  const file = (path: string) => files.get(path) ?? missing(`file ${path}`);
  const pem = ({ chain, key }: { chain: string; key: string }): Pem => ({
    chain: file(chain),
    key: file(key),
  });
  const listeners = sorted(plan.listeners);
  const resources: Resource[] = [];
  for (const { name, certificate: own, clientCa: ca } of listeners) {
    const secret = certificate(defaultSecret(name), pem(own));
    resources.push(make(TypeUrl.secret, defaultSecret(name), secret, `listeners.${name}.tls.certificate`));
    if (ca === undefined) continue;
    const validation = clientCa(clientCaSecret(name), file(ca));
    resources.push(make(TypeUrl.secret, clientCaSecret(name), validation, `listeners.${name}.tls.client_ca`));
  }
  for (const { name, hostname, certificate: own } of sorted(plan.services)) {
    if (own === undefined) continue;
    const secret = certificate(hostname, pem(own));
    resources.push(make(TypeUrl.secret, hostname, secret, `services.${name}.certificate`));
  }
  const firstOf = (protocol: Protocol | undefined): ListenerPlan =>
    listeners.find((each) => each.protocol === protocol) ?? listeners[0] ?? missing('a listener');
  const set = setOf(resources, hash);
  const answered = new Map<string, Resource>();
  return {
    resources: set.resources,
    // What the fallback says is content too: another protocol of a hostname is another certificate.
    version: hashText(hash, [
      set.version,
      ...sorted(plan.services).map(({ hostname, protocol }) => `${hostname} ${firstOf(protocol).name}`),
    ]),
    fallback: (name) => {
      const known = answered.get(name);
      if (known) return known;
      if (!isHostname(name)) return undefined;
      // Server names are compared without regard to case (RFC 6066, section 3).
      const service = plan.services.get(plan.hostnames.get(name.toLowerCase()) ?? '');
      const from = firstOf(service?.protocol);
      const resource = service?.certificate
        ? make(
            TypeUrl.secret,
            name,
            certificate(name, pem(service.certificate)),
            `services.${service.name}.certificate`,
          )
        : make(
            TypeUrl.secret,
            name,
            certificate(name, pem(from.certificate)),
            `listeners.${from.name}.tls.certificate`,
          );
      if (answered.size < maxAnswered) answered.set(name, resource);
      return resource;
    },
  };
}

/** Server names are chosen by strangers: beyond this many an answer is made anew each time. */
const maxAnswered = 10_000;

function sorted<T extends { readonly name: string }>(byName: ReadonlyMap<string, T>): readonly T[] {
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function hashText(hash: Hash, lines: readonly string[]): string {
  return hash(new TextEncoder().encode(lines.join('\n')));
}

function missing(what: string): never {
  throw new Error(`expected ${what}, found none`);
}
