/**
 * What the leader knows of nodes that take their configuration from other brains: who has which, and what a node is
 * ready for. The last brain that names a node has it.
 *
 *   wanted ──▶ asked of the brain that has the node ──▶ ready, for as long as the plan is the same
 *
 * A service is known here by what it needs by the leader's plan: brains may go by different plans for a moment, and what a
 * node was ready for under another one is something else.
 *
 * A brain that is lost has not changed its nodes: what it said of them holds for a while, until they have found another. Where
 * there are too many nodes that goes first: who is missed is named again by another brain, and asked for once more. A
 * node for which there is no room even then is not known to be ready, so that it is given no grant.
 */
import type { NodeId } from '../ledger/events.js';

/** A node has found another brain by then; both ends notice one that hangs within seconds. */
const graceMs = 15_000;
/** A brain that is asked may not have the leader's plan yet, and says nothing then. */
const askAgainMs = 1_000;
/** Nodes that other brains name. */
export const maxNodes = 20_000;

interface Claim<Brain> {
  readonly by: Brain;
  runtime: string | undefined;
  /** By what services need. */
  readonly ready: Set<string>;
  /** The brain is lost. */
  lostMs: number | undefined;
}

/** What is to be found out of a node. */
interface Wanted {
  readonly service: string;
  readonly tell: Set<() => void>;
  askedMs: number;
}

export interface ClaimsOptions<Brain> {
  readonly now: () => number;
  /** Asks this brain to say when its node has what a service needs. */
  readonly ask: (brain: Brain, node: NodeId, service: string, needs: string) => void;
}

export class Claims<Brain> {
  readonly #options: ClaimsOptions<Brain>;
  readonly #claims = new Map<NodeId, Claim<Brain>>();
  /** By node and what the service needs. */
  readonly #wanted = new Map<NodeId, Map<string, Wanted>>();
  #hasLost = false;

  constructor(options: ClaimsOptions<Brain>) {
    this.#options = options;
  }

  /** @returns false where there are too many to know of one more */
  claim(by: Brain, node: NodeId, runtime: string | undefined): boolean {
    const known = this.#claims.get(node);
    if (known?.by === by && known.lostMs === undefined) {
      known.runtime = runtime;
      return true;
    }
    if (!known && this.#claims.size >= maxNodes) this.#forgetLost();
    if (!known && this.#claims.size >= maxNodes) return false;
    this.#claims.set(node, { by, runtime, ready: new Set(), lostMs: undefined });
    for (const [needs, wanted] of this.#wanted.get(node) ?? []) this.#ask(by, node, needs, wanted);
    return true;
  }

  release(by: Brain, node: NodeId): void {
    if (this.#claims.get(node)?.by === by) this.#claims.delete(node);
  }

  lost(by: Brain): void {
    const nowMs = this.#options.now();
    this.#hasLost = true;
    for (const [node, claim] of this.#claims) {
      if (claim.lostMs !== undefined && nowMs - claim.lostMs >= graceMs) this.#claims.delete(node);
      else if (claim.by === by) claim.lostMs ??= nowMs;
    }
  }

  /** Each loss pays for one look at all of them. */
  #forgetLost(): void {
    if (!this.#hasLost) return;
    this.#hasLost = false;
    for (const [node, { lostMs }] of this.#claims) if (lostMs !== undefined) this.#claims.delete(node);
  }

  becameReady(by: Brain, node: NodeId, needs: string): void {
    const claim = this.#claims.get(node);
    if (claim?.by !== by) return;
    claim.ready.add(needs);
    for (const tell of [...(this.#wanted.get(node)?.get(needs)?.tell ?? [])]) tell();
  }

  /** Services may need something else now, or nothing any more. */
  planned(): void {
    for (const { ready } of this.#claims.values()) ready.clear();
  }

  /** Nodes that it speaks for. */
  countOf(by: Brain): number {
    let count = 0;
    for (const claim of this.#claims.values()) if (claim.by === by && claim.lostMs === undefined) count += 1;
    return count;
  }

  /** Whether a brain that is there has it. */
  has(node: NodeId): boolean {
    const claim = this.#valid(node);
    return claim !== undefined && claim.lostMs === undefined;
  }

  isReady(node: NodeId, needs: string): boolean {
    return this.#valid(node)?.ready.has(needs) ?? false;
  }

  /** @param tell called each time that it has become ready. @returns how to stop that */
  whenReady(node: NodeId, service: string, needs: string, tell: () => void): () => void {
    const ofNode = this.#wanted.get(node) ?? new Map<string, Wanted>();
    this.#wanted.set(node, ofNode);
    const wanted = ofNode.get(needs) ?? { service, tell: new Set(), askedMs: Number.NEGATIVE_INFINITY };
    ofNode.set(needs, wanted);
    wanted.tell.add(tell);
    const claim = this.#valid(node);
    const isTime = this.#options.now() - wanted.askedMs >= askAgainMs;
    if (isTime && claim && claim.lostMs === undefined) this.#ask(claim.by, node, needs, wanted);
    return () => {
      if (!wanted.tell.delete(tell) || wanted.tell.size > 0) return;
      if (ofNode.get(needs) === wanted) ofNode.delete(needs);
      if (ofNode.size === 0 && this.#wanted.get(node) === ofNode) this.#wanted.delete(node);
    };
  }

  /** Whether every node of a brain that is there has breakers of this version. */
  haveRuntime(version: string | undefined): boolean {
    for (const { runtime, lostMs } of this.#claims.values())
      if (lostMs === undefined && runtime !== version) return false;
    return true;
  }

  #ask(by: Brain, node: NodeId, needs: string, wanted: Wanted): void {
    wanted.askedMs = this.#options.now();
    this.#options.ask(by, node, wanted.service, needs);
  }

  #valid(node: NodeId): Claim<Brain> | undefined {
    const claim = this.#claims.get(node);
    const isOver = claim?.lostMs !== undefined && this.#options.now() - claim.lostMs >= graceMs;
    return isOver ? undefined : claim;
  }
}
