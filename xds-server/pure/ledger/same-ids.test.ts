/** Servers of one target give the same ids, and each row has the slot that has the best claim: that is an order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { EndEvidence } from './events.js';

const hosts = [5, 6, 7];
const endpoints = hosts.map((n) => ({ host: `10.0.0.${n}`, port: 3306 }));
const connections = ['a', 'b', 'c', 'd'] as const;

/** Three replicas that count connections from 1 each, behind a link that translates addresses. */
class Fleet {
  readonly driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 10, endpoints } },
    services: { checkout: { maxConnections: 10 } },
  });

  #of(connection: string) {
    const n = connections.indexOf(connection as 'a');
    return { localAddress: `10.1.1.1:400${n}`, remoteAddress: `10.0.0.${hosts[n % 3]}:3306`, serverId: 11 };
  }

  open(connection: string): void {
    this.driven.nowMs += 10;
    this.driven.check(connection);
    this.report(connection);
  }

  report(connection: string): void {
    this.driven.nowMs += 10;
    this.driven.report(connection, this.#of(connection));
  }

  end(connection: string, evidence: EndEvidence = 'proxy-closed'): void {
    this.driven.nowMs += 10;
    this.driven.end(connection, evidence, this.#of(connection));
  }

  list(...ports: number[]): void {
    this.driven.observed(ports.map((port) => ({ serverId: 11, peer: `192.0.2.9:${port}` })));
  }
}

test('one has ended while its query goes on, one is open, one is over, all with one id: a list can be read', () => {
  const fleet = new Fleet();
  for (const connection of ['a', 'c', 'b']) fleet.open(connection);
  fleet.list(1, 2, 3);
  fleet.end('b');
  fleet.report('a');
  fleet.end('c');
  fleet.list(1, 3);
  assert.ok(fleet.driven.connections.includes('a') && fleet.driven.connections.includes('b'));
});

/** What happens, and the rows of the list behind it. */
const step = fc.record({
  kind: fc.constantFrom('open', 'report', 'end', 'close'),
  connection: fc.constantFrom(...connections),
  ports: fc.subarray([1, 2, 3], { minLength: 1 }),
});

test('whatever happens to connections with one id, each list can be read and the books are right', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 8, maxLength: 20 }), (steps) => {
      const fleet = new Fleet();
      for (const each of connections) fleet.open(each);
      for (const { kind, connection, ports } of steps) {
        if (kind === 'open') fleet.open(connection);
        else if (kind === 'report') fleet.report(connection);
        else fleet.end(connection, kind === 'end' ? 'proxy-closed' : 'server-closed');
        fleet.list(...ports);
      }
    }),
    { numRuns: 1_000 },
  );
});
