import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EtcdClient } from '../etcd/etcd-client.js';
import { EtcdError } from '../etcd/etcd-error.js';
import { LeaderKey } from './leader-key.js';

test('a watch that cannot be begun has ended: the election tries again', async () => {
  // As where the client's certificate is being replaced, and the next member needs a new connection.
  const etcd = {
    read: async () => ({ revision: 7, entry: undefined }),
    watch: () => {
      throw new EtcdError('unavailable', 'etcd-2:2379: ENOENT: no such file or directory');
    },
  } as unknown as EtcdClient;
  const key = new LeaderKey(etcd, '/sluice', { brain: 'a', address: 'a.test:18000' });
  const problem = await new Promise<string>((resolve) => {
    key.watch(500, { seen: () => assert.fail('nothing is watched'), ended: resolve });
  });
  assert.match(problem, /etcd-2:2379: ENOENT/);
});
