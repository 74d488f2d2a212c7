import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '../../pure/plan/address.js';
import { parseAddress, parseNamedAddress } from './address.js';

test('an address is read as it is written', () => {
  assert.deepEqual(parseAddress('127.0.0.1:18000'), { host: '127.0.0.1', port: 18000 });
  assert.deepEqual(parseAddress('[::1]:0'), { host: '::1', port: 0 });
  const address = fc.record(
    { host: fc.oneof(fc.ipV4(), fc.ipV6()), port: fc.integer({ min: 0, max: 65_535 }) },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(address, (one) => assert.deepEqual(parseAddress(formatAddress(one)), one)));
});

test('what is no address and port is refused', () => {
  for (const text of [
    '',
    ':1',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0.1:1e3',
    '127.0.0.1: 1',
    ' 127.0.0.1:1',
    '127.0.0.1:1\n',
    '127.0.0.01:1',
    '127.1:1',
    '::1:1',
    '[::1]',
    '[127.0.0.1]:1',
    '[fe80::1%eth0]:1',
    'localhost:1',
    'brain.example.com:18000',
    'http://127.0.0.1:1',
  ])
    assert.throws(() => parseAddress(text), /Expected an IP address and a port/, JSON.stringify(text));
});

test('a name may stand for the address of somebody else; what is nearly an address is no name', () => {
  assert.deepEqual(parseNamedAddress('brain-1.example.com:18000'), {
    host: 'brain-1.example.com',
    port: 18000,
  });
  assert.deepEqual(parseNamedAddress('10.0.0.5:18000'), { host: '10.0.0.5', port: 18000 });
  for (const text of ['10.0.0.256:18000', '10.0.0.5.6:18000', '10.0.5:18000', '4711:18000', 'brain.5:18000'])
    assert.throws(() => parseNamedAddress(text), /Expected an IP address and a port/, text);
});
