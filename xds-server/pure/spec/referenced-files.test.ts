import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpec } from './parse-spec.js';
import { referencedFiles } from './referenced-files.js';
import { yaml } from './sound-spec.js';

test('every file that a spec names is listed with its field, as often as it is named', () => {
  const parsed = parseSpec(yaml());
  assert.ok(parsed.ok);
  assert.deepEqual(
    referencedFiles(parsed.spec).map(({ path, why }) => `${why} ${path}`),
    [
      'listeners.pg.tls.certificate.chain front.pem',
      'listeners.pg.tls.certificate.key front.key',
      'listeners.pg.tls.client_ca clients.pem',
      'listeners.mysql.tls.certificate.chain front.pem',
      'listeners.mysql.tls.certificate.key front.key',
      'databases.orders.observer.password.file orders.password',
      'services.search.certificate.chain search.pem',
      'services.search.certificate.key search.key',
    ],
  );
});
