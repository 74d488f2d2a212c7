/** Where a server sees the nodes' own addresses these say whose a row cannot be, before anybody has said an id. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { EndEvidence, ObservedSession, UpstreamFacts } from './events.js';
import { confirmationMs } from './settings.js';

/** Of the plan. */
const remoteAddress = '10.0.0.5:5432';
const hosts = { n1: '10.1.1.1', n2: '10.1.1.2' } as const;
type Node = keyof typeof hosts;

const addressAt = (node: Node): string => `${hosts[node]}:4001`;
const rowAt = (node: Node): ObservedSession => ({ serverId: 71, peer: addressAt(node) });
const psql: ObservedSession = { serverId: 50, peer: '10.1.1.77:5000' };

interface Shown {
  readonly at?: string;
  readonly server?: string;
  /** As the server sees it. */
  readonly peer?: string;
  /** Too short for a second report. */
  readonly saysIdAtItsEnd?: boolean;
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

  report(connection: string, node: Node, upstream: UpstreamFacts): string[] {
    return this.driven.tell({ kind: 'report', connection, node, service: 'checkout', upstream });
  }

  end(connection: string, node: Node, upstream: UpstreamFacts, evidence: EndEvidence): void {
    this.driven.tell({ kind: 'end', connection, node, service: 'checkout', upstream, evidence });
  }

  cutOff(node: Node): void {
    this.driven.tell({ kind: 'cut-off', node });
  }

  pass(ms: number): void {
    this.driven.pass(ms);
  }

  /** @returns who holds slots when the database has shown these rows */
  list(...rows: ObservedSession[]): readonly string[] {
    this.driven.observed(rows);
    return this.driven.connections;
  }

  /** A session of the node whose id is known, as the server shows it. */
  show(
    node: Node,
    { at = hosts[node], server = remoteAddress, peer = at, saysIdAtItsEnd }: Shown = {},
  ): void {
    const connection = `shown-${++this.#shown}`;
    const serverId = 900 + this.#shown;
    const opened = { localAddress: `${at}:900`, remoteAddress: server };
    const upstream = { ...opened, serverId };
    this.check(connection, node);
    this.report(connection, node, saysIdAtItsEnd ? opened : upstream);
    this.list({ serverId, peer: `${peer}:900` });
    this.end(connection, node, upstream, 'server-closed');
  }

  /** A grant of n1 that nobody hears of, until its session would be in the list. */
  lose(): void {
    this.check('lost', 'n1');
    this.pass(confirmationMs(this.driven.settings) - 100);
  }

  /**
   * One of n2 has said his address, and not yet his id, when the database shows a row there.
   *
   * @param host whose host that is: n1's where they share it
   * @returns who holds slots then
   */
  listYoung(host: Node = 'n2'): readonly string[] {
    this.check('young', 'n2');
    this.report('young', 'n2', { localAddress: addressAt(host), remoteAddress });
    this.pass(this.driven.settings.marginMs);
    return this.list(rowAt(host));
  }

  /** A grant of the brain before this one is over, and only its address is known. */
  endEarlier(): void {
    const upstream = { localAddress: addressAt('n1'), remoteAddress };
    this.report('earlier', 'n1', upstream);
    this.end('earlier', 'n1', upstream, 'proxy-closed');
    this.pass(this.driven.settings.marginMs);
  }
}

test('a row at another host than its node’s is not that of a grant nobody has heard of', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.lose();
  assert.deepEqual(nodes.listYoung(), ['young']);
});

test('the end of a session that was too short for a second report tells where its node was seen', () => {
  const nodes = new Nodes();
  nodes.show('n1', { saysIdAtItsEnd: true });
  nodes.lose();
  assert.deepEqual(nodes.listYoung(), ['young']);
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
    assert.deepEqual(nodes.listYoung(), ['lost', 'young']);
  });

test('it may be, where the server has shown its node at another address since', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.show('n1', { peer: '192.0.2.1' });
  nodes.lose();
  assert.deepEqual(nodes.listYoung(), ['lost', 'young']);
});

