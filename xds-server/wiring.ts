/**
 * Joins the shells, with leading.ts. What each of them does is in its folder; here is who is told what.
 *
 *   store ──▶ plan ──▶ snapshot ──▶ xds ══▶ nodes
 *               │                            ║
 *               ▼                  ┌─ sessions ◀
 *            leading ◀── desk ◀────┴─ authz ◀═╝
 *                          ╰──▶ another brain, where that one leads
 */
import { createHash, X509Certificate } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Following } from './following.js';
import { Leading } from './leading.js';
import { brainIdentity } from './pure/identity/brain-identity.js';
import { alone, type Leadership, type Term } from './pure/leadership/leadership.js';
import { Ledger } from './pure/ledger/ledger.js';
import { defaultSettings } from './pure/ledger/settings.js';
import type { LedgerView, ViewOptions } from './pure/ledger/view.js';
import { Desk } from './pure/peers/desk.js';
import type { Answer, News } from './pure/peers/messages.js';
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
import type { SpecStore } from './pure/store/spec-store.js';
import { type Address, AdminServer } from './shells/admin/admin-server.js';
import { AuthzService } from './shells/authz/authz-service.js';
import { sessionsMethod } from './shells/cancels/sessions-service.js';
import { Channel, type Credentials } from './shells/channel/channel.js';
import type { Asker } from './shells/control/admission.js';
import { BrainStatus } from './shells/control/brain-status.js';
import { Enactment } from './shells/control/enactment.js';
import { leadershipStatus } from './shells/control/leadership-status.js';
import { NodeReadiness } from './shells/control/node-readiness.js';
import { ElectionLoop, type ElectionOptions } from './shells/election/election-loop.js';
import { EnvoyApi } from './shells/envoy-api/envoy-api.js';
import { AccessLogService } from './shells/sessions/access-log-service.js';
import { fingerprint } from './shells/store/certificates.js';
import { ChannelFiles, type ChannelPaths } from './shells/store/channel-files.js';
import { FollowedSpec } from './shells/store/followed-spec.js';
import { FollowedStore, type StoreState } from './shells/store/followed-store.js';
import { inFile, type LoadedSpec } from './shells/store/load-spec.js';
import { Metrics } from './shells/telemetry/metrics.js';
import { OccasionalLog } from './shells/telemetry/occasional-log.js';
import { XdsServer } from './shells/xds/xds-server.js';

export type SpecPlace =
  | { readonly kind: 'file'; readonly file: string }
  /** `folder`: where the relative names of files in it begin. The brain closes the store. */
  | { readonly kind: 'store'; readonly store: SpecStore; readonly folder: string };

export interface BrainOptions {
  /** Followed for as long as the brain runs. */
  readonly spec: SpecPlace;
  /** Where nodes are served; port 0 is any free one. */
  readonly xds: Address;
  readonly admin: Address;
  /** Paths are of PEM files, which are followed. */
  readonly channel: ({ readonly kind: 'tls' } & ChannelPaths) | { readonly kind: 'plaintext' };
  /** Where there are several brains; absent: this one leads for as long as it runs. It closes the client of etcd. */
  readonly candidate?: Candidate;
  readonly log: Logger;
  /** Of the program. */
  readonly version: string;
}

type Candidate = Pick<ElectionOptions, 'etcd' | 'prefix' | 'brain' | 'address'>;

/** For nodes to take their answers when the brain stops. */
const farewellMs = 500;
/** Between two looks at whether what was given has been used. */
const handOverLookMs = 10;

/** Between two looks at whose time is up while nobody leads, and how long a leader's own word may be on its way. */
const expiryLookMs = 100;
const expiryGraceMs = 500;
/** In one turn of the loop. */
const retoldAtOnce = 500;

const ledgerSettings = { ...defaultSettings, connectTimeoutMs, reportIntervalMs };
/** Of a brain that does not lead. */
const nothingKnown = new Ledger(ledgerSettings);

const now = (): number => performance.now();
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 32);

