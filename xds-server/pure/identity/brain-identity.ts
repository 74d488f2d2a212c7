/**
 * Which brain is it? One URI among its certificate's alternative names ends in `/brain/<id>`, such as
 * `spiffe://example.com/brain/one`. By it brains know each other; nodes go by a brain's DNS names and addresses.
 */
import { alternativeNames } from './alternative-names.js';
import { nodeIdPattern } from './node-identity.js';

/** What a brain id may be: the same as a node's. */
export const brainIdPattern = nodeIdPattern;

/**
 * @param subjectAltName as Node's X509Certificate writes it
 * @returns undefined where it names no brain, or several, or a node beside
 */
export function brainIdentity(subjectAltName: string | undefined): string | undefined {
  const named = alternativeNames(subjectAltName, 'URI').flatMap((uri) => {
    const [, kind, id] = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^?#]*\/(node|brain)\/([^/?#]*)$/.exec(uri) ?? [];
    return kind === undefined ? [] : [{ kind, id: id! }];
  });
  const [one] = named;
  return named.length === 1 && one!.kind === 'brain' && brainIdPattern.test(one!.id) ? one!.id : undefined;
}
