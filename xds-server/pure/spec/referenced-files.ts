import type { Spec } from './spec.js';

export interface ReferencedFile {
  /** As written in the spec; a relative one counts from the spec's folder. */
  readonly path: string;
  /** Path of the field that names it: `listeners.pg.tls.certificate.chain`. */
  readonly why: string;
}

/** Every file that the spec names: certificates, keys, CAs, observers' passwords. */
export function referencedFiles(spec: Spec): readonly ReferencedFile[] {
  throw new Error(`not yet: ${Object.keys(spec).length}`);
}
