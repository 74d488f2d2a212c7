import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Certificates } from '../../../test/harness/certificates.js';
import { waitUntil } from '../../../test/harness/wait-until.js';
import { ChannelFiles } from './channel-files.js';

test('a renewal that TLS does not take is reported, and what there was stays', async (t) => {
  const authority = await Certificates.create();
  const { chain, key } = await authority.server('brain.test');
  const paths = {
    certificate: path.join(authority.folder, 'now.pem'),
    key: path.join(authority.folder, 'now-key.pem'),
    clientCa: authority.ca,
  };
  copyFileSync(chain, paths.certificate);
  copyFileSync(key, paths.key);
  const told: string[] = [];
  const files = await ChannelFiles.open(paths, {
    onChange: () => void told.push('taken'),
    onProblems: ([problem]) => void told.push(problem!.found),
  });
  t.after(() => files.close());
  assert.deepEqual(told, ['taken']);

  const weak = ['-newkey', 'rsa:512', '-nodes', '-days', '2', '-subj', '/CN=weak'];
  execFileSync('openssl', ['req', '-x509', ...weak, '-keyout', paths.key, '-out', paths.certificate], {
    stdio: 'pipe',
  });
  await waitUntil('it is told', () => told.length > 1);
  assert.match(told[1]!, /key too small/);
  assert.equal(told.length, 2);
});
