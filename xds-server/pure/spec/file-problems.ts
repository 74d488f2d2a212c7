import type { Problem } from './problem.js';
import { referencedFiles } from './referenced-files.js';
import type { Spec } from './spec.js';

/**
 * What is wrong with the files that a spec names, as far as their form shows it: there, PEM of the right kind, a
 * password of one line. Whether a key belongs to its certificate is for whoever may use cryptography.
 *
 * @param files content by path as written in the spec; a path that is not in it could not be read
 */
export function fileProblems(spec: Spec, files: ReadonlyMap<string, Uint8Array>): readonly Problem[] {
  return referencedFiles(spec).flatMap(({ path, why }) => {
    const content = files.get(path);
    const name = JSON.stringify(path);
    if (!content) return [{ path: why, expected: `the file ${name}`, found: 'none that can be read' }];
    if (content.length > maxFileBytes)
      return [
        { path: why, expected: `at most ${maxFileBytes} bytes in ${name}`, found: `${content.length}` },
      ];
    const expected = kindOf(why);
    const found = faultOf(expected, new TextDecoder().decode(content));
    return found === undefined ? [] : [{ path: why, expected: `${expected} in ${name}`, found }];
  });
}

const maxFileBytes = 1024 * 1024;

function kindOf(why: string) {
  if (why.endsWith('.password.file')) return 'a password on one line';
  return why.endsWith('.key') ? 'a PEM private key without a passphrase' : 'PEM certificates';
}

function faultOf(expected: ReturnType<typeof kindOf>, content: string): string | undefined {
  switch (expected) {
    case 'a password on one line':
      if (content.trimEnd() === '') return 'an empty file';
      return content.trimEnd().includes('\n') ? 'several lines' : undefined;
    case 'a PEM private key without a passphrase':
      if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(content))
        return 'an encrypted one';
      return /-----BEGIN (?:EC |RSA )?PRIVATE KEY-----/.test(content) ? undefined : 'none';
    case 'PEM certificates':
      return content.includes('-----BEGIN CERTIFICATE-----') ? undefined : 'none';
  }
}
