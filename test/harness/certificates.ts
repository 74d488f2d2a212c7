/**
 * A certificate authority for one test: made when the test runs, by the openssl program, and gone with it. No key
 * is ever part of the project.
 */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { scratchFolder } from './scratch.js';

const run = promisify(execFile);

/** Paths of PEM files. */
export interface Certificate {
  readonly chain: string;
  readonly key: string;
}

export class Certificates {
  /** Folder of all files. */
  readonly folder: string;
  readonly #caKey: string;
  /** Path of the CA's own certificate (PEM). */
  readonly ca: string;
  #issued = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.ca = path.join(folder, 'ca.pem');
    this.#caKey = path.join(folder, 'ca-key.pem');
  }

  static async create(): Promise<Certificates> {
    const certificates = new Certificates(scratchFolder('certificates'));
    await run('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=test CA', '-keyout', certificates.#caKey, '-out', certificates.ca],
      ...['-addext', 'basicConstraints=critical,CA:true', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
    ]);
    return certificates;
  }

  /** The CA certificate itself, for clients that take it as text. */
  get caText(): string {
    return readFileSync(this.ca, 'utf8');
  }

  /** A server's certificate for these host names and addresses. */
  server(...hosts: readonly string[]): Promise<Certificate> {
    return this.#issue(
      hosts.map((host) => `${isIP(host) ? 'IP' : 'DNS'}:${host}`),
      'serverAuth',
    );
  }

  /** A client's certificate that carries this URI, e.g. `spiffe://shop/checkout`. */
  client(uri: string): Promise<Certificate> {
    return this.#issue([`URI:${uri}`], 'clientAuth');
  }

  /** For a program that is called and calls: a server's names, and a URI. */
  peer(uri: string, ...hosts: readonly string[]): Promise<Certificate> {
    const names = hosts.map((host) => `${isIP(host) ? 'IP' : 'DNS'}:${host}`);
    return this.#issue([`URI:${uri}`, ...names], 'serverAuth,clientAuth');
  }

  async #issue(subjectAlternativeNames: readonly string[], usage: string): Promise<Certificate> {
    this.#issued += 1;
    const file = (end: string) => path.join(this.folder, `${usage}-${this.#issued}${end}`);
    const [request, extensions, key, chain] = [file('.csr'), file('.ext'), file('-key.pem'), file('.pem')];
    writeFileSync(
      extensions,
      // Critical where there is no subject, says RFC 5280 4.1.2.6, and so does Java.
      `subjectAltName=critical,${subjectAlternativeNames.join(',')}\nextendedKeyUsage=${usage}\nbasicConstraints=CA:false\n`,
    );
    await run('openssl', [
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/'],
      ...['-keyout', key, '-out', request],
    ]);
    await run('openssl', [
      ...['x509', '-req', '-in', request, '-CA', this.ca, '-CAkey', this.#caKey, '-days', '30'],
      ...['-set_serial', String(this.#issued), '-extfile', extensions, '-out', chain],
    ]);
    return { chain, key };
  }
}
