import { serviceOf } from '../plan/hostnames.js';
import type { CertificateFiles, ListenerPlan, Plan, Protocol, ServicePlan } from '../plan/plan.js';
import { type Make, missing, sorted } from './build.js';
import { certificate, clientCa, clientCaSecret, defaultSecret, serverCa } from './secret.js';
import { type Resource, type ResourceSet, TypeUrl } from './snapshot.js';
import { verifiedServers } from './upstream-tls.js';

/** A server name in a TLS hello that Envoy reads at all is no longer. */
const maxNameChars = 255;

/** Server names are chosen by strangers: beyond this many an answer is made anew each time. */
const maxAnswered = 10_000;

/** What clients of a service are shown: its own, or that of the first listener that speaks its protocol. */
export function shownCertificate(plan: Plan, { protocol, certificate }: ServicePlan): CertificateFiles {
  return certificate ?? speaking(sorted(plan.listeners), protocol).certificate;
}

function speaking(listeners: readonly ListenerPlan[], protocol: Protocol): ListenerPlan {
  return listeners.find((each) => each.protocol === protocol) ?? missing(`a ${protocol} listener`);
}

/**
 * The secrets: each listener's own certificate and CA, and one certificate for each service's hostname, its own or that
 * of the first listener that speaks its protocol. (A node asks by server name alone, so which of several listeners was
 * called is not known.) And for each server whose certificate is verified, the CA and the name.
 *
 * Any other server name gets a certificate under the name that was asked for: one within a service's wildcard that of
 * the service, all others the first listener's, so that their clients can read a refusal in their own protocol. Those
 * are fallbacks, of which a node may have a bounded number: strangers choose these names and must not use up the room of
 * services.
 *
 * @throws Error when a certificate's file is not among `files`
 */
export function secretSet(
  plan: Plan,
  files: ReadonlyMap<string, Uint8Array>,
  make: Make,
  setOf: (resources: readonly Resource[]) => ResourceSet,
): ResourceSet {
  const file = (path: string) => files.get(path) ?? missing(`file ${path}`);
  const resource = (name: string, { chain, key }: CertificateFiles, owner: string): Resource =>
    make(TypeUrl.secret, name, certificate(name, { chain: file(chain), key: file(key) }), owner);
  const ofListener = (name: string, listener: ListenerPlan): Resource =>
    resource(name, listener.certificate, `listeners.${listener.name}.tls.certificate`);

  const listeners = sorted(plan.listeners);
  const resources: Resource[] = [];
  for (const listener of listeners) {
    const { name, clientCa: ca } = listener;
    resources.push(ofListener(defaultSecret(name), listener));
    if (ca === undefined) continue;
    const validation = clientCa(clientCaSecret(name), file(ca));
    resources.push(make(TypeUrl.secret, clientCaSecret(name), validation, `listeners.${name}.tls.client_ca`));
  }
  // A wildcard stands among them so that the set's version is that of all that it may answer.
  for (const { name, hostname, protocol, certificate: own } of sorted(plan.services))
    resources.push(
      own
        ? resource(hostname, own, `services.${name}.certificate`)
        : ofListener(hostname, speaking(listeners, protocol)),
    );
  for (const target of sorted(plan.targets))
    for (const { secret, ca, name } of verifiedServers(target))
      resources.push(
        make(TypeUrl.secret, secret, serverCa(secret, file(ca), name), `databases.${target.database}.tls.ca`),
      );

  const set = setOf(resources);
  const answered = new Map<string, Resource>();
  return {
    ...set,
    fallback: (name) => {
      const known = answered.get(name);
      if (known) return known;
      // A slash is in the names of secrets that are not a client's to choose.
      if (name === '' || name.length > maxNameChars || name.includes('/')) return undefined;
      const service = plan.services.get(serviceOf(plan.hostnames, name) ?? '');
      const answer = service?.certificate
        ? resource(name, service.certificate, `services.${service.name}.certificate`)
        : ofListener(
            name,
            service ? speaking(listeners, service.protocol) : (listeners[0] ?? missing('a listener')),
          );
      if (answered.size < maxAnswered) answered.set(name, answer);
      return answer;
    },
  };
}
