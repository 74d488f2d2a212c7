import { z } from 'zod';
import { isHostname, isWildcard } from './hostname.js';
import { formatIp, isIpAddress, maskOf, parseAddress, parseCidr } from './ip.js';

/**
 * Kinds of single values in a spec. Each carries the words that complete "expected …" as its zod message, so that a
 * field says the same whatever is wrong with it.
 */

/** How a kind tells what its author may have meant; read by schema-problems.ts. */
export type Hint = (found: string) => string | undefined;

function checkedText(expected: string, accepts: (text: string) => boolean, hint?: Hint) {
  return z.string({ error: expected }).check((context) => {
    const { value } = context;
    if (accepts(value)) return;
    const advice = hint?.(value);
    context.issues.push({
      code: 'custom',
      input: value,
      message: expected,
      ...(advice !== undefined && { params: { hint: advice } }),
    });
  });
}

export function whole(min: number, max: number) {
  const expected = `a whole number from ${min} to ${max}`;
  return z.int({ error: expected }).min(min, { error: expected }).max(max, { error: expected });
}

export function oneOf<const T extends readonly [string, ...string[]]>(names: T) {
  return z.enum(names, { error: `one of ${names.join(', ')}` });
}

export const flag = z.boolean({ error: 'true or false' });

/** Names of objects become parts of cluster names, metric labels and runtime keys. */
const namePattern = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/;
const nameWords = 'a name of a-z, 0-9, - and _, at most 63 characters, first and last a letter or digit';
export const objectName = z.string().regex(namePattern, { error: nameWords });

/** Of an object that must exist; whether it does is checked with all the others. */
export const reference = z
  .string({ error: 'a name' })
  .min(1, { error: 'a name' })
  .max(63, { error: 'a name' });

const fileWords = 'the path of a file, at most 4096 characters on one line';
export const file = checkedText(
  fileWords,
  (text) => text !== '' && text.length <= 4096 && !hasControl(text),
  (text) => (text.includes('\n') ? "give the file's path, not its content" : undefined),
);

export const hostname = checkedText(
  'a host name such as checkout.orders.db.example.com or *.orders.db.example.com',
  (text) => isHostname(text) || isWildcard(text),
  (text) => {
    if (isIpAddress(text)) return 'clients send no server name for an IP address';
    if (text.includes('*'))
      return 'a wildcard is the whole first label, with two labels behind it at least: *.db.example.com';
    return text.endsWith('.') ? 'leave out the last dot' : undefined;
  },
);

export const host = checkedText(
  'an IP address or a DNS name',
  (text) => isIpAddress(text) || isHostname(text),
  (text) => (/:\d+$/.test(text) ? 'the port is a field of its own' : undefined),
);

export const listenAddress = checkedText(
  'an IP address and a port such as 0.0.0.0:5432 or "[::]:5432"',
  (text) => parseAddress(text) !== undefined,
  (text) => {
    if (text.startsWith('localhost:')) return `did you mean "127.0.0.1${text.slice('localhost'.length)}"?`;
    return /^:?\d+$/.test(text) ? `did you mean "0.0.0.0:${text.replace(':', '')}"?` : undefined;
  },
);

export const cidr = checkedText(
  'a network such as 10.1.0.0/16 or 2001:db8::/32',
  (text) => {
    const parsed = parseCidr(text);
    return parsed !== undefined && sameBytes(maskOf(parsed), parsed.network);
  },
  (text) => {
    if (isIpAddress(text)) return `did you mean "${text}/${text.includes(':') ? 128 : 32}"?`;
    const parsed = parseCidr(text);
    return parsed && `did you mean "${formatIp(maskOf(parsed))}/${parsed.prefix}"?`;
  },
);

export const principal = checkedText(
  'a URI such as spiffe://shop/checkout or a DNS name, as in the client certificate',
  (text) => text.length <= 2048 && (/^[a-z][a-z0-9+.-]*:\/\/[!-~]+$/i.test(text) || isHostname(text)),
  (text) => (/^CN=/i.test(text) ? 'subjects are not read, only alternative names (SAN)' : undefined),
);

const shortWords = 'a text of 1 to 128 characters';
/** Names inside a database: users, databases. */
export const shortText = checkedText(
  shortWords,
  (text) => text !== '' && text.length <= 128 && !hasControl(text),
);

export const environmentName = checkedText('the name of an environment variable', (text) =>
  /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(text),
);

export const version = checkedText(
  'a version in quotation marks such as "10.11" or "8.0"',
  (text) => /^\d{1,2}\.\d{1,2}$/.test(text),
  (text) => {
    const series = /^(\d{1,2}\.\d{1,2})\.\d+/.exec(text)?.[1];
    return series && `did you mean "${series}"?`;
  },
);

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function sameBytes(a: readonly number[], b: readonly number[]): boolean {
  return a.every((byte, i) => byte === b[i]);
}
