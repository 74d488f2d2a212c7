import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIdentity } from './node-identity.js';

for (const [names, node] of [
  ['URI:spiffe://example.com/node/edge-1', 'edge-1'],
  ['URI:spiffe://example.com/eu/node/edge_1.a', 'edge_1.a'],
  ['DNS:edge-1.example.com, URI:spiffe://example.com/node/edge-1', 'edge-1'],
  ['URI:spiffe://example.com/service/x, URI:https://example.com/node/edge-1', 'edge-1'],
] as const)
  test(`a certificate for ${names} is that of node ${node}`, () => {
    assert.deepEqual(nodeIdentity(names), { kind: 'node', node });
  });

for (const [names, found] of [
  [undefined, /no URI/],
  ['', /no URI/],
  ['DNS:edge-1', /no URI/],
  ['DNS:spiffe://example.com/node/edge-1', /no URI/],
  ['URI:spiffe://shop/checkout', /no URI/],
  ['URI:spiffe://example.com/node/edge-1/more', /no URI/],
  ['URI:spiffe://example.com/other?x=/node/edge-1', /no URI/],
  ['URI:spiffe://example.com/other#/node/edge-1', /no URI/],
  ['URI:spiffe:///node', /no URI/],
  ['URI:spiffe://a/node/edge-1, URI:spiffe://a/node/edge-2', /2 URIs/],
  ['URI:spiffe://a/node/', /a node id that is not/],
  ['URI:spiffe://a/node/edge%201', /a node id that is not/],
  [`URI:spiffe://a/node/${'x'.repeat(129)}`, /a node id that is not/],
  // As Node writes a value that pretends to be two.
  ['URI:"spiffe://a/x, URI:spiffe://a/node/edge-1"', /no URI/],
] as const)
  test(`a certificate for ${JSON.stringify(names)?.slice(0, 80)} is nobody’s`, () => {
    const identity = nodeIdentity(names);
    assert.ok(identity.kind === 'nobody');
    assert.match(identity.found, found);
  });
