import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIp, isIpAddress, maskOf, parseAddress, parseCidr, parseIp } from './ip.js';

/** Real addresses, and texts that are nearly some. */
const texts = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc
    .tuple(fc.ipV6(), fc.nat(40), fc.constantFrom('', ':', '::', '.', '0', 'g', '%1'))
    .map(([ip, at, slip]) => ip.slice(0, at) + slip + ip.slice(at)),
  fc
    .tuple(fc.ipV4(), fc.nat(16), fc.constantFrom('', '.', '0', '256', ' '))
    .map(([ip, at, slip]) => ip.slice(0, at) + slip + ip.slice(at + 1)),
);

test('what is an address is what Node takes for one, but for zones', () => {
  fc.assert(
    fc.property(texts, (text) => {
      assert.equal(isIpAddress(text), isIP(text) !== 0 && !text.includes('%'), text);
    }),
    { numRuns: 5000 },
  );
});

test('an address that is read and written is the same address', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const bytes = parseIp(text)!;
      assert.deepEqual(parseIp(formatIp(bytes)), bytes);
    }),
  );
});

test('a masked network holds the address that it was made from', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (text, length) => {
      const family = text.includes(':') ? 'ipv6' : 'ipv4';
      const prefix = family === 'ipv4' ? length % 33 : length;
      const network = formatIp(maskOf(parseCidr(`${text}/${prefix}`)!));
      const list = new BlockList();
      list.addSubnet(network, prefix, family);
      assert.ok(list.check(text, family), `${text} in ${network}/${prefix}`);
    }),
  );
});

test('prefixes that the family does not have are no networks', () => {
  for (const text of [
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '/8',
    '10.0.0.0/-1',
    '10.0.0.0',
  ])
    assert.equal(parseCidr(text), undefined, text);
});

test('an address to listen on has a port, and brackets where it has colons', () => {
  assert.deepEqual(parseAddress('0.0.0.0:5432'), { host: '0.0.0.0', port: 5432 });
  assert.deepEqual(parseAddress('[::1]:5432'), { host: '::1', port: 5432 });
  for (const text of [
    '0.0.0.0',
    '::1:5432',
    '[0.0.0.0]:5432',
    '[::1]',
    '0.0.0.0:0',
    '0.0.0.0:65536',
    '0.0.0.0:05432',
  ])
    assert.equal(parseAddress(text), undefined, text);
});
