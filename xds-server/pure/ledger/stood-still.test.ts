/** What a node that has stood still says of a session, in the moment before it finds that it is over: whose is the row with its id? */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { NodeId, UpstreamFacts } from './events.js';
import { confirmationMs } from './settings.js';

const remoteAddress = '10.0.0.5:5432';
const ofOver = { localAddress: '10.1.1.1:4001', remoteAddress, serverId: 71 };
const ofAlive = { localAddress: '10.1.1.2:4001', remoteAddress, serverId: 71 };
/** Behind a link that translates addresses. */
const rowAt = (port: number) => ({ serverId: 71, peer: `192.0.2.9:${port}` });

class Nodes {
  /** People fit into the reserve, and would count nothing. */
  readonly driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 4, reserve: 3 } },
    services: { checkout: { maxConnections: 4 } },
  });

  check(connection: string, node: NodeId): void {
    this.driven.tell({ kind: 'check', connection, node, service: 'checkout', waitedMs: 0 });
  }

  report(connection: string, node: NodeId, upstream: UpstreamFacts): void {
    this.driven.tell({ kind: 'report', connection, node, service: 'checkout', upstream });
  }

  /** Open for all that its node says; its server has started anew since, and somebody else has its pid. */
  stale(how: 'login' | 'report'): void {
    if (how === 'login') this.driven.login('over', 71);
    else this.report('over', 'n1', ofOver);
    this.driven.observed([rowAt(30_777)]);
    this.driven.nowMs += 20;
    this.driven.end('over', 'server-closed', ofOver);
    this.driven.observed([rowAt(30_777)]);
  }

  get free(): number {
    return this.driven.target().free;
  }
}

for (const how of ['login', 'report'] as const) {
  test(`a ${how} of one that is over does not hide a lost one that has its pid`, () => {
    const nodes = new Nodes();
    const { driven } = nodes;
    nodes.check('over', 'n1');
    nodes.report('over', 'n1', { ...ofOver, serverId: undefined as never });
    driven.observed([rowAt(30_001)]);
    driven.pass(300);
    nodes.check('lost', 'n2');
    driven.pass(confirmationMs(driven.settings));
    driven.observed([rowAt(30_777)]);
    driven.pass(driven.settings.marginMs + 1);
    nodes.stale(how);
    assert.equal(nodes.free, 3);
    driven.observed([]);
    assert.equal(nodes.free, 4);
  });

  test(`a ${how} of one that is over does not hide one whose node is cut off and that has its pid`, () => {
    const nodes = new Nodes();
    const { driven } = nodes;
    nodes.check('over', 'n1');
    nodes.report('over', 'n1', { ...ofOver, serverId: undefined as never });
    driven.observed([rowAt(30_001)]);
    nodes.check('alive', 'n2');
    nodes.report('alive', 'n2', ofAlive);
    driven.observed([rowAt(30_777)]);
    driven.pass(1_000);
    nodes.report('alive', 'n2', ofAlive);
    driven.tell({ kind: 'cut-off', node: 'n2' });
    driven.observed([rowAt(30_777)]);
    driven.pass(driven.settings.marginMs + 1);
    driven.observed([rowAt(30_777)]);
    nodes.stale(how);
    assert.equal(nodes.free, 3);
    driven.observed([]);
    assert.equal(nodes.free, 4);
  });
}

test('nor does the first report of one that was cut off and closing itself: the next one says that it is open', () => {
  const nodes = new Nodes();
  const { driven } = nodes;
  nodes.check('over', 'n1');
  nodes.report('over', 'n1', { ...ofOver, serverId: undefined as never });
  nodes.check('lost', 'n2');
  driven.pass(confirmationMs(driven.settings));
  driven.tell({ kind: 'cut-off', node: 'n1' });
  driven.observed([rowAt(30_777)]);
  assert.equal(nodes.free, 3, 'either of them may be the session');
  driven.pass(driven.settings.marginMs + 1);
  nodes.report('over', 'n1', ofOver);
  driven.observed([rowAt(30_777)]);
  assert.equal(nodes.free, 2, 'it is said to be open, and the lost one may have its pid');
  driven.pass(driven.settings.marginMs + 1);
  nodes.report('over', 'n1', ofOver);
  driven.observed([rowAt(30_777)]);
  assert.equal(nodes.free, 3);
});
