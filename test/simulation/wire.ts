import type { Agenda, Living } from './agenda.js';
import type { Random } from './random.js';

/** HTTP/2's keep-alive gives a silent connection up after this long (interval and time-out of docs/decisions). */
export const keepAliveMs = 2_000;

/** The way between two processes. What goes over it comes late and out of order, and in trouble not at all, or twice. */
export class Wire implements Living {
  readonly #agenda: Agenda;
  /** Most that an ordinary message takes. */
  readonly #usualMs: number;
  #cuts = 0;
  #lags = 0;
  #losses = 0;
  /** Sent while it was cut; it may arrive when that is over, if the connection lives that long. */
  #held: (() => void)[] = [];
  /** The connection that there is now: it is given up when nothing comes for too long. */
  connection = 1;
  /** Told when a connection is given up. */
  broken: () => void = () => undefined;

  constructor(agenda: Agenda, usualMs: number) {
    this.#agenda = agenda;
    this.#usualMs = usualMs;
  }

  get isCut(): boolean {
    return this.#cuts > 0;
  }

  /** A message that needs an answer: it arrives, unless the connection breaks. */
  send(random: Random, thing: () => void): void {
    this.#agenda.after(this.#delay(random), thing, this);
  }

  get life(): number {
    return this.connection;
  }

  /** Something has come. */
  do(thing: () => void): void {
    if (this.isCut) this.#held.push(thing);
    else thing();
  }

  /** A message that nobody misses: it may be lost, and arrive twice. */
  tell(random: Random, chance: number, thing: () => void): void {
    const lossy = this.#losses > 0 ? Math.max(0.5, chance) : chance;
    const isLost = random.chance(lossy);
    const isDoubled = random.chance(lossy);
    if (!isLost) this.send(random, thing);
    if (isDoubled) this.#agenda.within(random, 0, 4_000, () => this.send(random, thing));
  }

  cut(random: Random, ms: number): void {
    this.#cuts++;
    const noticedMs = random.between(0, keepAliveMs);
    const { connection } = this;
    this.#agenda.after(noticedMs, () => {
      if (this.isCut && connection === this.connection) this.break();
    });
    this.#agenda.after(ms, () => {
      if (--this.#cuts > 0) return;
      const held = this.#held;
      this.#held = [];
      for (const thing of held) this.send(random, thing);
    });
  }

  /** Whatever is under way is lost. */
  break(): void {
    this.connection++;
    this.#held = [];
    this.broken();
  }

  lag(ms: number): void {
    this.#lags++;
    this.#agenda.after(ms, () => this.#lags--);
  }

  lose(ms: number): void {
    this.#losses++;
    this.#agenda.after(ms, () => this.#losses--);
  }

  #delay(random: Random): number {
    // As often about as late as a grant may be.
    if (this.#lags > 0) return random.between(0, random.pick([500, 1_000, 4_000]));
    return random.chance(0.8) ? random.between(0, 10) : random.between(0, this.#usualMs);
  }
}
