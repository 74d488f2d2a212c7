/** Where a server sees the nodes' own addresses these say whose a row cannot be, before anybody has said an id. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { EndEvidence, UpstreamFacts } from './events.js';
import { confirmationMs } from './settings.js';

/** Of the plan. */
const remoteAddress = '10.0.0.5:5432';
const hosts = { n1: '10.1.1.1', n2: '10.1.1.2' } as const;
type Node = keyof typeof hosts;

interface Shown {
  readonly at?: string;
  readonly server?: string;
  /** As the server sees it. */
  readonly peer?: string;
}

class Nodes {
  readonly driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 4 } },
    services: { checkout: { maxConnections: 4 } },
  });

  #shown = 0;

  check(connection: string, node: Node): string[] {
    return this.driven.tell({ kind: 'check', connection, node, service: 'checkout', waitedMs: 0 });
  }

  report(connection: string, node: Node, upstream: UpstreamFacts): void {
    this.driven.tell({ kind: 'report', connection, node, service: 'checkout', upstream });
  }

  end(connection: string, node: Node, upstream: UpstreamFacts, evidence: EndEvidence): void {
    this.driven.tell({ kind: 'end', connection, node, service: 'checkout', upstream, evidence });
  }

  cutOff(node: Node): void {
    this.driven.tell({ kind: 'cut-off', node });
  }

  /** A session of the node whose id is known, as the server shows it. */
  show(node: Node, { at = hosts[node], server = remoteAddress, peer = at }: Shown = {}): void {
    const connection = `shown-${++this.#shown}`;
    const serverId = 900 + this.#shown;
    const upstream = { serverId, localAddress: `${at}:900`, remoteAddress: server };
    this.check(connection, node);
    this.report(connection, node, upstream);
    this.driven.observed([{ serverId, peer: `${peer}:900` }]);
    this.end(connection, node, upstream, 'server-closed');
  }

  /** A grant of n1 that nobody hears of, until its session would be in the list. */
  lose(): void {
    this.check('lost', 'n1');
    this.driven.pass(confirmationMs(this.driven.settings) - 100);
  }

  /** One of n2 who has said his address and not yet his id. */
  open(localAddress = `${hosts.n2}:4001`): void {
    this.check('young', 'n2');
    this.report('young', 'n2', { localAddress, remoteAddress });
    this.driven.pass(this.driven.settings.marginMs);
  }
}

const young = { serverId: 71, peer: `${hosts.n2}:4001` };

test('a row at another host than its node’s is not that of a grant nobody has heard of', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.lose();
  nodes.open();
  nodes.driven.observed([young]);
  assert.deepEqual(nodes.driven.connections, ['young']);
});

test('the end of a session that was too short for a second report tells where its node was seen', () => {
  const nodes = new Nodes();
  const upstream = { localAddress: `${hosts.n1}:900`, remoteAddress };
  nodes.check('short', 'n1');
  nodes.report('short', 'n1', upstream);
  nodes.driven.observed([{ serverId: 70, peer: upstream.localAddress }]);
  nodes.end('short', 'n1', { ...upstream, serverId: 70 }, 'server-closed');
  nodes.lose();
  nodes.open();
  nodes.driven.observed([young]);
  assert.deepEqual(nodes.driven.connections, ['young']);
});

const undecided: readonly [where: string, shown: Shown][] = [
  ['only another server has shown its node', { server: '10.0.0.6:5432' }],
  ['its node has been seen at that host too', { at: hosts.n2 }],
  ['the server sees others’ addresses for it', { peer: '192.0.2.1' }],
];

for (const [where, shown] of undecided)
  test(`it may be, where ${where}`, () => {
    const nodes = new Nodes();
    nodes.show('n1', shown);
    nodes.lose();
    nodes.open();
    nodes.driven.observed([young]);
    assert.deepEqual(nodes.driven.connections, ['lost', 'young']);
  });

test('it may be, where the server has shown its node at another address since', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.show('n1', { peer: '192.0.2.1' });
  nodes.lose();
  nodes.open();
  nodes.driven.observed([young]);
  assert.deepEqual(nodes.driven.connections, ['lost', 'young']);
});

