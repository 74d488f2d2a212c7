/**
 * sluice.v1.Sessions: which session of its server does a MySQL client mean by the front's id? It must be a session of
 * the same tenant at the very server that the asking connection is on. Whether its account may kill it is the
 * server's business.
 */
import protobuf from 'protobufjs';
import type { KnownSession, SessionDirectory } from '../../pure/cancel/session-directory.js';
import type { NodeId } from '../../pure/ledger/events.js';
import type { Plan } from '../../pure/plan/plan.js';
import { type Call, type Method, Status, unary } from '../../pure/rpc/rpc.js';
import { eachField, readerOf } from '../envoy-api/fields.js';
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

const maxQuestionBytes = 1024;

export class SessionFinder {
  readonly #options: SessionFinderOptions;
  readonly #startedMs: number;
  #underWay = 0;

  constructor(options: SessionFinderOptions) {
    this.#options = options;
    this.#startedMs = options.now();
  }

  get method(): Method<Question> {
    const question = {
      path: '/sluice.v1.Sessions/FindSession',
      maxMessageBytes: maxQuestionBytes,
      decode: readQuestion,
    };
    return unary(question, (message, call) => {
      void this.#answer(message, call);
      return () => undefined;
    });
  }

  async #answer(question: Question, call: Call): Promise<void> {
    if (this.#underWay >= maxAtOnce) {
      this.#options.counted('busy');
      call.end(Status.resourceExhausted, `${maxAtOnce} questions are held`);
      return;
    }
    call.reply(writeAnswer((await this.find(question, call.caller.node)) ?? 0));
  }

  /** @returns the server's id; undefined where there is no session that may be meant. */
  async find(question: Question, node: NodeId): Promise<number | undefined> {
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
    // A brain that has just started does not know all that may have the same id.
    while (now() < this.#startedMs + heldMs) await nextReport.pause();
    const untilMs = now() + heldMs;
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

function readQuestion(bytes: Uint8Array): Question {
  const reader = readerOf(bytes);
  let connection = '';
  let frontId = 0;
  eachField(reader, reader.len, (field) => {
    if (field === 1) connection = reader.string();
    else if (field === 2) frontId = reader.uint32();
    else return false;
    return true;
  });
  return { connection, frontId };
}

function writeAnswer(serverId: number): Uint8Array {
  const writer = protobuf.Writer.create();
  if (serverId !== 0) writer.uint32(1 << 3).uint32(serverId);
  return writer.finish();
}
