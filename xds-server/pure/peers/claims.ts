/**
 * What the leader knows of nodes that take their configuration from other brains: who has which, and which services a
 * node is ready for. The last brain that names a node has it.
 *
 *   wanted ──▶ asked of the brain that has the node ──▶ ready, for as long as the plan is the same
 *
 * A brain that is lost has not changed its nodes: what it said of them holds for a while, until they have found another.
 */
import type { NodeId } from '../ledger/events.js';

/** A node has found another brain by then; both ends notice one that hangs within seconds. */
const graceMs = 15_000;
/** Nodes that other brains name. */
const maxNodes = 20_000;

interface Claim<Brain> {
  readonly by: Brain;
  runtime: string | undefined;
  readonly ready: Set<string>;
  /** The brain is lost. */
  lostMs: number | undefined;
}

export interface ClaimsOptions<Brain> {
  readonly now: () => number;
  /** Asks this brain to say when its node is ready for a service. */
  readonly ask: (brain: Brain, node: NodeId, service: string) => void;
}

export class Claims<Brain> {
  readonly #options: ClaimsOptions<Brain>;
  readonly #claims = new Map<NodeId, Claim<Brain>>();
  /** By node and service: who wants to know. */
  readonly #wanted = new Map<NodeId, Map<string, Set<() => void>>>();

  constructor(options: ClaimsOptions<Brain>) {
    this.#options = options;
  }

  claim(by: Brain, node: NodeId, runtime: string | undefined): void {
    const known = this.#claims.get(node);
    if (known?.by === by && known.lostMs === undefined) {
      known.runtime = runtime;
      return;
    }
    if (!known && this.#claims.size >= maxNodes) return;
    this.#claims.set(node, { by, runtime, ready: new Set(), lostMs: undefined });
    for (const service of this.#wanted.get(node)?.keys() ?? []) this.#options.ask(by, node, service);
  }

  release(by: Brain, node: NodeId): void {
    if (this.#claims.get(node)?.by === by) this.#claims.delete(node);
  }

  lost(by: Brain): void {
    const nowMs = this.#options.now();
    for (const [node, claim] of this.#claims) {
      if (claim.lostMs !== undefined && nowMs - claim.lostMs >= graceMs) this.#claims.delete(node);
      else if (claim.by === by) claim.lostMs ??= nowMs;
    }
  }

  becameReady(by: Brain, node: NodeId, service: string): void {
    const claim = this.#claims.get(node);
    if (claim?.by !== by) return;
    claim.ready.add(service);
    const wanted = this.#wanted.get(node)?.get(service);
    for (const tell of [...(wanted ?? [])]) tell();
  }

  /** What a node has to have for a service may be something else now. */
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

  isReady(node: NodeId, service: string): boolean {
    return this.#valid(node)?.ready.has(service) ?? false;
  }

  /** @param tell called each time that it has become ready. @returns how to stop that */
  whenReady(node: NodeId, service: string, tell: () => void): () => void {
    const services = this.#wanted.get(node) ?? new Map<string, Set<() => void>>();
    this.#wanted.set(node, services);
    const wanted = services.get(service) ?? new Set();
    const isFirst = wanted.size === 0;
    services.set(service, wanted.add(tell));
    const claim = this.#valid(node);
    if (isFirst && claim && claim.lostMs === undefined) this.#options.ask(claim.by, node, service);
    return () => {
      if (!wanted.delete(tell)) return;
      if (wanted.size === 0) services.delete(service);
      if (services.size === 0) this.#wanted.delete(node);
    };
  }

  /** Whether every node of a brain that is there has breakers of this version. */
  haveRuntime(version: string | undefined): boolean {
    for (const { runtime, lostMs } of this.#claims.values())
      if (lostMs === undefined && runtime !== version) return false;
    return true;
  }

  #valid(node: NodeId): Claim<Brain> | undefined {
    const claim = this.#claims.get(node);
    const isOver = claim?.lostMs !== undefined && this.#options.now() - claim.lostMs >= graceMs;
    return isOver ? undefined : claim;
  }
}
