/** Behind a proxy the server shows addresses that are nobody's own, and a FIN is the proxy's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger } from '../../../test/simulation/driven-ledger.js';

const services = { checkout: { maxConnections: 10 } };
const direct = { services };
const proxied = { services, targets: { 'orders/primary': { proxyProtocol: 'v2' as const } } };

test('a row that has the address of a node’s connection proves nothing of that connection', () => {
  for (const [plan, used] of [
    [direct, 1],
    [proxied, 2],
  ] as const) {
    const driven = DrivenLedger.recovered(plan);
    for (const [connection, localAddress] of [
      ['a', '10.1.1.1:4001'],
      ['b', '10.1.1.1:4002'],
    ] as const) {
      driven.check(connection);
      driven.report(connection, { localAddress });
    }
    // b's, whose client has by chance the address that a has towards its proxy; a is still logging in.
    driven.observed([{ serverId: 12, peer: '10.1.1.1:4001' }]);
    driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
    driven.observed([]);
    assert.equal(driven.target().used, used);
  }
});

test('a FIN frees a slot only where it is the server’s own', () => {
  for (const [plan, used] of [
    [direct, 0],
    [proxied, 1],
  ] as const) {
    const driven = DrivenLedger.recovered(plan);
    driven.open('a', 11);
    driven.observed([{ serverId: 11, peer: '192.0.2.7:5555' }]);
    driven.end('a', 'server-closed', { serverId: 11 });
    assert.equal(driven.target().used, used);
    driven.observed([]);
    assert.equal(driven.target().used, 0);
  }
});
