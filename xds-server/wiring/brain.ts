/** A brain from its start to its end: what it follows, where it listens, and in which order all of it stops. */
import { setTimeout as pause } from 'node:timers/promises';
import { isLoopback } from '../pure/spec/ip.js';
import { type Address, AdminServer } from '../shells/admin/admin-server.js';
import { findSessionMethod, loggedInMethod, surplusMethod } from '../shells/cancels/sessions-service.js';
import { Channel } from '../shells/channel/channel.js';
import type { ChannelPaths } from '../shells/store/channel-files.js';
import { Parts, type PartsOptions } from './parts.js';

export interface BrainOptions extends PartsOptions {
  /** Where nodes are served; port 0 is any free one. */
  readonly xds: Address;
  readonly admin: Address;
  /** Paths are of PEM files, which are followed. */
  readonly channel: ({ readonly kind: 'tls' } & ChannelPaths) | { readonly kind: 'plaintext' };
}

/** For nodes to take their answers when the brain stops. */
const farewellMs = 500;
/** Between two looks at whose time is up while nobody leads, and how long a leader's own word may be on its way. */
const expiryLookMs = 100;
const expiryGraceMs = 500;
/** Within it a dead leader is replaced, as a rule; past it, another brain may reach one that this one does not. */
const leaderlessPatienceMs = 2_500;

export class Brain {
  readonly #options: BrainOptions;
  readonly #parts: Parts;
  #expiry: NodeJS.Timeout | undefined;
  /** After so long without a leader nodes are sent away: ever more seldom, in case that no brain has one. */
  #breakOffMs = leaderlessPatienceMs;
  #channel: Channel | undefined;
  #admin: AdminServer | undefined;
  /** With the ports that were really taken; after `start`. */
  xds: Address;
  admin: Address;

  private constructor(options: BrainOptions) {
    this.#options = options;
    this.#parts = new Parts(options);
    this.xds = options.xds;
    this.admin = options.admin;
  }

  /**
   * Reads the spec, then serves. A spec with problems is no reason not to start: its file is followed, and nodes keep
   * what they have until it is mended.
   *
   * @throws in words for the operator when an address is not loopback or is taken, or the channel's files are no good
   */
  static async start(options: BrainOptions): Promise<Brain> {
    if (options.channel.kind === 'plaintext' && !isLoopback(options.xds.host))
      throw new Error(
        `without certificates nodes and brain do not know each other, so the brain serves on loopback only: expected 127.0.0.1 or ::1, found ${options.xds.host}`,
      );
    const brain = new Brain(options);
    try {
      await brain.#serve();
    } catch (error) {
      await brain.stop();
      throw error;
    }
    return brain;
  }

  async #serve(): Promise<void> {
    const { candidate, channel, xds, admin } = this.#options;
    if (!candidate) this.#parts.deciding.begin();
    await this.#parts.spec.follow();
    if (channel.kind === 'tls')
      await this.#parts.credentials.follow(channel, (credentials) =>
        this.#channel?.replaceCredentials(credentials),
      );
    if (candidate) this.#parts.credentials.assertNames(candidate.brain);
    this.#channel = await this.#listen();
    this.xds = { host: xds.host, port: this.#channel.port };
    this.#admin = await AdminServer.listen(admin, {
      status: () => this.#parts.status.status(),
      sessions: (range) => this.#parts.status.sessions(range),
      waiting: (range) => this.#parts.status.waiting(range),
      missing: () => this.#parts.status.missing(),
      metrics: () => this.#parts.metrics.scrape(),
    });
    this.admin = this.#admin.address;
    if (candidate) this.#parts.deciding.begin();
    this.#expiry = setInterval(() => this.#look(), expiryLookMs);
    this.#expiry.unref();
    this.#options.log.info({ xds: this.xds, admin: this.admin }, 'the brain serves');
  }

  /** While nobody leads, as far as is known here, somebody must think of those who wait; and of whom the leader has forgotten. */
  #look(): void {
    const { authz, deciding } = this.#parts;
    authz.expire(expiryGraceMs);
    if (!this.#options.candidate) return;
    const { leaderlessMs } = deciding;
    if (leaderlessMs < leaderlessPatienceMs) this.#breakOffMs = leaderlessPatienceMs;
    else authz.giveBack();
    if (leaderlessMs < this.#breakOffMs) return;
    // Nodes know what to do with a brain that is dead: checks, reports and configuration go to another one.
    this.#breakOffMs = 2 * leaderlessMs;
    const { leader, link } = deciding.status;
    const of = { ...(leader !== null && { leader }), ...(link?.problem && { problem: link.problem }) };
    this.#options.log.warn(of, 'this brain reaches no leader: nodes are sent to other brains');
    this.#channel?.breakOff();
  }

  #listen(): Promise<Channel> {
    const { current } = this.#parts.credentials;
    return Channel.listen({
      ...this.#options.xds,
      ...(current && { credentials: current }),
      log: this.#options.log,
      // Without a spec it would turn away whom another brain lets in.
      serves: () => !this.#options.candidate || this.#parts.spec.loaded !== undefined,
      // All that a node or another brain may ask.
      methods: [
        ...this.#parts.xds.methods,
        this.#parts.authz.method,
        this.#parts.sessions.method,
        findSessionMethod((question, node) => this.#parts.deciding.find(question, node)),
        surplusMethod((sessions, node) => this.#parts.deciding.surplus(node, sessions)),
        loggedInMethod((login) => this.#parts.deciding.desk.loggedIn(login)),
        ...(this.#options.candidate ? [this.#parts.deciding.following.method] : []),
      ],
      exhausted: ({ path, caller, cause, why }) => {
        this.#parts.metrics.exhausted(path);
        const fields = { ...caller, path, cause, why: why.slice(0, 300) };
        const kind = `${cause} ${caller.brain ?? ''} ${caller.node}`;
        this.#parts.strangers.warn(
          kind,
          fields,
          'a call to the brain is ended: it asks for more than a bound allows',
        );
      },
      refused: (reason, peer, found) => {
        this.#parts.metrics.channelRefused(reason);
        this.#parts.strangers.warn(reason, { reason, peer, found }, 'a connection to the brain is refused');
      },
    });
  }

  /** Held checks go back to their nodes, which ask again: another brain, or this one when it has started again. */
  async stop(): Promise<void> {
    this.#options.log.info('the brain stops; held checks go back to their nodes');
    this.#parts.enactment.stop();
    this.#parts.spec.close();
    this.#parts.credentials.close();
    clearInterval(this.#expiry);
    this.#parts.authz.stop();
    await this.#parts.deciding.end();
    const served = this.#channel?.drain();
    this.#parts.xds.close();
    await Promise.race([served, pause(farewellMs)]);
    this.#channel?.destroy();
    await this.#admin?.close();
  }
}
