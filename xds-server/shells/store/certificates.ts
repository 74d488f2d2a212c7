/**
 * Whether a certificate, its key and a CA are fit to be sent to a node. Envoy would reject a bad pair too, but only
 * after every node was sent it, and its words do not name the operator's file.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

export interface Finding {
  readonly expected: string;
  readonly found: string;
}

export interface Findings {
  /** These keep the spec from being taken. */
  readonly problems: readonly Finding[];
  /** These are told to the operator. */
  readonly warnings: readonly Finding[];
  /** When the first certificate of the file ends; undefined where that cannot be read. */
  readonly expiresMs: number | undefined;
}

const dayMs = 24 * 60 * 60 * 1000;
const soonMs = 14 * dayMs;
const maxCertificates = 32;

/** @param chain PEM, the server's own certificate first. @param key PEM, not encrypted. */
export function checkPair(chain: Uint8Array, key: Uint8Array, now: Date): Findings {
  const certificates = readCertificates(chain);
  if (!Array.isArray(certificates)) return { problems: [certificates], warnings: [], expiresMs: undefined };
  const own = certificates[0]!;
  const problems: Finding[] = [];
  const privateKey = readKey(key);
  if (!('type' in privateKey)) problems.push(privateKey);
  else if (!own.checkPrivateKey(privateKey))
    problems.push({ expected: 'the key that belongs to the certificate', found: 'the key of another one' });
  const warnings = certificates.flatMap((certificate) => validity(certificate, now));
  for (const [index, certificate] of certificates.entries()) {
    const next = certificates[index + 1];
    if (next && !certificate.checkIssued(next))
      warnings.push({
        expected: `certificate ${index + 2} of the chain to have issued certificate ${index + 1}`,
        found: 'a chain in another order',
      });
  }
  return { problems, warnings, expiresMs: firstEnd(certificates) };
}

/** @param ca PEM, one certificate or several. */
export function checkCa(ca: Uint8Array, now: Date): Findings {
  const certificates = readCertificates(ca);
  if (!Array.isArray(certificates)) return { problems: [certificates], warnings: [], expiresMs: undefined };
  const warnings = certificates.flatMap((certificate) => validity(certificate, now));
  for (const certificate of certificates)
    if (!certificate.ca) warnings.push({ expected: 'a CA certificate', found: oneLine(certificate.subject) });
  return { problems: [], warnings, expiresMs: firstEnd(certificates) };
}

/** @returns whether clients that verify will accept this certificate for a name, or for any name within a wildcard */
export function coverage(chain: Uint8Array): (hostname: string) => boolean {
  const certificates = readCertificates(chain);
  if (!Array.isArray(certificates)) return () => false;
  return (hostname) => certificates[0]!.checkHost(oneWithin(hostname)) !== undefined;
}

/** A name that no certificate lists but by a wildcard. */
const oneWithin = (hostname: string): string => hostname.replace(/^\*/, 'any-name-within-the-wildcard');

/** SHA-256 of the certificate that is shown; undefined where there is none. */
export function fingerprint(chain: Uint8Array): string | undefined {
  const certificates = readCertificates(chain);
  return Array.isArray(certificates) ? certificates[0]!.fingerprint256 : undefined;
}

function readCertificates(pem: Uint8Array): X509Certificate[] | Finding {
  const blocks = Buffer.from(pem)
    .toString('latin1')
    .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (!blocks) return { expected: 'certificates in PEM', found: pem.length === 0 ? 'an empty file' : 'none' };
  if (blocks.length > maxCertificates)
    return { expected: `at most ${maxCertificates} certificates`, found: `${blocks.length}` };
  const certificates: X509Certificate[] = [];
  for (const block of blocks) {
    try {
      certificates.push(new X509Certificate(block));
    } catch {
      return {
        expected: 'certificates in PEM',
        found: `one that does not parse, number ${certificates.length + 1}`,
      };
    }
  }
  return certificates;
}

function readKey(pem: Uint8Array): KeyObject | Finding {
  try {
    return createPrivateKey(Buffer.from(pem));
  } catch {
    const encrypted = /-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(
      Buffer.from(pem).toString('latin1'),
    );
    return {
      expected: 'a private key in PEM, not encrypted',
      found: encrypted ? 'an encrypted one' : 'none',
    };
  }
}

function validity(certificate: X509Certificate, now: Date): Finding[] {
  const from = new Date(certificate.validFrom);
  const to = new Date(certificate.validTo);
  const name = oneLine(certificate.subject);
  if (now < from)
    return [{ expected: `${name} to be valid`, found: `one that is valid from ${from.toISOString()}` }];
  if (now > to)
    return [{ expected: `${name} to be valid`, found: `one that expired at ${to.toISOString()}` }];
  if (to.getTime() - now.getTime() < soonMs)
    return [
      {
        expected: `${name} to be valid for two weeks more`,
        found: `one that expires at ${to.toISOString()}`,
      },
    ];
  return [];
}

function firstEnd(certificates: readonly X509Certificate[]): number | undefined {
  const first = Math.min(...certificates.map(({ validTo }) => Date.parse(validTo)));
  return Number.isFinite(first) ? first : undefined;
}

const oneLine = (subject: string): string =>
  (subject ?? '').replaceAll('\n', ', ').slice(0, 200) || 'a certificate';
