/**
 * Which session of its server does a MySQL client mean by the front's id? It must be a session of
 * the same tenant at the very server that the asking connection is on. Whether its account may kill it is the
 * server's business.
 */
import type { KnownSession, SessionDirectory } from '../../pure/cancel/session-directory.js';
import type { NodeId } from '../../pure/ledger/events.js';
import type { Plan } from '../../pure/plan/plan.js';
import { nextReport } from './next-report.js';

/** What became of a question; the label of `sluice_kills_total`. */
export type KillOutcome =
  | 'translated'
  | 'unknown_session'
  | 'ambiguous'
  | 'other_tenant'
  | 'other_server'
  | 'busy';

export interface SessionFinderOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly plan: () => Plan;
  readonly directory: SessionDirectory;
  readonly counted: (outcome: KillOutcome) => void;
  /** The longest time between two reports of a session. */
  readonly reportIntervalMs: number;
}

export interface Question {
  readonly connection: string;
  readonly frontId: number;
}

const maxAtOnce = 1000;
/**
 * The longest that a question takes, whatever it has to wait for: a node gives it up after five seconds, and to Envoy a brain
 * that has not answered by then is dead.
 */
export const findWithinMs = 4_000;

export class SessionFinder {
  readonly #options: SessionFinderOptions;
  readonly #startedMs: number;
  #underWay = 0;

  constructor(options: SessionFinderOptions) {
    this.#options = options;
    this.#startedMs = options.now();
  }

  /** @returns the server's id; undefined where there is no session that may be meant. */
  async find(question: Question, node: NodeId): Promise<number | undefined> {
    if (this.#underWay >= maxAtOnce) {
      this.#options.counted('busy');
      return undefined;
    }
    this.#underWay += 1;
    try {
      const found = await this.#find(question, node);
      this.#options.counted(typeof found === 'number' ? 'translated' : found);
      return typeof found === 'number' ? found : undefined;
    } finally {
      this.#underWay -= 1;
    }
  }

  async #find({ connection, frontId }: Question, node: NodeId): Promise<number | KillOutcome> {
    const { now, directory, reportIntervalMs } = this.#options;
    const heldMs = nextReport.withinMs(reportIntervalMs);
    const lastMs = now() + findWithinMs;
    // A brain that has just started does not know all that may have the same id.
    while (now() < this.#startedMs + heldMs) {
      if (now() >= lastMs) return 'unknown_session';
      await nextReport.pause();
    }
    const untilMs = Math.min(now() + heldMs, lastMs);
    for (;;) {
      const asking = directory.of(connection);
      const sessions = directory.byFrontId(frontId);
      if (sessions.length > 1) return 'ambiguous';
      const [meant] = sessions;
      if (asking?.node !== node || !meant || now() - meant.seenMs > 2 * reportIntervalMs + heldMs)
        return 'unknown_session';
      if (!this.#isOfOneTenant(asking, meant)) return 'other_tenant';
      // Neither is known before the first report; a session that was granted only has no server.
      if (asking.server !== undefined && meant.server !== undefined) {
        if (asking.server !== meant.server) return 'other_server';
        if (meant.serverId !== undefined) return meant.serverId;
      }
      if (now() >= untilMs) return 'unknown_session';
      await nextReport.pause();
    }
  }

  #isOfOneTenant(one: KnownSession, other: KnownSession): boolean {
    if (one.service === other.service) return true;
    const { services } = this.#options.plan();
    const tenant = services.get(one.service)?.tenant;
    return tenant !== undefined && tenant === services.get(other.service)?.tenant;
  }
}
