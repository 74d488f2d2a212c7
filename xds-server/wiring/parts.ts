/**
 * What every brain has, and which of its shells is told what. What each of them does is in its folder.
 *
 *   spec-in-force ──▶ plan ──▶ snapshot ──▶ xds ══▶ nodes
 *                      │                             ║
 *                      ▼            ┌── sessions ◀═══╣
 *                  deciding ◀───────┴──── authz ◀════╝
 *
 * The spec and its store are in spec-in-force.ts, certificates in channel-credentials.ts, who decides in deciding.ts.
 */
import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { defaultSettings } from '../pure/ledger/settings.js';
import { buildSnapshot } from '../pure/snapshot/build.js';
import { Encoder } from '../pure/snapshot/encoder.js';
import {
  checkTimeoutMs,
  connectGraceMs,
  reportIntervalMs,
  unsentReportBytes,
} from '../pure/snapshot/listener.js';
import { AuthzService } from '../shells/authz/authz-service.js';
import { BrainStatus } from '../shells/control/brain-status.js';
import { Enactment } from '../shells/control/enactment.js';
import { EnvoyApi } from '../shells/envoy-api/envoy-api.js';
import { AccessLogService } from '../shells/sessions/access-log-service.js';
import { Metrics } from '../shells/telemetry/metrics.js';
import { OccasionalLog } from '../shells/telemetry/occasional-log.js';
import { XdsServer } from '../shells/xds/xds-server.js';
import { ChannelCredentials } from './channel-credentials.js';
import { type Candidate, Deciding } from './deciding.js';
import { haveRuntime, neededFor } from './needs.js';
import { SpecInForce, type SpecPlace } from './spec-in-force.js';

export interface PartsOptions {
  /** Followed for as long as the brain runs. */
  readonly spec: SpecPlace;
  /** Where there are several brains; absent: this one leads for as long as it runs. It closes the client of etcd. */
  readonly candidate?: Candidate;
  readonly log: Logger;
  /** Of the program. */
  readonly version: string;
}

const settings = { ...defaultSettings, connectGraceMs, reportIntervalMs };

/** Monotonic, in milliseconds. */
const now = (): number => performance.now();
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 32);

export class Parts {
  readonly #options: PartsOptions;
  readonly strangers: OccasionalLog;
  readonly credentials: ChannelCredentials;
  readonly status: BrainStatus;
  readonly metrics: Metrics;
  readonly xds: XdsServer;
  readonly enactment: Enactment;
  readonly spec: SpecInForce;
  readonly deciding: Deciding;
  readonly authz: AuthzService;
  readonly sessions: AccessLogService;

  constructor(options: PartsOptions) {
    const { log } = options;
    const api = EnvoyApi.load();
    this.#options = options;
    this.strangers = new OccasionalLog(log, now);
    this.credentials = new ChannelCredentials(log);
    this.status = this.#newStatus();
    this.metrics = new Metrics({
      services: () => this.status.services(),
      targets: () => this.status.targets(),
      nodes: () => this.xds.nodeCount,
      spec: () => this.spec.status,
      expiriesMs: () => this.spec.loaded?.expiriesMs ?? new Map(),
      channel: () => this.credentials.status,
      leadership: () => this.deciding.status,
    });
    this.xds = new XdsServer({
      api,
      log,
      onNode: (node, isHere, runtime) => {
        if (isHere) this.deciding.desk.nodeIsHere(node, runtime);
        else this.deciding.desk.nodeHasLeft(node);
      },
      onNack: (_node, typeUrl) => this.metrics.nacked(typeUrl),
      onConverged: (_node, _version, seconds) => this.metrics.converged(seconds),
    });
    this.enactment = this.#newEnactment();
    this.spec = this.#newSpec(new Encoder(api.root));
    this.deciding = this.#newDeciding();
    this.authz = this.#newAuthz();
    this.sessions = new AccessLogService({
      // All that a node keeps may come as one message: its buffer, the entry that has filled it, and what came while the
      // brain took nothing. It is read entry by entry, so that its size is nobody's memory and nobody's pause.
      maxMessageBytes: 4 * unsentReportBytes,
      tell: (session) => this.deciding.desk.tell(session),
      cutOff: (node) => this.deciding.desk.cutOff(node),
    });
  }

  #newStatus(): BrainStatus {
    return new BrainStatus({
      version: this.#options.version,
      startedAt: new Date(),
      now,
      spec: () => this.spec.status,
      plan: () => this.enactment.plan,
      ledger: (view) => this.deciding.view(view),
      activity: (connection) => this.deciding.leading?.activity(connection),
      client: (connection) => this.deciding.leading?.client(connection),
      observer: (target) => this.deciding.leading?.observer(target),
      nodes: () => this.xds.nodes(),
      channel: () => this.credentials.status,
      leadership: () => this.deciding.status,
    });
  }

  #newEnactment(): Enactment {
    return new Enactment({
      log: this.#options.log,
      now,
      publish: (snapshot) => this.xds.publish(snapshot),
      limit: (plan) => this.deciding.leading?.limit(plan),
      ledger: () => this.deciding.view(),
      tell: (limits) => this.deciding.following.tellLimits(limits),
      nodesHave: (version) =>
        haveRuntime(this.xds, version) && this.deciding.following.claims.haveRuntime(version),
    });
  }

  #newSpec(encoder: Encoder): SpecInForce {
    return new SpecInForce({
      log: this.#options.log,
      place: this.#options.spec,
      enact: (plan, version, { files }) =>
        this.enactment.enact(plan, version, (of) => buildSnapshot(of, files, encoder, sha256)),
      taken: (plan, loaded) => {
        this.metrics.planned(plan);
        this.deciding.planned(plan, loaded);
      },
      read: (outcome) => this.metrics.specRead(outcome),
      serverCertificates: (target) => this.deciding.leading?.observer(target)?.certificates ?? [],
    });
  }

  #newDeciding(): Deciding {
    return new Deciding({
      ...{ now, log: this.#options.log, settings, candidate: this.#options.candidate, metrics: this.metrics },
      plan: () => this.enactment.plan,
      enactment: () => this.enactment,
      loaded: () => this.spec.loaded,
      credentials: () => this.credentials.current,
      readiness: {
        now,
        own: this.xds,
        service: (name) => this.enactment.plan.services.get(name),
        needed: (service) => neededFor(service, this.enactment),
      },
      answered: (answer) => this.authz.answer(answer),
      forged: (node, what) => this.#forged(node, what),
      connected: (target) => this.spec.warnOfBinding(target),
    });
  }

  #newAuthz(): AuthzService {
    const { desk } = this.deciding;
    return new AuthzService({
      now,
      plan: () => this.enactment.plan,
      ask: (question) => desk.ask(question),
      withdraw: (connection) => desk.withdraw(connection),
      forged: (node) => this.#forged(node, 'check'),
      checkTimeoutMs,
      mostBehindMs: settings.grantTtlMs - settings.leastTtlMs,
      counted: ({ service, reason, waitedMs }) => {
        if (reason !== undefined) this.metrics.refused(service, reason, waitedMs);
        else if (service !== undefined) this.metrics.granted(service, waitedMs);
      },
      cancel: (asked) => this.deciding.cancel(asked),
    });
  }

  /** A node that speaks of another's connection is broken, or in the wrong hands. */
  #forged(node: string, what: 'check' | 'report' | 'end'): void {
    this.metrics.forged(what);
    this.strangers.warn(`forged ${what}`, { node, what }, 'a node spoke of a connection of another node');
  }
}
