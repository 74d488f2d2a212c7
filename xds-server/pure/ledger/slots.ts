/** What happens to a slot from its being taken to its being free. The drawing of it is in ledger.ts. */
import type { Refusal } from '../verdict/refusals.js';
import { type Books, nowhere } from './books.js';
import { isUncertain } from './claims.js';
import type { Doors } from './doors.js';
import { Ended } from './ended.js';
import type { ConnectionId, LedgerEvent, NodeId, ServerId, UpstreamFacts } from './events.js';
import { type Outcome, overAnyConnection } from './outcome.js';
import { nextQuestion, proof } from './proof.js';
import type { Client, ClosingCause, Slot, Target } from './records.js';
import { confirmationMs, type LedgerSettings } from './settings.js';

type Event<Kind extends LedgerEvent['kind']> = Extract<LedgerEvent, { kind: Kind }>;

const never = Number.NEGATIVE_INFINITY;

/** Longer than a node may stand still and then tell the end of what was proven to be over meanwhile. */
const provenKeptMs = 300_000;

/** More server connections than databases could hold: what nodes report beyond it is not believed. */
const maxSlots = 200_000;

export class Slots {
  readonly #books: Books;
  readonly #settings: LedgerSettings;
  readonly #outcome: Outcome;
  readonly #doors: Doors;
  readonly #proven = new Ended(provenKeptMs);

  constructor(books: Books, settings: LedgerSettings, outcome: Outcome, doors: Doors) {
    this.#books = books;
    this.#settings = settings;
    this.#outcome = outcome;
    this.#doors = doors;
  }

  grant(client: Client): void {
    const { service } = client;
    const { nowMs } = this.#outcome;
    this.#take(client);
    service.hungryMs = service.target.grantedMs = service.tenant.grantedMs = nowMs;
  }

  /** Of the kill reserve: nobody who waits has been served by it, and nobody been passed over. */
  grantKill(client: Client, instead: Refusal): void {
    this.#take(client, instead);
  }

  #take(client: Client, onlyKill?: Refusal): void {
    const slot = newSlot(client, client.service.target, this.#outcome, onlyKill !== undefined);
    this.#books.addSlot(slot);
    this.#doors.entered(slot, client);
    this.#announce(slot, onlyKill);
  }

  /** Its node has not had the answer: whatever it may have been taken for until now, it was not that. */
  grantAgain(slot: Slot): void {
    slot.target.list.release(slot);
    slot.servers = slot.target.plan!.endpoints;
    slot.earliestStep = this.#outcome.step;
    slot.latestStep = Number.POSITIVE_INFINITY;
    slot.suspects = undefined;
    this.#books.setState(slot, 'granted');
    this.#announce(slot);
  }

