/**
 * The only place that joins the shells. What each of them does is in its folder; here is who is told what.
 *
 *   store ──▶ plan ──▶ snapshot ──▶ xds ══▶ nodes
 *               │                            ║
 *               ├──▶ databases ──▶ ledger ◀══╬══ sessions
 *               └────────────────▶   ▲       ║
 *                                    └─────▶ authz
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ActivityBook } from './pure/activity/activity-book.js';
import { SessionDirectory } from './pure/cancel/session-directory.js';
import { alone } from './pure/leadership/leadership.js';
import type { LedgerEffect } from './pure/ledger/events.js';
import { Ledger } from './pure/ledger/ledger.js';
import { defaultSettings } from './pure/ledger/settings.js';
import { bindingWarnings } from './pure/plan/channel-binding.js';
import type { Plan, ServicePlan, TargetName } from './pure/plan/plan.js';
import { planOf } from './pure/plan/plan-of.js';
import { buildSnapshot } from './pure/snapshot/build.js';
import { connectTimeoutMs } from './pure/snapshot/cluster.js';
import { Encoder } from './pure/snapshot/encoder.js';
import { checkTimeoutMs, reportIntervalMs, unsentReportBytes } from './pure/snapshot/listener.js';
import { shownCertificate } from './pure/snapshot/secret-set.js';
import { TypeUrl } from './pure/snapshot/snapshot.js';
import { verifiedServers } from './pure/snapshot/upstream-tls.js';
import { isLoopback } from './pure/spec/ip.js';
import { type Problem, renderProblem } from './pure/spec/problem.js';
import type { Spec } from './pure/spec/spec.js';
import type { ChannelStatus, LeadershipStatus, ProblemStatus, SpecStatus } from './pure/status/status.js';
import { type Address, AdminServer } from './shells/admin/admin-server.js';
import { AuthzService, type Readiness } from './shells/authz/authz-service.js';
import { Cancels } from './shells/cancels/cancels.js';
import { SessionFinder } from './shells/cancels/session-finder.js';
import { Channel, type Credentials } from './shells/channel/channel.js';
import { BrainStatus } from './shells/control/brain-status.js';
import { Enactment } from './shells/control/enactment.js';
import { leadershipStatus } from './shells/control/leadership-status.js';
import { LedgerLoop } from './shells/control/ledger-loop.js';
import { Observers } from './shells/databases/observers.js';
import { sendCancel } from './shells/databases/send-cancel.js';
import { EnvoyApi } from './shells/envoy-api/envoy-api.js';
import { AccessLogService } from './shells/sessions/access-log-service.js';
import { fingerprint } from './shells/store/certificates.js';
import { ChannelFiles, type ChannelPaths } from './shells/store/channel-files.js';
import type { LoadedSpec } from './shells/store/load-spec.js';
import { SpecFile } from './shells/store/spec-file.js';
import { Metrics } from './shells/telemetry/metrics.js';
import { OccasionalLog } from './shells/telemetry/occasional-log.js';
import { XdsServer } from './shells/xds/xds-server.js';

export interface BrainOptions {
  /** Followed for as long as the brain runs. */
  readonly specFile: string;
  /** Where nodes are served; port 0 is any free one. */
  readonly xds: Address;
  readonly admin: Address;
  /** Paths are of PEM files, which are followed. */
  readonly channel: ({ readonly kind: 'tls' } & ChannelPaths) | { readonly kind: 'plaintext' };
  readonly log: Logger;
  /** Of the program. */
  readonly version: string;
}

/** A node that is connected has a new cluster within milliseconds, or has rejected it. */
const nodePatienceMs = 2_000;
/** One that is not connected may be on its way back. */
const absencePatienceMs = 30_000;
/** For nodes to take their answers when the brain stops. */
const farewellMs = 500;

/** A session that no node reports any more. */
const forgetMs = 30 * reportIntervalMs;

const now = (): number => performance.now();
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 32);

