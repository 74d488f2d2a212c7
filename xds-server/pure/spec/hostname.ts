/** Host names as DNS and TLS have them: RFC 1123 section 2.1, RFC 6066 section 3. Compared without regard to case. */

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/**
 * At most 253 characters in labels of at most 63, no dot at the end, no wildcard. A last label that is a number is
 * refused: all of it would read as an IP address, `0x7f.1` too, and a server name never is one
 * (https://url.spec.whatwg.org/#ends-in-a-number-checker).
 */
export function isHostname(text: string): boolean {
  if (text.length > 253) return false;
  const labels = text.split('.');
  return labels.every((each) => label.test(each)) && !/^(\d+|0x[0-9a-f]*)$/i.test(labels.at(-1)!);
}

/**
 * `*.` and a host name of two labels at least: a wildcard for one whole label, the left-most (RFC 9525 section 6.3). TLS
 * libraries take no wider one from a certificate.
 */
export function isWildcard(text: string): boolean {
  if (!text.startsWith('*.') || text.length > 253) return false;
  const parent = text.slice(2);
  return parent.includes('.') && isHostname(parent);
}
