/**
 * Whoever has no password holds a server connection for as long as a server lets him try. So that he cannot take a
 * service's connections, let alone a tenant's, each source (a client's address) comes into each service by a door:
 *
 *   so many at once      connections whose login the database has not accepted yet; the next ones wait aside, where they
 *                        hold up nobody who comes by another door. One more after each that is accepted, so that
 *                        whoever has a password soon has all of the limit; half of these after each that fails
 *   shut after failures  when logins in a row were turned away or broken off: for a moment, then for twice as long
 *
 * A login is accepted when its node says so, or sooner when the database's list surely shows it: that is asked for at once while
 * somebody stands aside, so that a storm of honest clients waits for little more than its logins. Everybody who is aside is
 * a waiter as all others: within max_queue (crowds.ts), until timeout_ms, in the order of birth.
 */
import type { Books } from './books.js';
import { weigh } from './crowds.js';
import { Doubt, type DoubtfulSlots } from './doubts.js';
import { Heap } from './heap.js';
import { line } from './lines.js';
import type { Outcome } from './outcome.js';
import type { Client, Door, Service, Slot, Target } from './records.js';
import type { LedgerSettings, LoginSettings } from './settings.js';

/** Doors by which nobody comes or waits, and of which something is known. */
const maxRemembered = 10_000;

export class Doors {
  readonly #books: Books;
  readonly #outcome: Outcome;
  readonly #settings: LoginSettings;
  readonly #marginMs: number;
  /** The oldest first. */
  readonly #remembered = new Set<Door>();

  constructor(
    books: Books,
    outcome: Outcome,
    { logins, marginMs }: Pick<LedgerSettings, 'logins' | 'marginMs'>,
  ) {
    this.#books = books;
    this.#outcome = outcome;
    this.#settings = logins;
    this.#marginMs = marginMs;
  }

