/**
 * envoy.service.auth.v3.Authorization: each check is one client that asks for leave. Who he is and what he is told
 * is decided in pure/verdict, whether there is a slot in the ledger; here is which call is whose, and how long it lives.
 *
 *   check ──▶ identified ──▶ node holds the cluster? ──▶ ledger ──▶ answered
 *                │                │ not yet: waits         │
 *                └── refused ◀────┴────────────────────────┴─── cancelled, superseded: forgotten
 *
 * A connection has one call at most: the node sends a check again only when its first try is lost, so the later call
 * takes the earlier one's place.
 */
import {
  type handleUnaryCall,
  type Server,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { ConnectionId, LedgerEffect, LedgerEvent, NodeId } from '../../pure/ledger/events.js';
import type { Plan, ServicePlan, TargetName } from '../../pure/plan/plan.js';
import { grantMetadata, refusalMetadata } from '../../pure/verdict/answer.js';
import { identify } from '../../pure/verdict/identify.js';
import { type Refusal, refusals } from '../../pure/verdict/refusals.js';
import { CertificateNames } from './certificate-names.js';
import { type Check, readCheck } from './check-request.js';
import { writeOk } from './check-response.js';
import { NodeClock } from './node-clock.js';

export interface AuthzOptions {
  /** Monotonic, in milliseconds; the ledger's own. */
  readonly now: () => number;
  readonly plan: () => Plan;
  readonly apply: (event: LedgerEvent) => void;
  /** Whether it is certain that nobody listens on a target's servers. */
  readonly isDown: (target: TargetName) => boolean;
  readonly readiness: Readiness;
  readonly counted: (answer: Answer) => void;
}

/** Whether a node could carry out a grant for a service. */
export interface Readiness {
  isReady(node: NodeId, service: ServicePlan): boolean;
  /** Resolves true as soon as it is, false when it is certain or likely enough that it will not be. */
  whenReady(node: NodeId, service: ServicePlan, patienceMs: number): Promise<boolean>;
}

/** What a client was told, for those who count. */
export interface Answer {
  /** Undefined where the client named no service of ours. */
  readonly service: string | undefined;
  /** Undefined: granted. */
  readonly reason: string | undefined;
  readonly waitedMs: number;
}

/** Checks held at once, over all queues: some 2 KiB each. */
const maxHeld = 100_000;
/** Nodes whose clocks are known. */
const maxNodes = 10_000;

const nothing = Buffer.alloc(0);
const definition: ServiceDefinition = {
  Check: {
    path: '/envoy.service.auth.v3.Authorization/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: () => nothing,
    requestDeserialize: (bytes) => ({ check: readCheck(bytes) }),
    responseSerialize: (bytes: Uint8Array) => bytes as Buffer,
    responseDeserialize: (bytes) => bytes,
  },
};

type Call = ServerUnaryCall<{ readonly check: Check | undefined }, Uint8Array>;

interface Held {
  readonly check: Check;
  readonly node: NodeId;
  readonly clock: NodeClock;
  readonly bornMs: number;
  readonly answer: sendUnaryData<Uint8Array>;
  /** The ledger knows of it. */
  asked: boolean;
}

export class AuthzService {
  readonly #options: AuthzOptions;
  readonly #names = new CertificateNames();
  readonly #clocks = new Map<NodeId, NodeClock>();
  readonly #held = new Map<ConnectionId, Held>();
  #stopped = false;

  constructor(options: AuthzOptions) {
    this.#options = options;
  }

  addTo(server: Server): void {
    const handle: handleUnaryCall<{ check: Check | undefined }, Uint8Array> = (call, answer) =>
      this.#take(call, answer);
    server.addService(definition, { Check: handle });
  }

  /** Answers whom the ledger has decided on. */
  carryOut(effect: LedgerEffect): void {
    if (effect.kind === 'observe') return;
    const held = this.#held.get(effect.connection);
    // He left before the ledger decided; his cancel is on its way to the ledger.
    if (!held) return;
    if (effect.kind === 'refuse') this.#refuse(held, effect.service, effect.refusal);
    else this.#grant(held, effect.service, effect.ttlMs);
  }

  /** Gives back every held check, so that its node asks the next brain. */
  stop(): void {
    this.#stopped = true;
    for (const { answer } of this.#held.values()) answer({ code: status.UNAVAILABLE, details: 'stopping' });
    this.#held.clear();
  }

  #take(call: Call, answer: sendUnaryData<Uint8Array>): void {
    const { check } = call.request;
    const node = call.metadata.get('x-sluice-node')[0];
    if (typeof node !== 'string' || node === '')
      return answer({ code: status.UNAUTHENTICATED, details: 'expected the header x-sluice-node' });
    if (!check)
      return answer({ code: status.INVALID_ARGUMENT, details: 'expected the metadata of the startup filter' });
    if (this.#stopped) return answer({ code: status.UNAVAILABLE, details: 'stopping' });
    const earlier = this.#held.get(check.connection);
    if (!earlier && this.#held.size >= maxHeld)
      return answer({ code: status.RESOURCE_EXHAUSTED, details: `more than ${maxHeld} checks are held` });

    const now = this.#options.now();
    const clock = this.#clockOf(node);
    const waitedMs = clock.observe({ ...check, retriedAfterMs: retriedAfterMs(call) }, now);
    const held: Held = { check, node, clock, bornMs: now - waitedMs, answer, asked: false };
    this.#held.set(check.connection, held);
    earlier?.answer({ code: status.ABORTED, details: 'asked again by another call' });
    // Emitted after an answer as well, when the call is no longer held.
    call.on('cancelled', () => this.#forget(held));
    this.#decide(held, true);
  }

  #forget(held: Held): void {
    if (this.#held.get(held.check.connection) !== held) return;
    this.#held.delete(held.check.connection);
    if (held.asked) this.#options.apply({ kind: 'cancel', connection: held.check.connection });
  }
}