test('it may be, where it was granted behind a cut: another machine may have its node’s name by then', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.cutOff('n1');
  nodes.lose();
  assert.deepEqual(nodes.listYoung(), ['lost', 'young']);
});

test('what is granted before a cut is at the hosts that its node had', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.lose();
  // Each of its connections to the brain breaks.
  nodes.cutOff('n1');
  nodes.cutOff('n1');
  assert.deepEqual(nodes.listYoung(), ['young']);
});

test('what is granted between two cuts may be of either machine, or of a third', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.cutOff('n1');
  nodes.lose();
  nodes.cutOff('n1');
  nodes.show('n1');
  assert.deepEqual(nodes.listYoung(), ['lost', 'young']);
});

test('two nodes at one host, a port used again: the row that a young one has by his address may be the lost one’s', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.lose();
  assert.deepEqual(nodes.listYoung('n1'), ['lost', 'young']);
});

test('a session at a server that no target has says nothing of where this one sees its node', () => {
  const nodes = new Nodes();
  nodes.lose();
  nodes.pass(200);
  const elsewhere = { localAddress: addressAt('n1'), remoteAddress: '10.0.0.9:5432', serverId: 71 };
  nodes.report('elsewhere', 'n1', elsewhere);
  assert.deepEqual([...nodes.list(rowAt('n1'))].sort(), ['elsewhere', 'lost']);
});

test('a late end of who is known by his address leaves the row to one that was lost at his port', () => {
  const nodes = new Nodes();
  const upstream = { localAddress: addressAt('n1'), remoteAddress };
  nodes.check('over', 'n1');
  nodes.report('over', 'n1', upstream);
  nodes.lose();
  nodes.pass(200);
  nodes.list(rowAt('n1'));
  nodes.end('over', 'n1', upstream, 'server-closed');
  assert.deepEqual(nodes.list(rowAt('n1')), ['lost']);
});

test('who says his id while his row may be another’s has the database asked at once', () => {
  const nodes = new Nodes();
  nodes.lose();
  assert.deepEqual(nodes.listYoung(), ['lost', 'young']);
  nodes.pass(nodes.driven.settings.reportIntervalMs);
  const said = { localAddress: addressAt('n2'), remoteAddress, serverId: 71 };
  assert.deepEqual(nodes.report('young', 'n2', said), [`observe ${primary}`]);
  assert.deepEqual(nodes.list(rowAt('n2')), ['young']);
  assert.deepEqual(nodes.report('young', 'n2', said), []);
});

test('an earlier brain’s grant is free when no row has its address, whoever else is at the database', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.endEarlier();
  assert.deepEqual(nodes.list(psql), []);
});

test('it stays while one has', () => {
  const nodes = new Nodes();
  nodes.show('n1');
  nodes.endEarlier();
  assert.deepEqual(nodes.list(psql, rowAt('n1')), ['earlier']);
});

test('it stays where nobody knows whether the server shows nodes’ own addresses', () => {
  const nodes = new Nodes();
  nodes.endEarlier();
  assert.deepEqual(nodes.list(psql), ['earlier']);
});

for (const isSeen of [false, true])
  test(`a row at its address teaches a session no id while one of another node is not reported${isSeen ? ', but where that is elsewhere' : ''}`, () => {
    const nodes = new Nodes();
    const { driven } = nodes;
    const logins = { listsLogins: false };
    if (isSeen) nodes.show('n2');
    nodes.check('a', 'n1');
    nodes.report('a', 'n1', { localAddress: addressAt('n1'), remoteAddress });
    nodes.pass(1);
    nodes.check('b', 'n2');
    driven.observed([rowAt('n1')], logins);
    nodes.end('a', 'n1', { localAddress: addressAt('n1'), remoteAddress }, 'proxy-closed');
    driven.observed([], logins);
    assert.deepEqual(driven.connections, isSeen ? ['b'] : ['a', 'b']);
  });
