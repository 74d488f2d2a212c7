/** Where the server sees the nodes' own addresses they tell sessions apart before anybody has said an id. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { LedgerEvent, UpstreamFacts } from './events.js';
import { confirmationMs } from './settings.js';

const remoteAddress = '10.0.0.1:5432';
const addressOf = (node: string, port: number): string => `10.1.1.${node.slice(1)}:${port}`;

class Nodes {
  readonly driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 4 } },
    services: { checkout: { maxConnections: 4 } },
  });

  check(connection: string, node: string): string[] {
    return this.driven.tell({ kind: 'check', connection, node, service: 'checkout', waitedMs: 0 });
  }

  report(connection: string, node: string, upstream: UpstreamFacts): void {
    this.driven.tell({ kind: 'report', connection, node, service: 'checkout', upstream });
  }

  end(connection: string, node: string, given: Pick<LedgerEvent & { kind: 'end' }, 'upstream' | 'evidence'>) {
    return this.driven.tell({ kind: 'end', connection, node, service: 'checkout', ...given });
  }

  /** The server shows the node's address for a session whose id is known. */
  showAddressOf(node: string, server = remoteAddress): void {
    const upstream = { serverId: 900, localAddress: addressOf(node, 900), remoteAddress: server };
    this.check(`shown-${node}`, node);
    this.report(`shown-${node}`, node, upstream);
    this.driven.observed([{ serverId: 900, peer: upstream.localAddress }]);
    this.end(`shown-${node}`, node, { upstream, evidence: 'server-closed' });
  }

  /** One of n1 that nobody hears of, and one of n2 who has said his address and not yet his id. */
  lostBesideYoung(): void {
    this.check('lost', 'n1');
    this.driven.pass(confirmationMs(this.driven.settings) - 100);
    this.check('young', 'n2');
    this.report('young', 'n2', { localAddress: addressOf('n2', 4001), remoteAddress });
    this.driven.pass(this.driven.settings.marginMs);
  }
}

test('a row that another node’s session has by its own address is not that of a grant nobody has heard of', () => {
  const nodes = new Nodes();
  nodes.showAddressOf('n2');
  nodes.lostBesideYoung();
  nodes.driven.observed([{ serverId: 71, peer: addressOf('n2', 4001) }]);
  assert.deepEqual(nodes.driven.connections, ['young']);
});

test('it may be, where the server has not been seen to show that node’s own addresses', () => {
  const nodes = new Nodes();
  nodes.lostBesideYoung();
  nodes.driven.observed([{ serverId: 71, peer: addressOf('n2', 4001) }]);
  assert.deepEqual(nodes.driven.connections, ['lost', 'young']);
});

test('it may be, where only another server has shown them', () => {
  const nodes = new Nodes();
  nodes.showAddressOf('n2', '10.0.0.2:5432');
  nodes.lostBesideYoung();
  nodes.driven.observed([{ serverId: 71, peer: addressOf('n2', 4001) }]);
  assert.deepEqual(nodes.driven.connections, ['lost', 'young']);
});

test('it may be, where another session of the node may have the address by now', () => {
  const nodes = new Nodes();
  nodes.showAddressOf('n2');
  nodes.check('rival', 'n2');
  nodes.lostBesideYoung();
  nodes.check('rival', 'n2');
  nodes.driven.observed([{ serverId: 71, peer: addressOf('n2', 4001) }]);
  assert.deepEqual(nodes.driven.connections, ['rival', 'lost', 'young']);
});

/** A grant of the brain before this one that is over, and of which only the address is known. */
function endedElsewhere(nodes: Nodes): void {
  const upstream = { localAddress: addressOf('n1', 4001), remoteAddress };
  nodes.report('earlier', 'n1', upstream);
  nodes.end('earlier', 'n1', { upstream, evidence: 'proxy-closed' });
  nodes.driven.pass(nodes.driven.settings.marginMs);
}

const psql = { serverId: 50, peer: '10.1.1.77:5000' };

test('an earlier brain’s grant is free when no row has its address, whoever else is at the database', () => {
  const nodes = new Nodes();
  nodes.showAddressOf('n1');
  endedElsewhere(nodes);
  nodes.driven.observed([psql]);
  assert.deepEqual(nodes.driven.connections, []);
});

test('it stays while one has, or where the server shows other addresses', () => {
  const nodes = new Nodes();
  endedElsewhere(nodes);
  nodes.driven.observed([psql]);
  assert.deepEqual(nodes.driven.connections, ['earlier']);
  const shown = new Nodes();
  shown.showAddressOf('n1');
  endedElsewhere(shown);
  shown.driven.observed([psql, { serverId: 51, peer: addressOf('n1', 4001) }]);
  assert.deepEqual(shown.driven.connections, ['earlier']);
});