export class Brain {
  readonly #log: Logger;
  readonly #encoder: Encoder;
  readonly #ledger = new Ledger({ ...defaultSettings, connectTimeoutMs, reportIntervalMs });
  readonly #loop = new LedgerLoop(this.#ledger, now, (error) => {
    // Out of every handler that could swallow it: the process ends, and whoever runs it starts another.
    setImmediate(() => {
      throw error;
    });
  });
  readonly #activity = new ActivityBook(now());
  readonly #directory = new SessionDirectory(forgetMs);
  readonly #metrics: Metrics;
  readonly #strangers: OccasionalLog;
  readonly #xds: XdsServer;
  readonly #authz: AuthzService;
  readonly #observers: Observers;
  readonly #sessions: AccessLogService;
  readonly #finder: SessionFinder;
  #channel: Channel | undefined;
  #channelFiles: ChannelFiles | undefined;
  #channelStatus: ChannelStatus = { tls: false, certificate_expires_at: null, problems: [], warnings: [] };
  readonly #status: BrainStatus;
  #spec: SpecStatus;
  readonly #enactment: Enactment;
  /** By service: fingerprint of the certificate that its clients see. */
  #shown: ReadonlyMap<string, string> = new Map();
  #specFile: SpecFile | undefined;
  #admin: AdminServer | undefined;
  /** With the ports that were really taken; after `start`. */
  xds: Address;
  admin: Address;

  private constructor(options: BrainOptions) {
    const { log, version, specFile } = options;
    const api = EnvoyApi.load();
    this.#log = log;
    this.#strangers = new OccasionalLog(log, now);
    this.xds = options.xds;
    this.admin = options.admin;
    this.#encoder = new Encoder(api.root);
    this.#spec = { file: specFile, version: null, loaded_at: null, problems: [], warnings: [] };
    this.#status = new BrainStatus({
      version,
      startedAt: new Date(),
      now,
      spec: () => ({
        ...this.#spec,
        warnings: [...this.#spec.warnings, ...this.#bindingWarnings().map(problemStatus)],
      }),
      plan: () => this.#enactment.plan,
      ledger: (view) => this.#ledger.view(view),
      activity: (connection) => this.#activity.view(connection, now()),
      observer: (target) => this.#observers.view(target),
      nodes: () => this.#xds.nodes(),
      channel: () => this.#channelStatus,
      leadership: () => this.#leadershipStatus(),
    });
    this.#metrics = new Metrics({
      services: () => this.#status.services(),
      targets: () => this.#status.targets(),
      nodes: () => this.#xds.nodeCount,
      channel: () => this.#channelStatus,
      leadership: () => this.#leadershipStatus(),
    });
    this.#xds = new XdsServer({
      api,
      log,
      onNack: (_node, typeUrl) => this.#metrics.nacked(typeUrl),
      onConverged: (_node, _version, seconds) => this.#metrics.converged(seconds),
    });
    this.#enactment = new Enactment({
      log,
      now,
      publish: (snapshot) => this.#xds.publish(snapshot),
      limit: (plan) => this.#loop.apply({ kind: 'plan', plan }),
      ledger: () => this.#ledger.view(),
      nodesHave: (version) => this.#nodesHave(version),
    });
    this.#observers = new Observers({
      now,
      log,
      tell: (event) => this.#loop.apply(event),
      connected: (target) => {
        for (const warning of this.#bindingWarnings(target))
          log.warn({ path: warning.path }, renderProblem(warning));
      },
    });
    const cancels = new Cancels({
      now,
      plan: () => this.#enactment.plan,
      directory: this.#directory,
      send: async (server, pid, secret) => {
        const approach = this.#observers.approach(server.target.name);
        return approach !== undefined && (await sendCancel(server, pid, secret, approach));
      },
      counted: (outcome) => this.#metrics.cancelled(outcome),
      reportIntervalMs,
    });
    this.#authz = new AuthzService({
      now,
      plan: () => this.#enactment.plan,
      apply: (event) => this.#loop.apply(event),
      isDown: (target) => this.#observers.isDown(target),
      readiness: this.#readiness(),
      forged: (node) => this.#forged(node, 'check'),
      checkTimeoutMs,
      counted: ({ service, reason, waitedMs }) => {
        if (reason !== undefined) this.#metrics.refused(service, reason, waitedMs);
        else if (service !== undefined) this.#metrics.granted(service, waitedMs);
      },
      granted: (session) => this.#directory.granted(session, now()),
      cancel: (asked) => cancels.request(asked),
    });
    this.#sessions = new AccessLogService({
      // All that a node keeps may come at once, with what came meanwhile.
      maxMessageBytes: 2 * unsentReportBytes,
      apply: (event) => this.#loop.apply(event),
      worked: (service, report) => {
        const counts = this.#activity.take(report, now());
        if (counts) this.#metrics.worked(service, counts);
      },
      ended: ({ service, ...end }) => this.#metrics.sessionEnded(service, end),
      nodeOf: (connection) => this.#ledger.nodeOf(connection),
      forged: (node, what) => this.#forged(node, what),
      reported: (session) => this.#directory.reported(session, now()),
      gone: (connection, node) => this.#directory.ended(connection, node),
    });
    this.#finder = new SessionFinder({
      now,
      plan: () => this.#enactment.plan,
      directory: this.#directory,
      counted: (outcome) => this.#metrics.killed(outcome),
      reportIntervalMs,
    });
    this.#loop.subscribe((effect) => this.#carryOut(effect));
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
      await brain.#serve(options);
    } catch (error) {
      await brain.stop();
      throw error;
    }
    return brain;
  }

  async #serve({ specFile, xds, admin, channel }: BrainOptions): Promise<void> {
    this.#specFile = await SpecFile.open(specFile, {
      onChange: (loaded) => this.#take(loaded),
      onProblems: (problems) => this.#reject(problems),
    });
    const credentials = channel.kind === 'tls' ? await this.#followCredentials(channel) : undefined;
    this.#channel = await Channel.listen({
      ...xds,
      ...(credentials && { credentials }),
      log: this.#log,
      // All that a node may ask.
      methods: [...this.#xds.methods, this.#authz.method, this.#sessions.method, this.#finder.method],
      exhausted: (path) => this.#metrics.exhausted(path),
      refused: (reason, peer, found) => {
        this.#metrics.channelRefused(reason);
        this.#strangers.warn(reason, { reason, peer, found }, 'a connection to the brain is refused');
      },
    });
    this.xds = { host: xds.host, port: this.#channel.port };
    this.#admin = await AdminServer.listen(admin, {
      status: () => this.#status.status(),
      sessions: (range) => this.#status.sessions(range),
      waiting: (range) => this.#status.waiting(range),
      missing: () => this.#status.missing(),
      metrics: () => this.#metrics.scrape(),
    });
    this.admin = this.#admin.address;
    this.#log.info({ xds: this.xds, admin: this.admin }, 'the brain serves');
  }

  /** @throws when those that there are at the start are no good. Later ones that are not leave what there is. */
  async #followCredentials(paths: ChannelPaths): Promise<Credentials> {
    let first: Credentials | undefined;
    this.#channelFiles = await ChannelFiles.open(paths, {
      onChange: (credentials, warnings) => {
        first ??= credentials;
        this.#channel?.replaceCredentials(credentials);
        const expires = new Date(credentials.expiresMs).toISOString();
        this.#channelStatus = {
          tls: true,
          certificate_expires_at: expires,
          problems: [],
          warnings: warnings.map(problemStatus),
        };
        for (const warning of warnings) this.#log.warn({ path: warning.path }, renderProblem(warning));
        this.#log.info({ expires }, 'the certificate for nodes is in force');
      },
      onProblems: (problems) => {
        this.#channelStatus = { ...this.#channelStatus, tls: true, problems: problems.map(problemStatus) };
        const shown = problems.map(renderProblem);
        this.#log.error({ problems: shown }, 'the new certificate for nodes is not taken; the old one stays');
      },
    });
    if (first) return first;
    const [problem] = this.#channelStatus.problems;
    throw new Error(`nodes cannot be served with these certificates: ${problem?.message}`);
  }

  /** Held checks go back to their nodes, which ask again: another brain, or this one when it has started again. */
  async stop(): Promise<void> {
    this.#log.info('the brain stops; held checks go back to their nodes');
    this.#enactment.stop();
    this.#specFile?.close();
    this.#channelFiles?.close();
    const served = this.#channel?.drain();
    this.#authz.stop();
    this.#xds.close();
    this.#loop.stop();
    this.#observers.stop();
    await Promise.race([served, pause(farewellMs)]);
    this.#channel?.destroy();
    await this.#admin?.close();
  }

  #carryOut(effect: LedgerEffect): void {
    if (effect.kind === 'observe') this.#observers.soon(effect.target);
    else this.#authz.carryOut(effect);
  }

  /** A node that speaks of another's connection is broken, or in the wrong hands. */
  #forged(node: string, what: 'check' | 'report' | 'end'): void {
    this.#metrics.forged(what);
    this.#strangers.warn(`forged ${what}`, { node, what }, 'a node spoke of a connection of another node');
  }

  #take({ spec, files, passwords, warnings }: LoadedSpec): void {
    const plan = planOf(spec);
    try {
      this.#enactment.enact(plan, (of) => buildSnapshot(of, files, this.#encoder, sha256));
    } catch (error) {
      // A spec that was accepted and cannot be carried out is a bug, and no reason to leave what is in force.
      this.#log.error({ error }, 'an accepted spec cannot be carried out');
      this.#reject([{ path: '', expected: 'a spec that can be carried out', found: String(error) }]);
      return;
    }
    this.#metrics.planned(plan);
    this.#metrics.specRead('accepted');
    this.#shown = shownCertificates(plan, files);
    this.#observers.follow(plan, passwords, files);
    this.#spec = {
      file: this.#spec.file,
      version: versionOf(spec, files),
      loaded_at: new Date().toISOString(),
      problems: [],
      warnings: warnings.map(problemStatus),
    };
    for (const warning of warnings) this.#log.warn({ path: warning.path }, renderProblem(warning));
    this.#log.info({ version: this.#spec.version, services: plan.services.size }, 'the spec is in force');
  }

  /** @param target this one's alone */
  #bindingWarnings(target?: TargetName): readonly Problem[] {
    return bindingWarnings(
      this.#enactment.plan,
      ({ name }) => this.#shown.get(name),
      (name) =>
        target === undefined || name === target ? (this.#observers.view(name)?.certificates ?? []) : [],
    );
  }

  #reject(problems: readonly Problem[]): void {
    this.#metrics.specRead('rejected');
    this.#spec = { ...this.#spec, problems: problems.map(problemStatus) };
    const shown = problems.map(renderProblem);
    this.#log.error(
      { file: this.#spec.file, problems: shown },
      'the spec is not taken; what was in force stays',
    );
  }

  #leadershipStatus(): LeadershipStatus {
    return leadershipStatus({ leadership: alone, brain: undefined, trouble: undefined, nowMs: now() });
  }

  #nodesHave(runtimeVersion: string | undefined): boolean {
    const isRuntime = ({ typeUrl }: { readonly typeUrl: string }): boolean => typeUrl === TypeUrl.runtime;
    return this.#xds.nodes().every(({ types }) => types.find(isRuntime)?.acked === runtimeVersion);
  }

  /**
   * A node can carry out a grant when it has the service's cluster and, where they are not in it, its endpoints and what
   * it verifies the servers with.
   */
  #readiness(): Readiness {
    const needed = ({ cluster, target }: ServicePlan): [TypeUrl, string][] => {
      const { snapshot, plan } = this.#enactment;
      const isApart = snapshot?.sets.get(TypeUrl.endpoints)?.resources.has(cluster);
      const planned = plan.targets.get(target);
      return [
        [TypeUrl.cluster, cluster],
        ...(isApart ? [[TypeUrl.endpoints, cluster] as [TypeUrl, string]] : []),
        ...(planned ? verifiedServers(planned) : []).map(({ secret }): [TypeUrl, string] => [
          TypeUrl.secret,
          secret,
        ]),
      ];
    };
    return {
      isReady: (node, service) =>
        needed(service).every(([type, name]) => this.#xds.isAcked(node, type, name)),
      whenReady: async (node, service, patienceMs) => {
        const nodeMs = this.#xds.isConnected(node) ? nodePatienceMs : absencePatienceMs;
        const untilMs = now() + Math.min(patienceMs, nodeMs);
        for (const [type, name] of needed(service)) {
          const leftMs = Math.max(0, untilMs - now());
          if (!(await this.#xds.whenAcked(node, type, name, leftMs))) return false;
        }
        return true;
      },
    };
  }
}

/** Of all that the operator wrote, passwords excepted: much of it is the ledger's alone and shows in no snapshot. */
function versionOf(spec: Spec, files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha256').update(JSON.stringify(spec));
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(name).update(bytes);
  return hash.digest('hex').slice(0, 16);
}

function shownCertificates(plan: Plan, files: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, string> {
  // Thousands of services may share one certificate.
  const ofFile = new Map<string, string | undefined>();
  const ofService = new Map<string, string>();
  for (const service of plan.services.values()) {
    const { chain } = shownCertificate(plan, service);
    const bytes = files.get(chain);
    if (!ofFile.has(chain)) ofFile.set(chain, bytes && fingerprint(bytes));
    const found = ofFile.get(chain);
    if (found !== undefined) ofService.set(service.name, found);
  }
  return ofService;
}

const problemStatus = (problem: Problem): ProblemStatus => ({
  path: problem.path,
  message: renderProblem(problem),
  line: problem.line ?? null,
});
