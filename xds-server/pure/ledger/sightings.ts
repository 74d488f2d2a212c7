/**
 * Where the servers of one target see the nodes: at their own addresses, or at others (NAT, a proxy). A node is seen at its own
 * when a session whose id is sure has a row with the address that the node reported. That says nothing of another server,
 * nor of what is granted after the way to the node has broken: it may be another machine by the same name then.
 */
import { isAddress } from '../plan/address.js';
import type { NodeId } from './events.js';
import type { Slot } from './records.js';

/** What is known between two cuts of a node's way; each of its connections that breaks is one. */
interface Life {
  /** Grants of a later step are of it, until it is over. */
  fromStep: number;
  untilStep: number;
  /** By server, the hosts that the node was seen at. */
  readonly hosts: Map<string, Set<string>>;
}

/** A node that is not known waits longer for its proofs. */
const mostNodes = 10_000;
const mostServers = 64;
const mostHosts = 16;

export class Sightings {
  /** The present life, and the one before it. */
  readonly #lives = new Map<NodeId, readonly [Life, Life?]>();

  /** A session whose id is sure has a row with its own address. */
  own({ localAddress, remoteAddress, node, earliestStep }: Slot): void {
    if (localAddress === undefined || remoteAddress === undefined) return;
    if (!this.#lives.has(node)) this.#begin(node, Number.NEGATIVE_INFINITY);
    const life = this.#lifeOf(node, earliestStep);
    if (!life) return;
    const hosts = life.hosts.get(remoteAddress);
    if (!hosts && life.hosts.size < mostServers)
      life.hosts.set(remoteAddress, new Set([hostOf(localAddress)]));
    else if (hosts && hosts.size < mostHosts) hosts.add(hostOf(localAddress));
  }

  /** A session whose id is sure has a row with the address of somebody else. */
  another({ remoteAddress, node }: Slot): void {
    if (remoteAddress === undefined) return;
    for (const life of this.#lives.get(node) ?? []) life?.hosts.delete(remoteAddress);
  }

  cut(node: NodeId, step: number): void {
    const [present] = this.#lives.get(node) ?? [];
    if (present?.hosts.size === 0) present.fromStep = step;
    else this.#begin(node, step);
  }

  clear(): void {
    this.#lives.clear();
  }

  /** Whether a row with another address than its own is not the slot's. */
  showAddressOf({ localAddress, remoteAddress, node, earliestStep }: Slot): boolean {
    if (localAddress === undefined || remoteAddress === undefined) return false;
    return this.#lifeOf(node, earliestStep)?.hosts.has(remoteAddress) ?? false;
  }

  /** The hosts at one of which the slot's row is, of a target that has this server alone; undefined: it may be anywhere. */
  hostsOf({ node, earliestStep }: Slot, server: string): ReadonlySet<string> | undefined {
    // An earlier ledger may have granted it in any of the node's lives.
    return Number.isFinite(earliestStep) ? this.#lifeOf(node, earliestStep)?.hosts.get(server) : undefined;
  }

  #lifeOf(node: NodeId, earliestStep: number): Life | undefined {
    const lives = this.#lives.get(node);
    if (earliestStep === Number.NEGATIVE_INFINITY) return lives?.[0];
    return lives?.find((life) => life && life.fromStep < earliestStep && earliestStep <= life.untilStep);
  }

  #begin(node: NodeId, fromStep: number): void {
    const [before] = this.#lives.get(node) ?? [];
    if (before) before.untilStep = fromStep;
    else if (this.#lives.size >= mostNodes) this.#lives.clear();
    const life: Life = { fromStep, untilStep: Number.POSITIVE_INFINITY, hosts: new Map() };
    this.#lives.set(node, before ? [life, before] : [life]);
  }
}

/** False only where the row has an address, and that is of none of these hosts. */
export function isAtOneOf(hosts: ReadonlySet<string>, peer: string | undefined): boolean {
  return peer === undefined || !isAddress(peer) || hosts.has(hostOf(peer));
}

/** Of an address with its port. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}
