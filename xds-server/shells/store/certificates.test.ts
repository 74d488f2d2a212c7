import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { type Certificate, Certificates } from '../../../test/harness/certificates.js';
import { checkCa, checkPair, coverage } from './certificates.js';

const now = new Date();
const dayMs = 24 * 60 * 60 * 1000;
const after = (date: string, days: number): Date => new Date(Date.parse(date) + days * dayMs);
const bytes = (path: string): Uint8Array => readFileSync(path);

describe('a certificate and its key', () => {
  let authority: Certificates;
  let one: Certificate;
  let other: Certificate;
  before(async () => {
    authority = await Certificates.create();
    [one, other] = await Promise.all([
      authority.server('a.example.com'),
      authority.server('*.db.example.com'),
    ]);
  });

  test('that belong together have no problem', () => {
    assert.deepEqual(checkPair(bytes(one.chain), bytes(one.key), now).problems, []);
  });

  test('that do not belong together are a problem', () => {
    const { problems } = checkPair(bytes(one.chain), bytes(other.key), now);
    assert.deepEqual(problems, [
      { expected: 'the key that belongs to the certificate', found: 'the key of another one' },
    ]);
  });

  test('are a problem when either is not what it should be, and its content is not shown', () => {
    const rubbish = Buffer.from('-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n');
    for (const [chain, key] of [
      [rubbish, bytes(one.key)],
      [Buffer.from(''), bytes(one.key)],
      [bytes(one.key), bytes(one.key)],
      [bytes(one.chain), rubbish],
      [bytes(one.chain), bytes(one.chain)],
      [bytes(one.chain), Buffer.from('')],
    ] as const) {
      const { problems } = checkPair(chain, key, now);
      assert.equal(problems.length, 1);
      assert.doesNotMatch(JSON.stringify(problems), /hunter2|PRIVATE/);
    }
  });

  test('an encrypted key is a problem that says so', () => {
    const encrypted = execFileSync('openssl', ['pkey', '-in', one.key, '-aes256', '-passout', 'pass:x']);
    assert.deepEqual(checkPair(bytes(one.chain), encrypted, now).problems, [
      { expected: 'a private key in PEM, not encrypted', found: 'an encrypted one' },
    ]);
  });

  test('out of date, or nearly, is a warning and no problem', () => {
    const { validFrom, validTo } = new X509Certificate(bytes(one.chain));
    for (const [when, words] of [
      [after(validFrom, -1), /valid from/],
      [after(validTo, 1), /expired at/],
      [after(validTo, -1), /expires at/],
    ] as const) {
      const { problems, warnings } = checkPair(bytes(one.chain), bytes(one.key), when);
      assert.deepEqual(problems, []);
      assert.match(warnings[0]!.found, words);
    }
  });

  test('a chain in the wrong order is a warning', () => {
    const chain = (...files: string[]) => Buffer.concat(files.map((file) => readFileSync(file)));
    const order = (pem: Uint8Array, key: string) =>
      checkPair(pem, bytes(key), now).warnings.filter(({ found }) => found === 'a chain in another order')
        .length;
    assert.equal(order(chain(one.chain, authority.ca), one.key), 0);
    assert.equal(order(chain(one.chain, other.chain), one.key), 1);
  });

  test('covers the names that it was made for', () => {
    assert.ok(coverage(bytes(one.chain))('a.example.com'));
    assert.ok(coverage(bytes(other.chain))('checkout.db.example.com'));
    assert.ok(!coverage(bytes(other.chain))('a.example.com'));
    assert.ok(coverage(bytes(other.chain))('*.db.example.com'));
    assert.ok(!coverage(bytes(one.chain))('*.example.com'));
  });

  test('a CA file holds CA certificates, or it is told', () => {
    assert.deepEqual(checkCa(bytes(authority.ca), now).problems, []);
    assert.match(
      checkCa(bytes(one.chain), now)
        .warnings.map(({ expected }) => expected)
        .join(),
      /a CA certificate/,
    );
    assert.equal(checkCa(Buffer.from('nothing'), now).problems.length, 1);
  });
});
