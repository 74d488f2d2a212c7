import type { Plan } from '../plan/plan.js';
import { cluster, isResolvedByEnvoy } from './cluster.js';
import type { Encoder } from './encoder.js';
import { loadAssignment } from './endpoints.js';
import { greetingFor } from './greeting.js';
import { listener } from './listener.js';
import { runtime, runtimeLayer } from './runtime.js';
import { secretSet } from './secret-set.js';
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
  sets.set(
    TypeUrl.secret,
    secretSet(plan, files, make, (resources) => setOf(resources, hash)),
  );
  add(TypeUrl.runtime, [make(TypeUrl.runtime, runtimeLayer, runtime(plan), 'services')]);
  return {
    version: hashText(
      hash,
      [...sets].map(([type, set]) => `${type} ${set.version}`),
    ),
    sets,
  };
}

/** Encodes a message and names the operator's object that it comes from. */
export type Make = (type: TypeUrl, name: string, message: object, owner: string) => Resource;

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

/** By name, so that equal plans give equal bytes. */
export function sorted<T extends { readonly name: string }>(byName: ReadonlyMap<string, T>): readonly T[] {
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function hashText(hash: Hash, lines: readonly string[]): string {
  return hash(new TextEncoder().encode(lines.join('\n')));
}

export function missing(what: string): never {
  throw new Error(`expected ${what}, found none`);
}
