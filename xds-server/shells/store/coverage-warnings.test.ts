import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Certificates } from '../../../test/harness/certificates.js';
import type { Spec } from '../../pure/spec/spec.js';
import { coverageWarnings } from './coverage-warnings.js';

test('a service without a certificate of its own is held against those of the listeners of its protocol', async () => {
  const authority = await Certificates.create();
  const [db, other] = await Promise.all([
    authority.server('*.db.example.com'),
    authority.server('other.example.com'),
  ]);
  const listener = (protocol: string, chain: string) => ({ protocol, tls: { certificate: { chain } } });
  const service = (database: string, hostname: string, chain?: string) => ({
    ...{ database, hostname },
    ...(chain !== undefined && { certificate: { chain } }),
  });
  // What else a spec has is of no concern here.
  const spec = {
    databases: { orders: { engine: 'postgres' }, reports: { engine: 'mariadb' } },
    listeners: {
      pg: listener('postgres', 'db'),
      odd: listener('postgres', 'other'),
      mysql: listener('mysql', 'other'),
    },
    services: {
      checkout: service('orders', 'checkout.db.example.com'),
      brings: service('orders', 'a.db.example.com', 'db'),
      wrong: service('orders', 'b.db.example.com', 'other'),
      dashboard: service('reports', 'other.example.com'),
      absent: service('reports', 'other.example.com', 'not read'),
    },
  } as unknown as Spec;
  const files = new Map([
    ['db', readFileSync(db.chain)],
    ['other', readFileSync(other.chain)],
  ]);
  assert.deepEqual(
    coverageWarnings(spec, files).map(({ path, expected }) => `${path}: ${expected}`),
    [
      'services.checkout.hostname: a certificate for checkout.db.example.com at listener odd, or one of the service’s own',
      'services.wrong.certificate: a certificate for b.db.example.com',
    ],
  );
});
