import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brainIdentity } from './brain-identity.js';

for (const [names, brain] of [
  ['URI:spiffe://example.com/brain/one', 'one'],
  ['DNS:brain.example.com, URI:spiffe://example.com/eu/brain/one.b', 'one.b'],
  ['DNS:brain.example.com, IP Address:127.0.0.1', undefined],
  ['URI:spiffe://example.com/node/one', undefined],
  ['URI:spiffe://example.com/brain/one, URI:spiffe://example.com/brain/two', undefined],
  ['URI:spiffe://example.com/brain/one, URI:spiffe://example.com/node/one', undefined],
  ['URI:spiffe://example.com/brain/', undefined],
  ['URI:spiffe://example.com/brain/one/more', undefined],
  ['URI:"spiffe://a/x, URI:spiffe://a/brain/one"', undefined],
  [undefined, undefined],
] as const)
  test(`a certificate for ${names} is ${brain === undefined ? 'no brain’s' : `that of brain ${brain}`}`, () => {
    assert.equal(brainIdentity(names), brain);
  });