export class Brain {
  readonly #log: Logger;
  readonly #encoder: Encoder;
  /** While this brain leads. */
  #leading: Leading | undefined;
  #term: Term | undefined;
  readonly #candidate: Candidate | undefined;
  #election: ElectionLoop | undefined;
  /** It stops: whoever leads is no concern of its any more. */
  #deaf = false;
  #expiry: NodeJS.Timeout | undefined;
  readonly #desk: Desk;
  readonly #following: Following;
  /** This brain, as the leader knows those who ask. */
  readonly #self: Asker = { answer: (answer) => this.#answered(answer), clockAt: (ms) => ms };
  readonly #readiness: NodeReadiness;
  readonly #metrics: Metrics;
  readonly #strangers: OccasionalLog;
  readonly #xds: XdsServer;
  readonly #authz: AuthzService;
  readonly #sessions: AccessLogService;
  #channel: Channel | undefined;
  #channelFiles: ChannelFiles | undefined;
  #credentials: Credentials | undefined;
  #channelStatus: ChannelStatus = { tls: false, certificate_expires_at: null, problems: [], warnings: [] };
  readonly #status: BrainStatus;
  #spec: SpecStatus;
  readonly #enactment: Enactment;
  /** By service: fingerprint of the certificate that its clients see. */
  #shown: ReadonlyMap<string, string> = new Map();
  #followed: { close(): void } | undefined;
  #loaded: LoadedSpec | undefined;
  #admin: AdminServer | undefined;
  /** With the ports that were really taken; after `start`. */
  xds: Address;
  admin: Address;

