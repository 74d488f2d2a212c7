import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { CertificateNames } from './certificate-names.js';

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-names-'));
after(() => rmSync(folder, { recursive: true }));

/** A certificate with these alternative names, as Envoy hands it over. */
function certificate(names: readonly string[], subject = '/CN=ann'): string {
  const [config, key, chain] = ['config', 'key', 'chain'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  const lines = names.map((name, at) => name.replace(':', `.${at} = `));
  const extension = names.length > 0 ? 'x509_extensions=v\n[v]\nsubjectAltName=@names\n[names]\n' : '';
  writeFileSync(config, `[req]\ndistinguished_name=dn\n${extension}${lines.join('\n')}\n[dn]\n`);
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-config', config, '-subj', subject, '-keyout', key, '-out', chain],
    ],
    { stdio: 'ignore' },
  );
  return encodeURIComponent(readFileSync(chain, 'utf8'));
}

const namesOf = (encoded: string) => new CertificateNames().of(encoded);

test('a certificate is known by all its URIs, or by its DNS names where it has none', () => {
  assert.deepEqual(namesOf(certificate(['DNS:a.shop', 'URI:spiffe://shop/a', 'URI:spiffe://shop/b'])), [
    'spiffe://shop/a',
    'spiffe://shop/b',
  ]);
  assert.deepEqual(namesOf(certificate(['DNS:a.shop', 'DNS:b.shop'])), ['a.shop', 'b.shop']);
});

test('a subject is no name, whatever it looks like', () => {
  assert.deepEqual(namesOf(certificate([], '/CN=spiffe:\\/\\/shop\\/a')), []);
});

test('a name that is made to look like several is none', () => {
  assert.deepEqual(namesOf(certificate(['DNS:x, URI:spiffe://shop/a, y'])), []);
});

test('what is no certificate has no names', () => {
  for (const text of ['', 'x', '%', encodeURIComponent('-----BEGIN CERTIFICATE-----\nAA==\n')])
    assert.deepEqual(namesOf(text), []);
});

test('a certificate whose names are malformed has none', () => {
  const pem = decodeURIComponent(certificate(['URI:spiffe://shop/a']));
  const der = Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64');
  // A URI longer than the list that it is in.
  der[der.indexOf('spiffe://shop/a') - 1]! += 5;
  const body = der.toString('base64').replace(/(.{64})/g, '$1\n');
  assert.deepEqual(
    namesOf(encodeURIComponent(`-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`)),
    [],
  );
});

test('a certificate is remembered among a bounded number of others', () => {
  const names = new CertificateNames();
  const one = certificate(['URI:spiffe://shop/a']);
  const first = names.of(one);
  assert.equal(names.of(one), first);
  for (let other = 0; other < 1_000; other++) names.of(`${other}`);
  assert.notEqual(names.of(one), first);
});

test('a certificate that is large is read anew each time, and takes nobody else’s place', () => {
  const names = new CertificateNames();
  const one = certificate(['URI:spiffe://shop/a']);
  const first = names.of(one);
  const large = certificate(Array.from({ length: 500 }, (_, at) => `URI:spiffe://shop/consumer-${at}`));
  assert.ok(large.length > 16_384, `${large.length}`);
  const read = names.of(large);
  assert.equal(read.length, 500);
  assert.notEqual(names.of(large), read);
  for (let other = 0; other < 1_000; other++) names.of(`${other}${' '.repeat(16_384)}`);
  assert.equal(names.of(one), first);
});
