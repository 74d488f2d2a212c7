/**
 * Clients that come, work, leave and come again, as fast as they are let in. Each is a real driver; what became of each
 * attempt is counted by the driver's own words.
 */
import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type Account, mysqlSession, postgresClient } from '../e2e/sessions.js';
import type { Sluice } from '../harness/sluice.js';

export interface CrowdOptions {
  readonly service: string;
  readonly account: Account;
  /** Postgres unless said otherwise. */
  readonly protocol?: 'postgres' | 'mysql';
  readonly clients: number;
  /** How long a session works, at least and at most. */
  readonly workMs: readonly [number, number];
  /** Of those that are in the middle of a query, the part that vanishes by RST. */
  readonly vanishing?: number;
  /** Seeds who works how long, so that two runs are alike. */
  readonly seed?: number;
}

/** What became of attempts. */
export interface Tally {
  readonly waitsMs: number[];
  /** By SQLSTATE or errno. */
  readonly refused: Map<string, Refused>;
  /** Closed before the login was through, by the driver's text. */
  readonly closed: Map<string, number>;
  /** Sessions that ended before their work did. */
  cut: number;
}

export interface Refused {
  count: number;
  /** What the first of them read. */
  readonly text: string;
  /** The longest of their waits. */
  mostMs: number;
}

/** A session that is open. */
interface Visit {
  /** One statement that takes so long. */
  work(ms: number): Promise<unknown>;
  leave(): Promise<void>;
}

/** A client that was turned away does not come again at once. */
const offendedMs = 100;

export class Crowd {
  readonly #sluice: Sluice;
  readonly #options: CrowdOptions;
  readonly #clients: Promise<void>[] = [];
  #random: number;
  #tally = newTally();
  #isOver = false;
  /** Resolves when those that are in may go on. */
  #frozen: Promise<void> | undefined;
  #thaw: () => void = () => undefined;
  #lastAdmittedMs = 0;

  constructor(sluice: Sluice, options: CrowdOptions) {
    this.#sluice = sluice;
    this.#options = options;
    this.#random = options.seed ?? 1;
  }

  start(): void {
    for (let i = 0; i < this.#options.clients; i += 1) this.#clients.push(this.#comeAndGo());
  }

  /** On `performance.now()`. */
  get lastAdmittedMs(): number {
    return this.#lastAdmittedMs;
  }

  /** Let in since the last `take`. */
  get served(): number {
    return this.#tally.waitsMs.length;
  }

  /** From now on whoever is in stays, until `release`: nobody's slot becomes free. */
  freeze(): void {
    this.#frozen ??= new Promise((resolve) => {
      this.#thaw = resolve;
    });
  }

  release(): void {
    this.#thaw();
    this.#frozen = undefined;
  }

  /** What there was since the last call. */
  take(): Tally {
    const tally = this.#tally;
    this.#tally = newTally();
    return tally;
  }

  /** Resolves when everybody has left by himself: whoever waits is served first. */
  async leave(): Promise<void> {
    this.#isOver = true;
    this.release();
    await Promise.all(this.#clients);
  }

  async #comeAndGo(): Promise<void> {
    // A boot storm is not one packet.
    await pause(this.#between(0, 500));
    while (!this.#isOver) {
      const socket = new net.Socket();
      const since = performance.now();
      let visit: Visit;
      try {
        visit = await this.#arrive(socket);
      } catch (error) {
        this.#turnedAway(error as Failure, performance.now() - since);
        socket.destroy();
        await pause(this.#between(offendedMs, 2 * offendedMs));
        continue;
      }
      this.#lastAdmittedMs = performance.now();
      this.#tally.waitsMs.push(this.#lastAdmittedMs - since);
      await this.#work(visit, socket);
    }
  }

  async #arrive(socket: net.Socket): Promise<Visit> {
    const { service, account, protocol = 'postgres' } = this.#options;
    if (protocol === 'mysql') {
      socket.connect(this.#sluice.ports.mysql, this.#sluice.host);
      const connection = await mysqlSession(this.#sluice, service, account, socket);
      return {
        work: (ms) => connection.query(`SELECT sleep(${ms / 1000})`),
        leave: () => connection.end(),
      };
    }
    const client = postgresClient(this.#sluice, service, account, { stream: socket });
    await client.connect();
    return {
      work: (ms) => client.query(`SELECT pg_sleep(${ms / 1000})`),
      leave: () => client.end(),
    };
  }

  async #work(visit: Visit, socket: net.Socket): Promise<void> {
    const { workMs, vanishing = 0 } = this.#options;
    const forMs = this.#between(...workMs);
    const vanishes = this.#next() < vanishing;
    try {
      const query = visit.work(forMs);
      if (vanishes) {
        query.catch(() => undefined);
        await pause(forMs / 2);
        socket.resetAndDestroy();
        return;
      }
      await query;
      await this.#frozen;
      await visit.leave();
    } catch {
      this.#tally.cut += 1;
      socket.destroy();
    }
  }

  #turnedAway(failure: Failure, waitedMs: number): void {
    const { refused, closed } = this.#tally;
    const code = answerOf(failure);
    if (code === undefined) {
      const text = failure.code ?? failure.message;
      closed.set(text, (closed.get(text) ?? 0) + 1);
      return;
    }
    const known = refused.get(code) ?? { count: 0, text: failure.message, mostMs: 0 };
    known.count += 1;
    known.mostMs = Math.max(known.mostMs, waitedMs);
    refused.set(code, known);
  }

  #between(least: number, most: number): number {
    return least + this.#next() * (most - least);
  }

  /** Park and Miller's minimal standard generator, 0 to 1. */
  #next(): number {
    this.#random = (this.#random * 48_271) % 2_147_483_647;
    return this.#random / 2_147_483_647;
  }
}

type Failure = Error & { readonly code?: string; readonly errno?: number };

/** SQLSTATE or errno, where the client was answered at all. */
function answerOf({ code, errno }: Failure): string | undefined {
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) return code;
  return errno !== undefined && errno >= 1000 ? `${errno}` : undefined;
}

function newTally(): Tally {
  return { waitsMs: [], refused: new Map(), closed: new Map(), cut: 0 };
}
