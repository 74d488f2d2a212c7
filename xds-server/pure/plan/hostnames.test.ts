import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isHostname, isWildcard } from '../spec/hostname.js';
import { serviceOf } from './hostnames.js';

const hostnames = new Map([
  ['*.orders.db.example.com', 'everybody'],
  ['checkout.orders.db.example.com', 'checkout'],
  ['*.eu.orders.db.example.com', 'europe'],
]);

const cases = [
  ['checkout.orders.db.example.com', 'checkout', 'an exact name wins over a wildcard'],
  ['CheckOut.Orders.db.example.com.', 'checkout', 'whatever the case, with a dot at the end or without'],
  ['search.orders.db.example.com', 'everybody', 'one label in place of the wildcard'],
  ['eu.orders.db.example.com', 'everybody', 'also where a narrower wildcard begins behind it'],
  ['a.eu.orders.db.example.com', 'europe', 'the wildcard of its own parent'],
  ['a.b.orders.db.example.com', undefined, 'two labels are not within the wildcard'],
  ['orders.db.example.com', undefined, 'nor is none'],
  ['.orders.db.example.com', undefined, 'nor an empty one'],
  ['*.orders.db.example.com', undefined, 'the wildcard itself is no name'],
  ['*.eu.orders.db.example.com', undefined, 'nor is one within another'],
  ['a b.orders.db.example.com', undefined, 'nor what is no host name'],
  ['a\0.orders.db.example.com', undefined, 'nor what has a NUL in it'],
  [`${'a'.repeat(64)}.orders.db.example.com`, undefined, 'nor a label that is too long'],
  ['', undefined, 'nor nothing'],
] as const;

for (const [name, service, why] of cases)
  test(`${JSON.stringify(name)}: ${why}`, () => assert.equal(serviceOf(hostnames, name), service));

/** As RFC 9525 section 6.3 puts it, label by label, over all that there are. */
function slowly(all: ReadonlyMap<string, string>, sent: string): string | undefined {
  const name = (sent.endsWith('.') ? sent.slice(0, -1) : sent).toLowerCase();
  if (!isHostname(name)) return undefined;
  const labels = name.split('.');
  const matching = [...all].filter(([pattern]) => {
    const parts = pattern.split('.');
    return (
      parts.length === labels.length &&
      parts.every((part, i) => (part === '*' && i === 0) || part === labels[i])
    );
  });
  const stars = (pattern: string) => Number(pattern.startsWith('*'));
  matching.sort(([a], [b]) => stars(a) - stars(b));
  return matching[0]?.[1];
}

test('two look-ups find what a comparison with every hostname finds', () => {
  const label = fc.constantFrom('a', 'b', 'c');
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const wildcard = fc.array(label, { minLength: 2, maxLength: 3 }).map((labels) => `*.${labels.join('.')}`);
  const hostname = fc.oneof(name, wildcard);
  const odd = fc.constantFrom('*', '', 'A', 'a_', '1', '-', '\0');
  const asked = fc
    .array(fc.oneof({ weight: 6, arbitrary: label }, { weight: 1, arbitrary: odd }), { maxLength: 5 })
    .map((labels) => labels.join('.'));
  let found = 0;
  fc.assert(
    fc.property(fc.uniqueArray(hostname, { maxLength: 12 }), asked, (all, sent) => {
      const services = new Map(all.map((each) => [each, `service of ${each}`]));
      const expected = slowly(services, sent);
      if (expected !== undefined) found += 1;
      assert.equal(serviceOf(services, sent), expected);
    }),
    { numRuns: 5000 },
  );
  assert.ok(found > 200, `only ${found} names were anybody's`);
});

test('a hostname is either exact or a wildcard, and a wildcard has two labels behind it', () => {
  assert.ok(isWildcard('*.db.example.com') && !isHostname('*.db.example.com'));
  for (const text of ['*', '*.', '*.com', '**.example.com', 'a*.example.com', '*.*.example.com', '*.a..com'])
    assert.ok(!isWildcard(text) && !isHostname(text), text);
});
