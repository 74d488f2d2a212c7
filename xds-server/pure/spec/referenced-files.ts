import type { Spec } from './spec.js';

export interface ReferencedFile {
  /** As written in the spec; a relative one counts from the spec's folder. */
  readonly path: string;
  /** Path of the field that names it: `listeners.pg.tls.certificate.chain`. */
  readonly why: string;
}

/** Every file that the spec names, as often as it does: certificates, keys, CAs, observers' passwords. */
export function referencedFiles(spec: Spec): readonly ReferencedFile[] {
  const files: ReferencedFile[] = [];
  const add = (why: string, path: string | undefined) => {
    if (path !== undefined) files.push({ path, why });
  };
  for (const [name, { tls }] of Object.entries(spec.listeners)) {
    add(`listeners.${name}.tls.certificate.chain`, tls.certificate.chain);
    add(`listeners.${name}.tls.certificate.key`, tls.certificate.key);
    add(`listeners.${name}.tls.client_ca`, tls.client_ca);
  }
  for (const [name, { observer, tls }] of Object.entries(spec.databases)) {
    add(`databases.${name}.tls.ca`, tls?.ca);
    add(
      `databases.${name}.observer.password.file`,
      'file' in observer.password ? observer.password.file : undefined,
    );
  }
  for (const [name, { certificate }] of Object.entries(spec.services)) {
    add(`services.${name}.certificate.chain`, certificate?.chain);
    add(`services.${name}.certificate.key`, certificate?.key);
  }
  return files;
}
