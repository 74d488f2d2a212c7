/**
 * What the brain and its nodes know each other by in a test: files at fixed places, which can be renewed as an operator
 * would, each by renaming a new one over it.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Certificate, Certificates } from './certificates.js';
import { scratchFolder } from './scratch.js';

/** Name in the brain's certificate. */
export const brainName = 'brain.test';

/** Paths of PEM files. */
export interface ChannelFiles {
  readonly certificate: string;
  readonly key: string;
  /** Of the other end. */
  readonly ca: string;
}

export class ChannelCertificates {
  readonly #folder = scratchFolder('channel');
  /** Signs what is issued from now on. */
  issuer: Certificates;

  private constructor(issuer: Certificates) {
    this.issuer = issuer;
  }

  static async create(): Promise<ChannelCertificates> {
    const made = new ChannelCertificates(await Certificates.create());
    await made.renewBrain();
    made.trust('brain', made.issuer);
    return made;
  }

  get brain(): ChannelFiles {
    return this.#filesOf('brain');
  }

  /** The files of one of several brains, made when they are not there. */
  async brainNamed(id: string): Promise<ChannelFiles> {
    const who = `brain-${id}`;
    this.#install(who, await this.issuer.peer(`spiffe://sluice.test/brain/${id}`, brainName, '127.0.0.1'));
    this.trust(who, this.issuer);
    return this.#filesOf(who);
  }

  /** The node's own files, made when they are not there. */
  async node(id: string): Promise<ChannelFiles> {
    await this.renewNode(id);
    this.trust(id, this.issuer);
    return this.#filesOf(id);
  }

  async renewBrain(): Promise<void> {
    this.#install('brain', await this.issuer.server(brainName, '127.0.0.1'));
  }

  async renewNode(id: string): Promise<void> {
    this.#install(id, await this.issuer.client(`spiffe://sluice.test/node/${id}`));
  }

  /** From now on `who` (a node id, or `brain`) believes what these have signed, and nothing else. */
  trust(who: string, ...cas: readonly Certificates[]): void {
    this.#write(this.#filesOf(who).ca, cas.map(({ caText }) => caText).join(''));
  }

  #install(who: string, { chain, key }: Certificate): void {
    const files = this.#filesOf(who);
    this.#write(files.key, readFileSync(key, 'utf8'));
    this.#write(files.certificate, readFileSync(chain, 'utf8'));
  }

  #write(file: string, text: string): void {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }

  #filesOf(who: string): ChannelFiles {
    const file = (name: string): string => path.join(this.#folder, who, name);
    return { certificate: file('certificate.pem'), key: file('key.pem'), ca: file('ca.pem') };
  }
}
