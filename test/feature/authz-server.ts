/**
 * The authorization service over real gRPC with the real ledger behind it, for one Postgres service `checkout` on a
 * target whose sessions have been counted. Time can be made to pass; nodes and databases are what a test says.
 */
import { randomBytes } from 'node:crypto';
import { type ClientUnaryCall, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import type { ActivityReport } from '../../xds-server/pure/activity/activity-book.js';
import type { CancelRequest } from '../../xds-server/pure/cancel/cancel-request.js';
import type { Login, SessionReport } from '../../xds-server/pure/cancel/session-directory.js';
import type { LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { defaultSettings } from '../../xds-server/pure/ledger/settings.js';
import type { LedgerView } from '../../xds-server/pure/ledger/view.js';
import { Desk } from '../../xds-server/pure/peers/desk.js';
import type { EndedSession, Question } from '../../xds-server/pure/peers/messages.js';
import type { ListenerPlan, Plan, ServicePlan } from '../../xds-server/pure/plan/plan.js';
import { AuthzService, type Told } from '../../xds-server/shells/authz/authz-service.js';
import { Channel } from '../../xds-server/shells/channel/channel.js';
import { Admission, type Asker } from '../../xds-server/shells/control/admission.js';
import { LedgerLoop } from '../../xds-server/shells/control/ledger-loop.js';
import { SessionReports } from '../../xds-server/shells/control/session-reports.js';
import { AccessLogService } from '../../xds-server/shells/sessions/access-log-service.js';
import { clientOf } from '../harness/grpc-client.js';

export const target = 'orders/primary';
export const checkTimeoutMs = 660_000;

export const listenerPlan: ListenerPlan = {
  name: 'pg',
  protocol: 'postgres',
  address: { host: '127.0.0.1', port: 5432 },
  certificate: { chain: 'c', key: 'k' },
  allowPlaintext: false,
};

export const servicePlan: ServicePlan = {
  name: 'checkout',
  hostname: 'checkout.db.test',
  tenant: 'shop',
  target,
  protocol: 'postgres',
  cluster: 'service/checkout',
  maxConnections: 1,
  guaranteed: 0,
  killReserve: 0,
  maxQueue: 100,
  timeoutMs: 60_000,
  priority: 0,
  limits: {},
  allow: [{ cidr: '10.0.0.0/8' }],
};

function planOf(service: ServicePlan, listener: ListenerPlan): Plan {
  const { name, hostname, tenant } = service;
  const endpoints = [{ host: '127.0.0.1', port: 5433 }];
  return {
    listeners: new Map([[listener.name, listener]]),
    targets: new Map([
      [
        target,
        {
          name: target,
          database: 'orders',
          role: 'primary',
          engine: 'postgres',
          endpoints,
          budget: 10,
          reserve: 2,
        },
      ],
    ]),
    observers: new Map([['orders', { database: 'orders', user: 'watcher' }]]),
    tenants: new Map([[tenant, { name: tenant }]]),
    services: new Map([[name, service]]),
    hostnames: new Map([[hostname, name]]),
  };
}

/** What a client is, and how its node sends the check. */
export interface CheckOptions {
  readonly connection?: string;
  readonly node?: string | undefined;
  readonly sni?: string;
  readonly tls?: boolean;
  readonly address?: string;
  readonly certificate?: string;
  readonly ageMs?: number;
  /** Node's monotonic clock. */
  readonly monotonicMs?: number;
  /** This is not the check's first try: so long after it. */
  readonly retriedAfterMs?: number;
  readonly metadata?: Readonly<Record<string, object>>;
}

export type Verdict = Readonly<Record<string, string | number>>;

export interface PendingCheck {
  readonly connection: string;
  readonly call: ClientUnaryCall;
  /** Rejects with the gRPC error. */
  readonly verdict: Promise<Verdict>;
}

export class AuthzServer {
  readonly ledger = new Ledger(defaultSettings);
  readonly answers: Told[] = [];
  readonly ended: EndedSession[] = [];
  readonly worked: { readonly service: string; readonly report: ActivityReport }[] = [];
  readonly events: LedgerEvent[] = [];
  readonly granted: Question[] = [];
  readonly cancels: CancelRequest[] = [];
  readonly reported: SessionReport[] = [];
  readonly loggedIn: Login[] = [];
  readonly gone: string[] = [];
  readonly authz: AuthzService;
  readonly desk: Desk;
  leadsUntilMs = Number.POSITIVE_INFINITY;
  /** Settles what a node that is not ready is waited for. */
  nodeBecomesReady: (ready: boolean) => void = () => undefined;
  isReady = true;
  isDown = false;
  readonly #loop: LedgerLoop;
  readonly #sessions: AccessLogService;
  #channel: Channel | undefined;
  /** Nodes that spoke of others' connections. */
  readonly forgeries: string[] = [];
  #plan: Plan;
  #skippedMs = 0;
  // biome-ignore lint/suspicious/noExplicitAny: grpc-js gives its clients no better type
  readonly #clients: any[] = [];
  port = 0;

  private constructor(service: ServicePlan, listener: ListenerPlan) {
    this.#plan = planOf(service, listener);
    this.#loop = new LedgerLoop(this.ledger, this.now);
    const nodeOf = (connection: string): string | undefined => this.ledger.nodeOf(connection);
    const self: Asker = {
      answer: (answer) => {
        const fresh = this.desk.answered(answer, this.now());
        if (fresh) this.authz.answer(fresh);
      },
      clockAt: (ms) => ms,
    };
    const admission = new Admission({
      ...{ now: this.now, nodeOf },
      plan: () => this.#plan,
      apply: (event) => this.apply(event),
      isDown: () => this.isDown,
      readiness: {
        isReady: () => this.isReady,
        whenReady: (_node, _service, _patienceMs, told) => {
          this.nodeBecomesReady = (ready) => {
            this.isReady = ready;
            told(ready);
          };
        },
      },
      granted: (question) => this.granted.push(question),
      forged: (node) => this.forgeries.push(node),
      untilMs: () => this.leadsUntilMs,
    });
    const reports = new SessionReports({
      nodeOf,
      apply: (event) => this.apply(event),
      worked: (service, report) => this.worked.push({ service, report }),
      forged: (node) => this.forgeries.push(node),
      ended: (session) => this.ended.push(session),
      reported: (session) => this.reported.push(session),
      loggedIn: (login) => this.loggedIn.push(login),
      gone: (connection) => this.gone.push(connection),
    });
    this.desk = new Desk({
      pass: (news) => {
        if (news.kind === 'check') admission.ask(news.question, self);
        else if (news.kind === 'cancel') admission.withdraw(news.connection, self);
        else if (news.kind === 'session') reports.take(news.session);
        else if (news.kind === 'login') reports.loggedIn(news.login);
        else if (news.kind === 'cut-off') this.apply({ kind: 'cut-off', node: news.node });
      },
      now: this.now,
      sessionsKeptMs: 0,
    });
    this.authz = new AuthzService({
      now: this.now,
      plan: () => this.#plan,
      ask: (question) => this.desk.ask(question),
      withdraw: (connection) => this.desk.withdraw(connection),
      checkTimeoutMs,
      mostBehindMs: defaultSettings.grantTtlMs - defaultSettings.leastTtlMs,
      counted: (answer) => this.answers.push(answer),
      cancel: async (asked) => {
        this.cancels.push(asked);
      },
      forged: (node) => this.forgeries.push(node),
    });
    this.#loop.subscribe((effect) => admission.carryOut(effect));
    this.#sessions = new AccessLogService({
      maxMessageBytes: 1 << 20,
      tell: (session) => this.desk.tell(session),
      cutOff: (node) => this.desk.cutOff(node),
    });
    this.desk.open();
  }

  static async start(
    service: Partial<ServicePlan> = {},
    listener: Partial<ListenerPlan> = {},
  ): Promise<AuthzServer> {
    const server = new AuthzServer({ ...servicePlan, ...service }, { ...listenerPlan, ...listener });
    server.#channel = await Channel.listen({
      host: '127.0.0.1',
      port: 0,
      methods: [server.authz.method, server.#sessions.method],
      log: pino({ level: 'silent' }),
      exhausted: () => undefined,
      refused: () => undefined,
    });
    server.port = server.#channel.port;
    server.apply({ kind: 'plan', plan: server.#plan });
    server.skip(10_000);
    server.observe([]);
    return server;
  }

  readonly now = (): number => performance.now() + this.#skippedMs;

  /** Lets this much time pass at once. */
  skip(ms: number): void {
    this.#skippedMs += ms;
  }

  apply(event: LedgerEvent): void {
    this.events.push(event);
    this.#loop.apply(event);
  }

  /** The database shows these sessions. */
  observe(serverIds: readonly number[]): void {
    this.apply({
      kind: 'observed',
      target,
      askedAtMs: this.now(),
      sessions: serverIds.map((serverId) => ({ serverId })),
      own: [],
      listsLogins: false,
      loginTimeoutMs: 1_000,
    });
  }

  change(service: Partial<ServicePlan>): void {
    this.#plan = planOf({ ...[...this.#plan.services.values()][0]!, ...service }, listenerPlan);
    this.apply({ kind: 'plan', plan: this.#plan });
  }

  /** Counts of the service. */
  get used(): { readonly slots: number; readonly waiters: number } {
    const view: LedgerView = this.ledger.view();
    const service = view.services.get('checkout');
    return { slots: service?.used ?? 0, waiters: service?.waiters ?? 0 };
  }

  /** Each on a connection of its own, so that one can die alone. */
  // biome-ignore lint/suspicious/noExplicitAny: grpc-js gives its clients no better type
  client(service: string): any {
    const Client = clientOf(service);
    const alone = { 'grpc.use_local_subchannel_pool': 1 };
    const client = new Client(`127.0.0.1:${this.port}`, credentials.createInsecure(), alone);
    this.#clients.push(client);
    return client;
  }

  check(options: CheckOptions = {}): PendingCheck {
    const {
      connection = randomBytes(16).toString('hex'),
      sni = servicePlan.hostname,
      tls = true,
      address = '10.1.2.3',
      ageMs = 0,
      retriedAfterMs = 0,
      monotonicMs = this.now() - 1_000 - retriedAfterMs,
    } = options;
    const metadata = new Metadata();
    const node = 'node' in options ? options.node : 'edge-1';
    if (node !== undefined) metadata.set('x-sluice-node', node);
    metadata.set('x-envoy-expected-rq-timeout-ms', String(checkTimeoutMs - retriedAfterMs));
    const fields = options.metadata ?? {
      connection: { stringValue: connection },
      listener: { stringValue: 'pg' },
      protocol: { stringValue: 'postgres' },
      user: { stringValue: 'ann' },
      database: { stringValue: 'orders' },
      born_unix_ms: { numberValue: 1_700_000_000_000 + monotonicMs - ageMs },
      age_ms: { numberValue: ageMs },
      monotonic_ms: { numberValue: monotonicMs },
    };
    const request = {
      attributes: {
        source: {
          address: { socket_address: { address, port_value: 4711 } },
          ...(options.certificate !== undefined && { certificate: options.certificate }),
        },
        ...(tls && { tls_session: { sni } }),
        metadata_context: { filter_metadata: { sluice: { fields } } },
      },
    };
    let call!: ClientUnaryCall;
    const verdict = new Promise<Verdict>((resolve, reject) => {
      call = this.client('envoy.service.auth.v3.Authorization').Check(
        request,
        metadata,
        (error: ServiceError | null, response: Response) =>
          error ? reject(error) : resolve(verdictOf(response)),
      );
    });
    // A test that has no use for it says so by not looking.
    verdict.catch(() => undefined);
    return { connection, call, verdict };
  }

  stop(): void {
    for (const client of this.#clients) client.close();
    this.#loop.stop();
    this.#channel?.destroy();
  }
}

interface Response {
  readonly dynamic_metadata: { readonly fields: Readonly<Record<string, Record<string, string | number>>> };
}

function verdictOf({ dynamic_metadata: { fields } }: Response): Verdict {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, Object.values(value)[0] as string | number]),
  );
}