  /** For a connection that no grant of this ledger is known of, or that was taken for over. @returns nothing when there are too many to be true. */
  takeIn({ connection, node, service: name = nowhere, upstream }: Event<'report' | 'end'>): Slot | undefined {
    if (this.#books.slots.size >= maxSlots) return undefined;
    const service = this.#books.service(name);
    const target = this.#books.targetOf(service, upstream.remoteAddress);
    const client = {
      connection,
      node,
      service,
      bornMs: this.#outcome.nowMs,
      source: undefined,
      sentMs: never,
    };
    // One that was let in for KILL alone counts as any other: it is over in seconds.
    const slot = newSlot(client, target, { step: never, nowMs: never }, false);
    // A node that has stood still may say late what a list has shown to be over; who was there before its grant it is not.
    slot.earliestStep = this.#proven.earliestStep(connection);
    this.#books.addSlot(slot);
    return slot;
  }

  report(slot: Slot, upstream: UpstreamFacts): void {
    const { nowMs } = this.#outcome;
    const hadId = slot.serverId !== undefined;
    const wasUncertain = this.#isUncertain(slot);
    slot.reportedMs = nowMs;
    slot.openedByMs ??= nowMs;
    if (slot.state === 'closing') slot.reopenedMs = nowMs;
    if (nowMs > slot.openedByMs + this.#settings.marginMs) slot.isSure = true;
    if (slot.state !== 'session') {
      this.#books.setState(slot, 'session');
      slot.latestStep = Number.POSITIVE_INFINITY;
      slot.suspects = undefined;
      this.#books.schedule(slot, nowMs + this.#settings.silentAfterMs);
    }
    this.#learn(slot, upstream);
    // Its row may be what slots are kept for of which nobody knows whose they are.
    const isTold = hadId ? wasUncertain && !this.#isUncertain(slot) : slot.serverId !== undefined;
    if (isTold && slot.target.list.hasDoubts) this.#outcome.observe(slot.target);
  }

  /** Of whether it is still open that says nothing: it comes by a way of its own, and maybe late. */
  loggedIn(slot: Slot, serverId: ServerId): void {
    const isNew = slot.serverId === undefined;
    this.#learn(slot, { serverId, login: 'accepted' });
    if (isNew && slot.target.list.hasDoubts) this.#outcome.observe(slot.target);
  }

  /** Whether its row, where the last list has one, may be another's. */
  #isUncertain({ row }: Slot): boolean {
    return row !== undefined && isUncertain(row, this.#settings.marginMs);
  }

  end(slot: Slot, { upstream, evidence }: Event<'end'>): void {
    this.#learn(slot, upstream);
    // Of one that never reached the server, or that the server failed, nothing follows for its client.
    if (upstream.login === 'failed' || (upstream.login === undefined && upstream.localAddress !== undefined))
      this.#doors.failed(slot);
    else this.#doors.left(slot);
    // A proxy's FIN is not the server's.
    const isFree = evidence === 'server-closed' && !slot.target.plan?.proxyProtocol;
    if (isFree || (evidence === 'never-opened' && !wasUsed(slot))) this.free(slot);
    else if (slot.cause !== 'ended') this.#close(slot, 'ended');
  }

  /** Whoever is alive is in the list, and is reported again within an interval. Where there is no list silence is waited for. */
  cutOff(node: NodeId): void {
    for (const { list } of this.#books.targets.values()) list.sightings.cut(node, this.#outcome.step);
    for (const slot of this.#books.slotsOf(node))
      if (slot.state === 'session' && slot.target.plan) this.#close(slot, 'silent');
  }

  observed(target: Target, event: Event<'observed'>): void {
    target.problem = undefined;
    if (!target.list.replace(event, target.slots, this.#outcome, this.#settings.marginMs)) return;
    this.#books.freedTargets.add(target);
    // Its node may be dead: its word is not waited for. The next list has the last one.
    for (const slot of target.slots)
      if (slot.state === 'session' && target.list.isMissing(slot)) this.#close(slot, 'unlisted');
    this.#doors.listed(target);
    if (this.#doors.isAwaited(target)) this.#outcome.observe(target);
    const { free, doubts } = proof(target, this.#settings, this.#outcome.step);
    // Before the rows of those that are free go.
    const [bySlot, byDoor] = [doubts?.bySlot, doubts?.byDoor];
    if (bySlot) target.list.hasDoubts = bySlot.length > 0;
    for (const slot of free) {
      this.#proven.add(slot.connection, this.#outcome.nowMs, slot.earliestStep);
      this.free(slot);
    }
    if (bySlot) this.#books.setDoubts(target, bySlot);
    if (byDoor) this.#doors.setDoubts(target, byDoor);
    if (target.recovering && event.askedAtMs >= target.recoverFromMs) {
      // Whoever asked had not been told: an observer that is new, or that was late.
      if (event.namesLogins && !event.logins) this.#outcome.observe(target, overAnyConnection);
      else {
        target.recovering = false;
        target.list.recovered(this.#outcome);
      }
    }
    if (target.list.earlierLogins.length > 0) this.#outcome.observe(target, overAnyConnection);
    for (const slot of target.closing) this.#awaitProof(slot);
  }

  /** Whether a list has shown that it is over, which a grant of this ledger or a report had brought here. */
  wasProven(connection: ConnectionId): boolean {
    return this.#proven.has(connection);
  }

  due(slot: Slot): void {
    // Each report would have moved the deadline of a session: it is looked at only when it comes.
    const silentFromMs = slot.reportedMs + this.#settings.silentAfterMs;
    if (slot.state === 'granted') this.#close(slot, 'unconfirmed');
    else if (slot.state === 'closing') this.#awaitProof(slot);
    else if (silentFromMs <= this.#outcome.nowMs) this.#close(slot, 'silent');
    else this.#books.schedule(slot, silentFromMs);
  }

  free(slot: Slot): void {
    this.#doors.left(slot);
    slot.target.list.depart(slot, this.#outcome.nowMs);
    this.#books.removeSlot(slot);
  }

  #announce(slot: Slot, onlyKill?: Refusal): void {
    this.#books.schedule(slot, this.#outcome.nowMs + confirmationMs(this.#settings));
    const ttlMs = Math.min(this.#settings.grantTtlMs, this.#books.termEndsMs - this.#outcome.nowMs);
    this.#outcome.grant(slot.connection, slot.service.plan!, ttlMs, slot.bornMs, onlyKill);
  }

  #learn(slot: Slot, { localAddress, remoteAddress, serverId, login }: UpstreamFacts): void {
    if (login === 'accepted') this.#doors.accepted(slot);
    if (remoteAddress !== undefined && remoteAddress !== slot.remoteAddress) {
      slot.remoteAddress = remoteAddress;
      // A service was moved between the grant and its use.
      const target = this.#books.targetOf(slot.service, remoteAddress);
      if (target !== slot.target && this.#books.servers.has(remoteAddress))
        this.#books.moveSlot(slot, target);
    }
    // Through a proxy the server sees the client's address, or the proxy's: one that only looks like the node's is not.
    if (localAddress !== undefined && !slot.target.plan?.proxyProtocol) slot.localAddress = localAddress;
    if (serverId !== undefined) {
      slot.serverId = serverId;
      slot.identifiedMs = Math.min(slot.identifiedMs, this.#outcome.nowMs);
    }
    slot.target.list.join(slot);
  }

  #close(slot: Slot, cause: ClosingCause): void {
    // Nobody is asked for the sessions of a target that is not in the plan.
    if (!slot.target.plan) {
      this.free(slot);
      return;
    }
    this.#books.setState(slot, 'closing', cause);
    slot.closingMs = this.#outcome.nowMs;
    slot.closingStep = this.#outcome.step;
    this.#outcome.observe(slot.target);
    this.#awaitProof(slot);
  }

  /** A list can prove nothing before a certain time, or is wanted now. */
  #awaitProof(slot: Slot): void {
    const { nowMs } = this.#outcome;
    const { fromMs, otherwiseMs, dialledAfterMs } = nextQuestion(slot, this.#settings, nowMs);
    const againMs = fromMs > nowMs ? fromMs : otherwiseMs;
    this.#books.schedule(slot, againMs > nowMs ? againMs : undefined);
    if (fromMs <= nowMs) this.#outcome.observe(slot.target, dialledAfterMs);
  }
}

/** Whether its node has acted on the grant. */
export function wasUsed(slot: Slot): boolean {
  return slot.openedByMs !== undefined || slot.cause === 'ended';
}

function newSlot(
  { connection, node, service, bornMs, sentMs }: Client,
  target: Target,
  granted: Pick<Outcome, 'step' | 'nowMs'>,
  onlyKill: boolean,
): Slot {
  return {
    kind: 'slot',
    connection,
    node,
    service,
    tenant: service.tenant,
    onlyKill,
    // Elsewhere it may have had another account: it came there under another plan.
    users: target === service.target ? service.users : undefined,
    target,
    servers: target.plan?.endpoints ?? [],
    state: 'granted',
    cause: undefined,
    bornMs,
    sentMs,
    earliestStep: granted.step,
    grantedMs: granted.nowMs,
    latestStep: Number.POSITIVE_INFINITY,
    suspects: undefined,
    suspectedMs: Number.POSITIVE_INFINITY,
    isSure: Number.isFinite(granted.step),
    openedByMs: undefined,
    reportedMs: Number.NEGATIVE_INFINITY,
    reopenedMs: Number.NEGATIVE_INFINITY,
    closingMs: Number.POSITIVE_INFINITY,
    closingStep: Number.POSITIVE_INFINITY,
    localAddress: undefined,
    remoteAddress: undefined,
    serverId: undefined,
    identifiedMs: Number.POSITIVE_INFINITY,
    listedId: undefined,
    row: undefined,
    doubt: undefined,
    doorDoubt: undefined,
    door: undefined,
    timer: undefined,
  };
}
