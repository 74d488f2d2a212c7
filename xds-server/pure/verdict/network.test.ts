import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isWithin, sourceOf, sourceText } from './network.js';

test('an address is within a network when the bits of the prefix agree', () => {
  assert.ok(isWithin('10.1.2.3', '10.1.0.0/16'));
  assert.ok(!isWithin('10.2.2.3', '10.1.0.0/16'));
  assert.ok(isWithin('10.1.2.3', '10.1.2.3/32'));
  assert.ok(!isWithin('10.1.2.2', '10.1.2.3/32'));
  assert.ok(isWithin('203.0.113.9', '0.0.0.0/0'));
  assert.ok(isWithin('10.1.127.255', '10.1.0.0/17'));
  assert.ok(!isWithin('10.1.128.0', '10.1.0.0/17'));
  assert.ok(isWithin('2001:db8:7::1', '2001:db8::/32'));
  assert.ok(!isWithin('2001:db9::1', '2001:db8::/32'));
});

test('IPv4 and IPv6 are different networks, but an IPv4 address mapped into IPv6 is an IPv4 address', () => {
  assert.ok(!isWithin('10.1.2.3', '::/0'));
  assert.ok(!isWithin('2001:db8::1', '0.0.0.0/0'));
  assert.ok(isWithin('::ffff:10.1.2.3', '10.1.0.0/16'));
  assert.ok(isWithin('::ffff:a01:203', '10.1.0.0/16'));
  assert.ok(isWithin('10.1.2.3', '::ffff:10.1.0.0/112'));
  assert.ok(!isWithin('10.2.2.3', '::ffff:10.1.0.0/112'));
});

test('a zone does not matter', () => {
  assert.ok(isWithin('fe80::1%eth0', 'fe80::/10'));
});

test('what is no address or no network contains nothing', () => {
  for (const address of ['', 'localhost', '10.1.2', '10.1.2.3:5432', '010.1.2.3', '@'])
    assert.ok(!isWithin(address, '0.0.0.0/0'), address);
  for (const cidr of ['', '10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '::/129', '10.0.0.0/8/8'])
    assert.ok(!isWithin('10.1.2.3', cidr), cidr);
});

test('IPv4 prefixes agree with arithmetic on 32 bits', () => {
  const bits = fc.integer({ min: 0, max: 0xffffffff });
  const text = (address: number): string =>
    [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
  fc.assert(
    fc.property(
      bits,
      bits,
      fc.integer({ min: 0, max: 32 }),
      fc.boolean(),
      (address, other, prefix, isNear) => {
        const mask = prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> 0;
        const network = isNear ? ((address & mask) | (other & ~mask)) >>> 0 : other;
        const expected = (address & mask) >>> 0 === (network & mask) >>> 0;
        assert.equal(isWithin(text(address), `${text(network)}/${prefix}`), expected);
      },
    ),
  );
});

test('where a client comes from is shown as its address, and of IPv6 as the network that it has to itself', () => {
  const shown = ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8:0:1::7'].map((address) =>
    sourceText(sourceOf(address)),
  );
  assert.deepEqual(shown, ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8:0:1::/64']);
});

test('an IPv6 client that takes another address of its network is the same one to limits', () => {
  assert.equal(sourceOf('2001:db8:0:1::7'), sourceOf('2001:db8:0:1:ffff::1'));
  assert.notEqual(sourceOf('2001:db8:0:1::7'), sourceOf('2001:db8:0:2::7'));
  assert.notEqual(sourceOf('10.1.2.3'), sourceOf('10.1.2.4'));
  assert.notEqual(sourceOf('::ffff:10.1.2.3'), sourceOf('::ffff:10.1.2.4'));
});
