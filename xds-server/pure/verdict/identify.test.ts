import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sketch } from '../../../test/simulation/sketch.js';
import type { AllowRule, ListenerPlan, Plan } from '../plan/plan.js';
import { type ClientFacts, identify } from './identify.js';

function listener(given: Partial<ListenerPlan> & Pick<ListenerPlan, 'name'>): ListenerPlan {
  return {
    protocol: 'postgres',
    address: { host: '0.0.0.0', port: 5432 },
    certificate: { chain: 'chain.pem', key: 'key.pem' },
    allowPlaintext: false,
    ...given,
  };
}

function planOf(allow: readonly AllowRule[] = [{ user: 'checkout' }]): Plan {
  const listeners = [
    listener({ name: 'pg' }),
    listener({ name: 'open', allowPlaintext: true, defaultService: 'checkout' }),
    listener({ name: 'mysql', protocol: 'mysql', defaultService: 'reports' }),
  ];
  return {
    ...sketch({
      services: {
        checkout: { allow },
        reports: { protocol: 'mysql', allow: [{ user: 'reports' }] },
      },
    }),
    listeners: new Map(listeners.map((each) => [each.name, each])),
  };
}

const client: ClientFacts = {
  listener: 'pg',
  tls: true,
  serverName: 'checkout.db.example.com',
  principals: [],
  address: '10.1.2.3',
  user: 'checkout',
  database: 'orders',
};

/** The service's name, or the reason of the refusal. */
function outcome(given: Partial<ClientFacts>, plan = planOf()): string {
  const identified = identify({ ...client, ...given }, plan);
  return 'service' in identified ? identified.service.name : identified.refusal.reason;
}

test('a client is taken to the service whose hostname it names', () => {
  assert.equal(outcome({}), 'checkout');
});

test('names are compared without regard to case, and a dot at their end does not matter', () => {
  assert.equal(outcome({ serverName: 'CheckOut.DB.example.com.' }), 'checkout');
  assert.equal(outcome({ serverName: 'checkout.db.example.com..' }), 'unknown_hostname');
});

test('a wildcard takes every name within it that no service has for itself', () => {
  const plan = planOf();
  const wide = { ...plan, hostnames: new Map([...plan.hostnames, ['*.db.example.com', 'reports']]) };
  assert.equal(outcome({}, wide), 'checkout');
  assert.equal(
    outcome({ listener: 'mysql', user: 'reports', serverName: 'any.db.example.com' }, wide),
    'reports',
  );
  assert.equal(outcome({ serverName: 'a.b.db.example.com' }, wide), 'unknown_hostname');
  assert.equal(outcome({ serverName: '*.db.example.com' }, wide), 'unknown_hostname');
});

test('a name that nobody has is a no, also where the listener has a default service', () => {
  assert.equal(outcome({ serverName: 'nobody.example.com' }), 'unknown_hostname');
  assert.equal(outcome({ listener: 'open', serverName: 'nobody.example.com' }), 'unknown_hostname');
  assert.equal(outcome({ listener: 'open', serverName: '10.0.0.5' }), 'unknown_hostname');
  assert.equal(outcome({ listener: 'open', serverName: 'localhost' }), 'unknown_hostname');
  assert.equal(outcome({ listener: 'open', serverName: '.' }), 'unknown_hostname');
});

test('without a name there is the default service, or a no', () => {
  assert.equal(outcome({ serverName: undefined }), 'hostname_missing');
  assert.equal(outcome({ serverName: '' }), 'hostname_missing');
  assert.equal(outcome({ listener: 'open', serverName: undefined }), 'checkout');
  assert.equal(outcome({ listener: 'mysql', serverName: '', user: 'reports' }), 'reports');
});

test('without TLS there is the default service where the listener allows it, or a no', () => {
  assert.equal(outcome({ tls: false, serverName: undefined }), 'tls_required');
  assert.equal(outcome({ listener: 'mysql', tls: false }), 'tls_required');
  assert.equal(outcome({ listener: 'open', tls: false, serverName: undefined }), 'checkout');
  // There is no server name without TLS, whatever a node may say.
  assert.equal(outcome({ listener: 'open', tls: false, serverName: 'nobody.example.com' }), 'checkout');
});

test('a service of the other protocol is not there for this one', () => {
  assert.equal(outcome({ serverName: 'reports.db.example.com' }), 'wrong_protocol');
  assert.equal(outcome({ listener: 'mysql' }), 'wrong_protocol');
});

test('a listener that is not in the plan is not ready', () => {
  assert.equal(outcome({ listener: 'gone' }), 'not_ready');
});

test('any rule admits, and within a rule every condition must hold', () => {
  const plan = planOf([
    { principal: 'spiffe://shop/checkout', cidr: '10.1.0.0/16' },
    { user: 'admin', db: 'orders' },
  ]);
  const principals = ['spiffe://shop/checkout'];
  assert.equal(outcome({ principals }, plan), 'checkout');
  assert.equal(outcome({ principals, address: '10.2.0.1' }, plan), 'not_allowed');
  assert.equal(outcome({}, plan), 'not_allowed');
  assert.equal(outcome({ user: 'admin', database: 'orders' }, plan), 'checkout');
  assert.equal(outcome({ user: 'admin', database: 'other' }, plan), 'not_allowed');
});

