/** What nodes and other brains know this brain by, as its files are now. */
import { X509Certificate } from 'node:crypto';
import type { Logger } from 'pino';
import { brainIdentity } from '../pure/identity/brain-identity.js';
import { renderProblem } from '../pure/spec/problem.js';
import type { ChannelStatus } from '../pure/status/status.js';
import type { Credentials } from '../shells/channel/tls-handshakes.js';
import { ChannelFiles, type ChannelPaths } from '../shells/store/channel-files.js';
import { problemStatus } from './problem-status.js';

export class ChannelCredentials {
  readonly #log: Logger;
  #files: ChannelFiles | undefined;
  /** Undefined: plaintext. */
  current: Credentials | undefined;
  status: ChannelStatus = { tls: false, certificate_expires_at: null, problems: [], warnings: [] };

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * @param replaced told of all that come after the first
   * @throws when those that there are at the start are no good. Later ones that are not leave what there is.
   */
  async follow(paths: ChannelPaths, replaced: (credentials: Credentials) => void): Promise<void> {
    this.#files = await ChannelFiles.open(paths, {
      onChange: (credentials, warnings) => {
        const isFirst = this.current === undefined;
        this.current = credentials;
        if (!isFirst) replaced(credentials);
        const expires = new Date(credentials.expiresMs).toISOString();
        this.status = {
          tls: true,
          certificate_expires_at: expires,
          problems: [],
          warnings: warnings.map(problemStatus),
        };
        for (const warning of warnings) this.#log.warn({ path: warning.path }, renderProblem(warning));
        this.#log.info({ expires }, 'the certificate for nodes is in force');
      },
      onProblems: (problems) => {
        this.status = { ...this.status, tls: true, problems: problems.map(problemStatus) };
        const shown = problems.map(renderProblem);
        // At the start this is what `follow` throws.
        if (this.current)
          this.#log.error(
            { problems: shown },
            'the new certificate for nodes is not taken; the old one stays',
          );
      },
    });
    if (this.current) return;
    const problems = this.status.problems.map(({ message }) => message).join('; ');
    throw new Error(
      `nodes cannot be served with --xds-certificate, --xds-key and --xds-client-ca as they are: ${problems}`,
    );
  }

  /** @throws when other brains would not know this one by its certificate */
  assertNames(brain: string): void {
    if (!this.current) return;
    if (brainIdentity(new X509Certificate(this.current.chain).subjectAltName) === brain) return;
    throw new Error(
      `other brains cannot know this one: expected exactly one URI that ends in /brain/${brain} in its certificate`,
    );
  }

  close(): void {
    this.#files?.close();
  }
}
