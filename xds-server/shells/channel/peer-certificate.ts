/** What the certificate of a node that has been let in is worth later: for how long, and under which CAs. */
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

export interface PeerCertificate {
  readonly leaf: X509Certificate;
  /** Unix milliseconds. */
  readonly validToMs: number;
}

/** TLS has verified it by the time that this is asked for. */
export function peerCertificate(socket: TLSSocket): PeerCertificate | undefined {
  const leaf = socket.getPeerX509Certificate();
  return leaf && { leaf, validToMs: Date.parse(leaf.validTo) };
}

/** Longer chains than this nobody has. */
const maxChain = 10;

/** Whether one of these CAs stands behind it still, over the intermediates that it came with. */
export function isIssuedBy({ leaf }: PeerCertificate, cas: readonly X509Certificate[]): boolean {
  let certificate: X509Certificate | undefined = leaf;
  for (let depth = 0; certificate && depth < maxChain; depth++) {
    const current: X509Certificate = certificate;
    if (cas.some((ca) => current.checkIssued(ca) && current.verify(ca.publicKey))) return true;
    certificate = current.issuerCertificate;
  }
  return false;
}

/** @param pem one certificate or several, which have been read before */
export function certificatesOf(pem: Uint8Array): readonly X509Certificate[] {
  const blocks = Buffer.from(pem)
    .toString('latin1')
    .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return (blocks ?? []).map((block) => new X509Certificate(block));
}