  private constructor(options: BrainOptions) {
    const { log, version, spec, candidate } = options;
    this.#candidate = candidate;
    const api = EnvoyApi.load();
    this.#log = log;
    this.#strangers = new OccasionalLog(log, now);
    this.xds = options.xds;
    this.admin = options.admin;
    this.#encoder = new Encoder(api.root);
    this.#spec = {
      source: spec.kind === 'file' ? spec.file : spec.store.name,
      revision: null,
      store: null,
      version: null,
      loaded_at: null,
      problems: [],
      warnings: [],
    };
    this.#status = new BrainStatus({
      version,
      startedAt: new Date(),
      now,
      spec: () => ({
        ...this.#spec,
        warnings: [...this.#spec.warnings, ...this.#bindingWarnings().map(problemStatus)],
      }),
      plan: () => this.#enactment.plan,
      ledger: (view) => this.#ledgerView(view),
      activity: (connection) => this.#leading?.activity(connection),
      observer: (target) => this.#leading?.observer(target),
      nodes: () => this.#xds.nodes(),
      channel: () => this.#channelStatus,
      leadership: () => this.#leadershipStatus(),
    });
    this.#metrics = new Metrics({
      services: () => this.#status.services(),
      targets: () => this.#status.targets(),
      nodes: () => this.#xds.nodeCount,
      spec: () => this.#spec,
      channel: () => this.#channelStatus,
      leadership: () => this.#leadershipStatus(),
    });
    this.#xds = new XdsServer({
      api,
      log,
      onNode: (node, isHere, runtime) => {
        if (isHere) this.#desk.nodeIsHere(node, runtime);
        else this.#desk.nodeHasLeft(node);
      },
      onNack: (_node, typeUrl) => this.#metrics.nacked(typeUrl),
      onConverged: (_node, _version, seconds) => this.#metrics.converged(seconds),
    });
    this.#enactment = new Enactment({
      log,
      now,
      publish: (snapshot) => this.#xds.publish(snapshot),
      limit: (plan) => this.#leading?.limit(plan),
      ledger: () => this.#ledgerView(),
      tell: (limits) => this.#following.tellLimits(limits),
      nodesHave: (version) => this.#nodesHave(version),
    });
    const readiness = {
      now,
      own: this.#xds,
      service: (name: string) => this.#enactment.plan.services.get(name),
      needed: (service: ServicePlan) => this.#needed(service),
    };
    const ownReadiness = new NodeReadiness(readiness);
    this.#desk = new Desk({ pass: (news) => this.#pass(news), keepsSessions: candidate !== undefined });
    this.#following = new Following({
      now,
      log,
      desk: this.#desk,
      leading: () => this.#leading,
      credentials: () => this.#credentials,
      answered: (answer) => this.#answered(answer),
      limits: () => this.#enactment.nodeLimits,
      obey: (limits) => this.#enactment.obey(limits),
      whenReady: (node, service) => ownReadiness.whenReady(node, service, Number.POSITIVE_INFINITY),
    });
    const others = candidate && { others: this.#following.claims };
    this.#readiness = new NodeReadiness({ ...readiness, ...others });
    this.#authz = new AuthzService({
      now,
      plan: () => this.#enactment.plan,
      ask: (question) => this.#desk.ask(question),
      withdraw: (connection) => this.#desk.withdraw(connection),
      forged: (node) => this.#forged(node, 'check'),
      checkTimeoutMs,
      counted: ({ service, reason, waitedMs }) => {
        if (reason !== undefined) this.#metrics.refused(service, reason, waitedMs);
        else if (service !== undefined) this.#metrics.granted(service, waitedMs);
      },
      cancel: (asked) => this.#leading?.cancel(asked) ?? this.#following.interrupt(asked),
    });
    this.#sessions = new AccessLogService({
      // All that a node keeps may come at once, with what came meanwhile.
      maxMessageBytes: 2 * unsentReportBytes,
      tell: (session) => this.#desk.tell(session),
    });
    if (!candidate) this.#follow(alone);
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

  async #serve({ spec, xds, admin, channel }: BrainOptions): Promise<void> {
    this.#followed = await this.#followSpec(spec);
    const credentials = channel.kind === 'tls' ? await this.#followCredentials(channel) : undefined;
    if (credentials && this.#candidate) assertNames(credentials, this.#candidate.brain);
    this.#channel = await Channel.listen({
      ...xds,
      ...(credentials && { credentials }),
      log: this.#log,
      // All that a node may ask.
      methods: [
        ...this.#xds.methods,
        this.#authz.method,
        this.#sessions.method,
        sessionsMethod(
          (question, node) => this.#leading?.find(question, node) ?? this.#following.find(question, node),
        ),
        ...(this.#candidate ? [this.#following.method] : []),
      ],
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
    if (this.#candidate) this.#stand(this.#candidate);
    this.#log.info({ xds: this.xds, admin: this.admin }, 'the brain serves');
  }

  #followSpec(place: SpecPlace): Promise<{ close(): void }> {
    const listener = {
      onChange: (loaded: LoadedSpec, revision: number | undefined) => this.#take(loaded, revision),
      onProblems: (problems: readonly Problem[], revision: number | undefined) =>
        this.#reject(problems, revision),
    };
    if (place.kind === 'file') return FollowedSpec.open(inFile(place.file), listener);
    return FollowedStore.open(place.store, place.folder, {
      ...listener,
      onStore: (state) => this.#storeIs(state),
    });
  }

  /** A store that is lost takes nothing with it: what is in force stays, and nothing new comes. */
  #storeIs({ revision, problem }: StoreState): void {
    const before = this.#spec.store;
    const since = before?.problem ? before.problem_since : new Date().toISOString();
    this.#spec = {
      ...this.#spec,
      store: {
        revision: revision ?? null,
        problem: problem ?? null,
        problem_since: problem === undefined ? null : since,
      },
    };
    const { source } = this.#spec;
    if (problem !== undefined && problem !== before?.problem)
      this.#log.error({ source, problem }, 'the store of specs is lost; what is in force stays');
    if (problem === undefined && before?.problem)
      this.#log.info({ source, revision }, 'the store of specs is back');
  }

  /** For election: nodes are served by then. */
  #stand(candidate: Candidate): void {
    this.#election = new ElectionLoop({ ...candidate, now, log: this.#log });
    this.#election.subscribe((leadership) => this.#follow(leadership));
    this.#expiry = setInterval(() => this.#authz.expire(expiryGraceMs), expiryLookMs);
    this.#expiry.unref();
  }

  /** @throws when those that there are at the start are no good. Later ones that are not leave what there is. */
  async #followCredentials(paths: ChannelPaths): Promise<Credentials> {
    let first: Credentials | undefined;
    this.#channelFiles = await ChannelFiles.open(paths, {
      onChange: (credentials, warnings) => {
        first ??= credentials;
        this.#credentials = credentials;
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
    this.#followed?.close();
    this.#channelFiles?.close();
    this.#authz.stop();
    await this.#handOver();
    this.#following.stop();
    const served = this.#channel?.drain();
    this.#xds.close();
    await Promise.race([served, pause(farewellMs)]);
    this.#channel?.destroy();
    await this.#admin?.close();
  }

  /** Nothing is given any more; the next leader may begin when nothing that was given is under way. */
  async #handOver(): Promise<void> {
    clearInterval(this.#expiry);
    this.#deaf = true;
    this.#leading?.term(Number.NEGATIVE_INFINITY);
    const overMs = now() + ledgerSettings.grantTtlMs;
    const isUnderWay = (): boolean =>
      [...this.#ledgerView().targets.values()].some(({ granted }) => granted > 0);
    while (this.#election && isUnderWay() && now() < overMs) await pause(handOverLookMs);
    await this.#election?.resign();
    this.#election?.stop();
    this.#candidate?.etcd.close();
    this.#lose();
  }

  #ledgerView(options?: ViewOptions): LedgerView {
    return this.#leading?.view(options) ?? nothingKnown.view(options);
  }

  /** Who leads from now on. */
  #follow(leadership: Leadership): void {
    if (this.#deaf) return;
    if (leadership.kind !== 'leader' || leadership.term !== this.#term) this.#lose();
    this.#following.turnTo(leadership, this.#candidate?.brain ?? '');
    if (leadership.kind !== 'leader') return;
    if (this.#leading) this.#leading.term(leadership.untilMs);
    else this.#lead(leadership.term, leadership.untilMs);
  }

  #lose(): void {
    if (!this.#leading) return;
    this.#desk.close();
    this.#enactment.follow();
    this.#leading.stop();
    this.#leading = this.#term = undefined;
  }

  #lead(term: Term, untilMs: number): void {
    this.#term = term;
    this.#leading = new Leading({
      now,
      log: this.#log,
      settings: { ...ledgerSettings, follows: this.#candidate ? 'term' : 'restart' },
      plan: () => this.#enactment.plan,
      readiness: this.#readiness,
      metrics: this.#metrics,
      forged: (node, what) => this.#forged(node, what),
      connected: (target) => {
        for (const warning of this.#bindingWarnings(target))
          this.#log.warn({ path: warning.path }, renderProblem(warning));
      },
    });
    this.#leading.term(untilMs);
    this.#enactment.lead();
    if (this.#loaded) this.#leading.observe(this.#enactment.plan, this.#loaded);
    this.#desk.open();
    void this.#retell(this.#leading);
  }

  /** In pieces: sessions may be a hundred thousand, and the term runs out when the lease is not renewed meanwhile. */
  async #retell(leading: Leading): Promise<void> {
    let told = 0;
    for (const news of this.#desk.retold()) {
      if (++told % retoldAtOnce === 0) await nextTurn();
      if (this.#leading !== leading) return;
      this.#pass(news);
    }
  }

  /** What this brain's own nodes ask and tell: decided here, or passed to the brain that leads. */
  #pass(news: News): void {
    if (!this.#leading) this.#following.pass(news);
    else if (news.kind === 'check') this.#leading.ask(news.question, this.#self);
    else if (news.kind === 'cancel') this.#leading.withdraw(news.connection, this.#self);
    else if (news.kind === 'session') this.#leading.report(news.session);
  }

  #answered(answer: Answer): void {
    const fresh = this.#desk.answered(answer, now());
    if (fresh) this.#authz.answer(fresh);
  }

  /** A node that speaks of another's connection is broken, or in the wrong hands. */
  #forged(node: string, what: 'check' | 'report' | 'end'): void {
    this.#metrics.forged(what);
    this.#strangers.warn(`forged ${what}`, { node, what }, 'a node spoke of a connection of another node');
  }

  #take(loaded: LoadedSpec, revision: number | undefined): void {
    const { spec, files, warnings } = loaded;
    const plan = planOf(spec);
    const version = versionOf(spec, files);
    try {
      this.#enactment.enact(plan, version, (of) => buildSnapshot(of, files, this.#encoder, sha256));
    } catch (error) {
      // A spec that was accepted and cannot be carried out is a bug, and no reason to leave what is in force.
      this.#log.error({ error }, 'an accepted spec cannot be carried out');
      this.#reject(
        [{ path: '', expected: 'a spec that can be carried out', found: String(error) }],
        revision,
      );
      return;
    }
    this.#metrics.planned(plan);
    this.#metrics.specRead('accepted');
    this.#shown = shownCertificates(plan, files);
    this.#following.claims.planned();
    this.#loaded = loaded;
    this.#leading?.observe(plan, loaded);
    this.#spec = {
      source: this.#spec.source,
      revision: revision ?? null,
      store: this.#spec.store,
      version,
      loaded_at: new Date().toISOString(),
      problems: [],
      warnings: warnings.map(problemStatus),
    };
    for (const warning of warnings) this.#log.warn({ path: warning.path }, renderProblem(warning));
    this.#log.info(
      {
        version: this.#spec.version,
        ...(revision !== undefined && { revision }),
        services: plan.services.size,
      },
      'the spec is in force',
    );
  }

  /** @param target this one's alone */
  #bindingWarnings(target?: TargetName): readonly Problem[] {
    return bindingWarnings(
      this.#enactment.plan,
      ({ name }) => this.#shown.get(name),
      (name) =>
        target === undefined || name === target ? (this.#leading?.observer(name)?.certificates ?? []) : [],
    );
  }

  #reject(problems: readonly Problem[], revision?: number): void {
    this.#metrics.specRead('rejected');
    this.#spec = { ...this.#spec, problems: problems.map(problemStatus) };
    const shown = problems.map(renderProblem);
    this.#log.error(
      { source: this.#spec.source, ...(revision !== undefined && { revision }), problems: shown },
      'the spec is not taken; what was in force stays',
    );
  }

  #leadershipStatus(): LeadershipStatus {
    const leadership = this.#candidate ? (this.#election?.leadership ?? { kind: 'nobody' }) : alone;
    const trouble = this.#election?.trouble;
    return leadershipStatus({ leadership, brain: this.#candidate?.brain, trouble, nowMs: now() });
  }

  #nodesHave(runtimeVersion: string | undefined): boolean {
    const isRuntime = ({ typeUrl }: { readonly typeUrl: string }): boolean => typeUrl === TypeUrl.runtime;
    return (
      this.#xds.nodes().every(({ types }) => types.find(isRuntime)?.acked === runtimeVersion) &&
      this.#following.claims.haveRuntime(runtimeVersion)
    );
  }

  /**
   * A node can carry out a grant when it has the service's cluster and, where they are not in it, its endpoints and what
   * it verifies the servers with.
   */
  #needed({ cluster, target }: ServicePlan): readonly [TypeUrl, string][] {
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
  }
}

/** Of all that the operator wrote, passwords excepted: much of it is the ledger's alone and shows in no snapshot. */
function versionOf(spec: Spec, files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha256').update(JSON.stringify(spec));
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(name).update(bytes);
  return hash.digest('hex').slice(0, 16);
}

/** @throws when other brains would not know this one by its certificate */
function assertNames({ chain }: Credentials, brain: string): void {
  if (brainIdentity(new X509Certificate(chain).subjectAltName) === brain) return;
  throw new Error(
    `other brains cannot know this one: expected exactly one URI that ends in /brain/${brain} in its certificate`,
  );
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