test('it may be, where it was granted behind a cut: another machine may have its node’s name by then', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.cutOff('n1');
  nodes.lose();
  nodes.open();
  nodes.driven.observed([young]);
  assert.deepEqual(nodes.driven.connections, ['lost', 'young']);
});

test('what is granted before a cut is at the hosts that its node had', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.lose();
  // Each of its connections to the brain breaks.
  nodes.cutOff('n1');
  nodes.cutOff('n1');
  nodes.open();
  nodes.driven.observed([young]);
  assert.deepEqual(nodes.driven.connections, ['young']);
});

test('what is granted between two cuts may be of either machine, or of a third', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.cutOff('n1');
  nodes.lose();
  nodes.cutOff('n1');
  nodes.show('n1');
  nodes.open();
  nodes.driven.observed([young]);
  assert.deepEqual(nodes.driven.connections, ['lost', 'young']);
});

test('two nodes at one host, a port used again: the row that a young one has by his address may be the lost one’s', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.lose();
  nodes.open(`${hosts.n1}:4001`);
  nodes.driven.observed([{ serverId: 71, peer: `${hosts.n1}:4001` }]);
  assert.deepEqual(nodes.driven.connections, ['lost', 'young']);
});

test('a session at a server that no target has says nothing of where this one sees its node', () => {
  const nodes = new Nodes();
  nodes.lose();
  nodes.driven.pass(200);
  nodes.report('elsewhere', 'n1', {
    ...{ localAddress: `${hosts.n1}:4001`, remoteAddress: '10.0.0.9:5432', serverId: 71 },
  });
  nodes.driven.observed([{ serverId: 71, peer: `${hosts.n1}:4001` }]);
  assert.deepEqual([...nodes.driven.connections].sort(), ['elsewhere', 'lost']);
});

test('a late end of who is known by his address leaves the row to one that was lost at his port', () => {
  const nodes = new Nodes();
  const upstream = { localAddress: `${hosts.n1}:4001`, remoteAddress };
  nodes.check('over', 'n1');
  nodes.report('over', 'n1', upstream);
  nodes.lose();
  nodes.driven.pass(200);
  const row = { serverId: 71, peer: upstream.localAddress };
  nodes.driven.observed([row]);
  nodes.end('over', 'n1', upstream, 'server-closed');
  nodes.driven.observed([row]);
  assert.deepEqual(nodes.driven.connections, ['lost']);
});

test('who says his id while his row may be another’s has the database asked at once', () => {
  const nodes = new Nodes();
  nodes.lose();
  nodes.open();
  nodes.driven.observed([young]);
  assert.deepEqual(nodes.driven.connections, ['lost', 'young']);
  nodes.driven.pass(nodes.driven.settings.reportIntervalMs);
  const said = { localAddress: young.peer, remoteAddress, serverId: young.serverId };
  const report = { kind: 'report', connection: 'young', node: 'n2', service: 'checkout' } as const;
  assert.deepEqual(nodes.driven.tell({ ...report, upstream: said }), [`observe ${primary}`]);
  nodes.driven.observed([young]);
  assert.deepEqual(nodes.driven.connections, ['young']);
  assert.deepEqual(nodes.driven.tell({ ...report, upstream: said }), []);
});

/** A grant of the brain before this one that is over, and of which only the address is known. */
function endedElsewhere(nodes: Nodes): void {
  const upstream = { localAddress: `${hosts.n1}:4001`, remoteAddress };
  nodes.report('earlier', 'n1', upstream);
  nodes.end('earlier', 'n1', upstream, 'proxy-closed');
  nodes.driven.pass(nodes.driven.settings.marginMs);
}

const psql = { serverId: 50, peer: '10.1.1.77:5000' };

test('an earlier brain’s grant is free when no row has its address, whoever else is at the database', () => {
  const nodes = new Nodes();
  nodes.show('n1');
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
  shown.show('n1');
  endedElsewhere(shown);
  shown.driven.observed([psql, { serverId: 51, peer: `${hosts.n1}:4001` }]);
  assert.deepEqual(shown.driven.connections, ['earlier']);
});
