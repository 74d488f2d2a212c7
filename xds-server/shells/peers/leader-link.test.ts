import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitUntil } from '../../../test/harness/wait-until.js';
import { LeaderLink } from './leader-link.js';

test('a leader that has given an address that is none is not reached, and whoever follows lives', async () => {
  const connections: number[] = [];
  const link = new LeaderLink({
    brain: 'b',
    leader: { term: 7, brain: 'a', address: '10.0.0.999:18000' },
    credentials: () => {
      connections.push(connections.length);
      return undefined;
    },
    now: () => performance.now(),
    opened: () => [][Symbol.iterator](),
    closed: () => assert.fail('it was never open'),
    ordered: () => undefined,
  });
  assert.match(link.problem ?? '', /10\.0\.0\.999:18000: Invalid URL/);
  await waitUntil('another try', () => connections.length > 1);
  link.stop();
});
