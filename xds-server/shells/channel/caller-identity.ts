/** Who a caller is: by its certificate, or in plaintext by the header in which it names itself. */
import { brainIdentity, brainIdPattern } from '../../pure/identity/brain-identity.js';
import { nodeIdExpected, nodeIdentity, nodeIdPattern } from '../../pure/identity/node-identity.js';
import type { Caller } from '../../pure/rpc/rpc.js';
import type { ConnectionOptions } from './http2-connection.js';
import type { PeerCertificate } from './peer-certificate.js';

/** The headers by which a node or a brain names itself where it cannot prove it. */
const nodeHeader = 'x-sluice-node';
const brainHeader = 'x-sluice-brain';

/** `found`: what stands there instead of an id. */
type Identity =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'nobody'; readonly found: string };

export function identityByCertificate({ leaf }: PeerCertificate, peer: string): Identity {
  const brain = brainIdentity(leaf.subjectAltName);
  if (brain !== undefined) return { kind: 'caller', caller: { node: '', brain, peer } };
  const identity = nodeIdentity(leaf.subjectAltName);
  if (identity.kind === 'nobody') return identity;
  return { kind: 'caller', caller: { node: identity.node, peer } };
}

/** Of each call on one connection in plaintext. */
export function identifyByHeader(peer: string): ConnectionOptions['identify'] {
  let last: Caller | undefined;
  return (header) => {
    const brain = header(brainHeader);
    if (brain !== undefined && brainIdPattern.test(brain)) return { node: '', brain, peer };
    const node = header(nodeHeader) ?? '';
    if (last?.node === node) return last;
    if (!nodeIdPattern.test(node)) return `expected the header ${nodeHeader} with ${nodeIdExpected}`;
    last = { node, peer };
    return last;
  };
}

/** Of a brain or a node, which may be called the same: `node edge-1`, `brain one`. */
export const nameOf = ({ node, brain }: Caller): string =>
  brain === undefined ? `node ${node}` : `brain ${brain}`;