  /** By which the client could not come in now; undefined: nothing of this kind is in its way. */
  closed({ service, source }: Pick<Client, 'service' | 'source'>): Door | undefined {
    const door = source === undefined ? undefined : service.doors.get(source);
    return door && (this.isShut(door) || this.#room(door) <= 0) ? door : undefined;
  }

  isShut({ shutUntilMs }: Door): boolean {
    return this.#outcome.nowMs < shutUntilMs;
  }

  /** Logins that are taken by it at once. */
  width({ service: { plan }, earned }: Door): number {
    const { share, least } = this.#settings;
    return Math.max(least, Math.ceil((plan?.maxConnections ?? 0) * share)) + earned;
  }

  /** The slot's client has come in: its login is to come. */
  entered(slot: Slot, { service, source }: Client): void {
    if (source === undefined) return;
    const door = service.doors.get(source) ?? open(service, source);
    service.doors.set(source, door);
    this.#remembered.delete(door);
    door.loggingIn += 1;
    slot.door = door;
  }

  accepted(slot: Slot): void {
    const { door } = slot;
    if (!door) return;
    door.failures = 0;
    door.shutUntilMs = Number.NEGATIVE_INFINITY;
    door.earned = Math.min(door.earned + 1, slot.service.plan?.maxConnections ?? 0);
    door.forgetAtMs = this.#outcome.nowMs + this.#settings.forgetMs;
    weigh(door.service, door.source);
    this.#leave(slot, door);
  }

  /** Turned away for something of his own, or gone without having logged in. */
  failed(slot: Slot): void {
    const { door } = slot;
    if (!door) return;
    const { freeFailures, shutMs, mostShutMs, forgetMs } = this.#settings;
    const { nowMs } = this.#outcome;
    door.earned >>= 1;
    // What was under way when it was shut is the same mishap: a server that goes takes all its logins along.
    if (!this.isShut(door)) {
      door.failures += 1;
      weigh(door.service, door.source);
      const doublings = door.failures - freeFailures;
      if (doublings >= 0)
        door.shutUntilMs = nowMs + Math.min(mostShutMs, shutMs * 2 ** Math.min(doublings, 30));
    }
    door.forgetAtMs = Math.max(door.shutUntilMs, nowMs + forgetMs);
    this.#leave(slot, door);
  }

  /** The slot is over, and it is nobody's fault. */
  left(slot: Slot): void {
    if (slot.door) this.#leave(slot, slot.door);
  }

  /** Somebody who was to come in next by his door waits no more. */
  vacated({ service, source }: Client): void {
    const door = source === undefined ? undefined : service.doors.get(source);
    if (door && door.aside.size > 0 && !this.isShut(door))
      this.#bringBack(door, Math.min(1, this.#room(door)));
  }

  /** There is a new plan: what has grown may let in who stands aside. */
  planned(): void {
    for (const { aside } of this.#books.targets.values())
      for (const { doors } of aside)
        for (const door of doors.values()) if (door.aside.size > 0) this.#settle(door);
  }

  /** The list of a target is new: whoever it shows to be in is in. A row that may be another's says nothing of his login. */
  listed({ list, slots }: Target): void {
    for (const slot of slots)
      if (
        slot.door &&
        slot.row &&
        (slot.row.user !== undefined || !list.listsLogins) &&
        list.showsLoginOf(slot, this.#marginMs)
      )
        this.accepted(slot);
  }

  /** How many of a target's closing slots hold a place of their door from now on. */
  setDoubts({ closing }: Target, doubts: readonly DoubtfulSlots[]): void {
    for (const slot of closing) {
      slot.doorDoubt?.end();
      slot.doorDoubt = undefined;
    }
    for (const doubtful of doubts) {
      const [slots] = doubtful;
      const door = slots[0]!.door!;
      const doubt = new Doubt(doubtful, (_, by) => {
        door.loggingIn += by;
      });
      for (const slot of slots) slot.doorDoubt = doubt;
      this.#settle(door);
    }
  }

  /** Whether clients of a target stand aside for others who are logging in. */
  isAwaited(target: Target): boolean {
    for (const service of target.aside)
      for (const door of service.doors.values()) if (door.aside.size > 0 && !this.isShut(door)) return true;
    return false;
  }

  /** Its time has come. */
  due(door: Door): void {
    if (this.#outcome.nowMs >= door.forgetAtMs) {
      door.failures = door.earned = 0;
      weigh(door.service, door.source);
    }
    this.#settle(door);
  }

  #leave(slot: Slot, door: Door): void {
    this.#books.tellApart(slot);
    slot.door = undefined;
    door.loggingIn -= 1;
    this.#settle(door);
  }

  #room(door: Door): number {
    return this.width(door) - door.loggingIn;
  }

  /** Brings back who may come in now, and forgets a door that nothing is to be said of. */
  #settle(door: Door): void {
    const isShut = this.isShut(door);
    if (!isShut) this.#bringBack(door, this.#room(door));
    const isIdle = door.loggingIn === 0 && door.aside.size === 0;
    const atMs = isShut ? door.shutUntilMs : door.forgetAtMs;
    if (isIdle && atMs <= this.#outcome.nowMs) this.#forget(door);
    else {
      this.#wake(door, atMs);
      if (isIdle) this.#remember(door);
    }
  }

  /** One that is to be forgotten later than it was: that is looked at when it would have been. */
  #wake(door: Door, atMs: number): void {
    const isPlanned = door.service.doors.get(door.source) === door;
    if (!isPlanned || atMs <= this.#outcome.nowMs) this.#books.schedule(door, undefined);
    else if (this.isShut(door) || !door.timer || door.timer.key > atMs) this.#books.schedule(door, atMs);
  }

  #bringBack(door: Door, most: number): void {
    const { service, aside } = door;
    if (aside.size > 0 && most > 0 && service.queue.size === 0) service.hungryMs = this.#outcome.nowMs;
    for (let i = 0; i < most; i += 1) {
      const first = aside.first();
      if (!first) return;
      line(first.item, undefined);
      this.#books.freedTargets.add(service.target);
    }
  }

  #remember(door: Door): void {
    this.#remembered.add(door);
    for (const oldest of this.#remembered) {
      if (this.#remembered.size <= maxRemembered) return;
      // Somebody may wait by it now.
      if (oldest.aside.size > 0) this.#remembered.delete(oldest);
      else this.#forget(oldest);
    }
  }

  #forget(door: Door): void {
    this.#remembered.delete(door);
    this.#books.schedule(door, undefined);
    const { doors } = door.service;
    if (doors.get(door.source) !== door) return;
    doors.delete(door.source);
    weigh(door.service, door.source);
  }
}

function open(service: Service, source: string): Door {
  return {
    kind: 'door',
    service,
    source,
    loggingIn: 0,
    aside: new Heap(),
    failures: 0,
    earned: 0,
    shutUntilMs: Number.NEGATIVE_INFINITY,
    forgetAtMs: Number.NEGATIVE_INFINITY,
    timer: undefined,
  };
}
