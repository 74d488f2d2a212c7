/**
 * Whose certificate is it? The names that its issuer vouches for: URI SANs (SPIFFE), or DNS SANs where there are
 * none. Envoy's own `principal` is not used: it names the first SAN only, and falls back to the subject, a free text
 * that may look like anything. That the certificate was verified is the listener's doing, and known to whoever asks.
 */
import { X509Certificate } from 'node:crypto';
import { alternativeNames } from '../../pure/identity/alternative-names.js';

const kept = 1_000;
/** Of one that is kept, URL-encoded: those with a few names have some 2,000. */
const maxKeptChars = 16 << 10;
const none: readonly string[] = [];

/** Parsing costs a fifth of a millisecond, and one client presents the same certificate again and again. */
export class CertificateNames {
  /** In the order of last use, the oldest first. */
  readonly #known = new Map<string, readonly string[]>();

  /** @param certificate URL-encoded PEM, as Envoy sends it. @returns nothing when it cannot be read. */
  of(certificate: string): readonly string[] {
    if (certificate.length > maxKeptChars) return read(certificate);
    const names = this.#known.get(certificate) ?? read(certificate);
    this.#known.delete(certificate);
    this.#known.set(certificate, names);
    if (this.#known.size > kept) this.#known.delete(this.#known.keys().next().value!);
    return names;
  }
}

function read(certificate: string): readonly string[] {
  let subjectAltName: string | undefined;
  try {
    subjectAltName = new X509Certificate(decodeURIComponent(certificate)).subjectAltName;
  } catch {
    return none;
  }
  const uris = alternativeNames(subjectAltName, 'URI');
  return uris.length > 0 ? uris : alternativeNames(subjectAltName, 'DNS');
}