test('a principal is one of the names in the certificate: URIs as they stand, DNS names without regard to case', () => {
  const uri = planOf([{ principal: 'spiffe://shop/checkout' }]);
  assert.equal(outcome({ principals: ['spiffe://shop/other', 'spiffe://shop/checkout'] }, uri), 'checkout');
  assert.equal(outcome({ principals: ['spiffe://shop/Checkout'] }, uri), 'not_allowed');
  assert.equal(outcome({ principals: ['spiffe://shop/checkout/'] }, uri), 'not_allowed');
  const dns = planOf([{ principal: 'checkout.shop.internal' }]);
  assert.equal(outcome({ principals: ['CheckOut.shop.internal'] }, dns), 'checkout');
  assert.equal(outcome({ principals: ['*.shop.internal'] }, dns), 'not_allowed');
});

test('the subject of a certificate is no principal, even if a rule is written like one', () => {
  const subject = 'CN=checkout,O=shop';
  assert.equal(outcome({ principals: [subject] }, planOf([{ principal: subject }])), 'not_allowed');
});

test('a Postgres client that names no database means the one named like its user; a MySQL client means none', () => {
  assert.equal(outcome({ database: undefined }, planOf([{ db: 'checkout' }])), 'checkout');
  assert.equal(outcome({ database: '' }, planOf([{ db: 'checkout' }])), 'checkout');
  assert.equal(
    outcome({ database: undefined, user: undefined }, planOf([{ db: 'checkout' }])),
    'not_allowed',
  );
  const plan = planOf();
  const reports = { ...plan.services.get('reports')!, allow: [{ db: 'reports' }] };
  const mysql: Plan = { ...plan, services: new Map([...plan.services, ['reports', reports]]) };
  const facts = { listener: 'mysql', serverName: '', user: 'reports', database: undefined };
  assert.equal(outcome(facts, mysql), 'not_allowed');
});

test('user and database are compared to the letter', () => {
  assert.equal(outcome({ user: 'Checkout' }), 'not_allowed');
  assert.equal(outcome({ user: 'checkout ' }), 'not_allowed');
  assert.equal(outcome({ user: undefined }), 'not_allowed');
});

test('a rule without conditions, or a service without rules, admits nobody', () => {
  assert.equal(outcome({}, planOf([{}])), 'not_allowed');
  assert.equal(outcome({}, planOf([])), 'not_allowed');
});

test('a refusal says nothing of the service, its tenant or its rules', () => {
  const plan = planOf([{ user: 'secret-user', cidr: '10.66.0.0/16' }]);
  const identified = identify(client, plan);
  assert.ok('refusal' in identified);
  const text = `${identified.refusal.message} ${identified.refusal.hint}`;
  for (const secret of ['secret-user', '10.66', 'shop', 'orders']) assert.ok(!text.includes(secret), secret);
});

const names = ['checkout', 'reports', 'admin', 'a'];
const uris = ['spiffe://shop/checkout', 'spiffe://shop/reports', 'checkout.shop.internal', 'CN=checkout'];
const networks = ['10.1.0.0/16', '10.1.2.0/24', '0.0.0.0/0', '2001:db8::/32', '::ffff:10.1.2.0/120'];
const rule = fc.record(
  {
    principal: fc.constantFrom(...uris),
    cidr: fc.constantFrom(...networks),
    user: fc.constantFrom(...names),
    db: fc.constantFrom(...names),
  },
  { requiredKeys: [] },
);
const facts = fc.record({
  listener: fc.constantFrom('pg', 'open', 'mysql', 'gone'),
  tls: fc.boolean(),
  serverName: fc.option(
    fc.oneof(
      fc.constantFrom('checkout.db.example.com', 'REPORTS.db.example.com.', 'db.example.com', '.', ''),
      fc.string(),
    ),
    { nil: undefined },
  ),
  principals: fc.array(fc.oneof(fc.constantFrom(...uris), fc.string()), { maxLength: 3 }),
  address: fc.oneof(
    fc.constantFrom('10.1.2.3', '10.2.0.1', '2001:db8::1', '::ffff:10.1.2.9', ''),
    fc.ipV4(),
    fc.ipV6(),
  ),
  user: fc.option(fc.oneof(fc.constantFrom(...names), fc.string()), { nil: undefined }),
  database: fc.option(fc.oneof(fc.constantFrom(...names), fc.string()), { nil: undefined }),
});

test('I2: nobody reaches a service that does not name him, whatever he says', () => {
  fc.assert(
    fc.property(facts, fc.array(rule, { maxLength: 4 }), (given, allow) => {
      const plan = planOf(allow);
      const identified = identify(given, plan);
      if ('refusal' in identified) return;
      const { service } = identified;
      const { defaultService, protocol, allowPlaintext } = plan.listeners.get(given.listener)!;
      assert.equal(service.protocol, protocol);
      assert.ok(given.tls || allowPlaintext);
      const sent = given.tls ? (given.serverName ?? '').toLowerCase() : '';
      const isNamed = sent === service.hostname || sent === `${service.hostname}.`;
      assert.ok(isNamed || (defaultService === service.name && sent === ''));
      const named = service.allow.filter(
        ({ principal, user, db }) =>
          (principal === undefined || given.principals.some((name) => name.toLowerCase() === principal)) &&
          (user === undefined || given.user === user) &&
          (db === undefined || given.database === db || (!given.database && given.user === db)),
      );
      assert.ok(named.some((each) => Object.keys(each).length > 0));
    }),
    { numRuns: 5_000 },
  );
});
