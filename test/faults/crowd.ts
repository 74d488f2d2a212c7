/**
 * Clients that come, work, leave and come again, as fast as they are let in. Each is a real driver; what became of each
 * attempt is counted by the driver's own words.
 */
import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { type Account, postgresClient } from '../e2e/sessions.js';
import type { Sluice } from '../harness/sluice.js';

export interface CrowdOptions {
  readonly service: string;
  readonly account: Account;
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
  /** By SQLSTATE. */
  readonly refused: Map<string, number>;
  /** Closed before the login was through, by the driver's text. */
  readonly closed: Map<string, number>;
  /** Sessions that ended before their work did. */
  cut: number;
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
      const { service, account } = this.#options;
      const client = postgresClient(this.#sluice, service, account, { stream: socket });
      const since = performance.now();
      try {
        await client.connect();
      } catch (error) {
        this.#turnedAway(error as Error & { readonly code?: string });
        socket.destroy();
        await pause(this.#between(offendedMs, 2 * offendedMs));
        continue;
      }
      this.#lastAdmittedMs = performance.now();
      this.#tally.waitsMs.push(this.#lastAdmittedMs - since);
      await this.#work(client, socket);
    }
  }

  async #work(client: pg.Client, socket: net.Socket): Promise<void> {
    const { workMs, vanishing = 0 } = this.#options;
    const forMs = this.#between(...workMs);
    const vanishes = this.#next() < vanishing;
    try {
      const query = client.query(`SELECT pg_sleep(${forMs / 1000})`);
      if (vanishes) {
        query.catch(() => undefined);
        await pause(forMs / 2);
        socket.resetAndDestroy();
        return;
      }
      await query;
      await this.#frozen;
      await client.end();
    } catch {
      this.#tally.cut += 1;
      socket.destroy();
    }
  }

  #turnedAway({ code, message }: Error & { readonly code?: string }): void {
    const { refused, closed } = this.#tally;
    if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) refused.set(code, (refused.get(code) ?? 0) + 1);
    else closed.set(code ?? message, (closed.get(code ?? message) ?? 0) + 1);
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

function newTally(): Tally {
  return { waitsMs: [], refused: new Map(), closed: new Map(), cut: 0 };
}
