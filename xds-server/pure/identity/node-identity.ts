/**
 * Which node is it? One URI among its certificate's alternative names ends in `/node/<id>`, such as
 * `spiffe://example.com/node/edge-1`. Other names in it say nothing about nodes and are passed over; two that do are
 * one too many. DNS names do not count: servers and clients have them too, often from the same CA.
 */
import { alternativeNames } from './alternative-names.js';

/** What a node id may be; also safe in a header, a file name and a log line. */
export const nodeIdPattern = /^[A-Za-z0-9._-]{1,128}$/;

export const nodeIdExpected = '1 to 128 of A-Z a-z 0-9 . _ -';

export type NodeIdentity =
  | { readonly kind: 'node'; readonly node: string }
  /** `found`: for the operator's log; `expected` is always the same. */
  | { readonly kind: 'nobody'; readonly found: string };

/** @param subjectAltName as Node's X509Certificate writes it */
export function nodeIdentity(subjectAltName: string | undefined): NodeIdentity {
  const ids = alternativeNames(subjectAltName, 'URI').flatMap((uri) => {
    const [, id] = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^?#]*\/node\/([^/?#]*)$/.exec(uri) ?? [];
    return id === undefined ? [] : [id];
  });
  const [id] = ids;
  if (id === undefined) return { kind: 'nobody', found: 'no URI that ends in /node/<id>' };
  if (ids.length > 1) return { kind: 'nobody', found: `${ids.length} URIs that end in /node/<id>` };
  if (!nodeIdPattern.test(id))
    return {
      kind: 'nobody',
      found: `a node id that is not ${nodeIdExpected}: ${JSON.stringify(id.slice(0, 200))}`,
    };
  return { kind: 'node', node: id };
}
