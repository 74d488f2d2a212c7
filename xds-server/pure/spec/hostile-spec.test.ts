import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderProblem } from './problem.js';
import { linesOf, problemsOf, wordsOf } from './problems-of.js';
import { changed, yaml } from './sound-spec.js';

test('no secret is repeated, wherever it was put by mistake', () => {
  const secret = 'hunter2';
  const places = [
    'databases.orders.observer',
    'databases.orders.observer.password',
    'databases.orders.observer.password.file',
    'databases.orders.observer.password.value',
    'databases.orders.observer.passwrd',
    'databases.orders',
    'listeners.pg.tls.certificate.key',
    'listeners.pg.tls.certificate',
  ];
  for (const place of places) {
    for (const value of [secret, `${secret}\n`, [secret], { [place]: secret }]) {
      const said = linesOf(changed(place, value)).join('\n');
      assert.ok(!said.includes(secret), `${place}: ${said}`);
    }
  }
  const url = linesOf(changed('databases.orders.endpoints.0.host', `postgres://u:${secret}@10.0.0.5`)).join(
    '\n',
  );
  assert.match(url, /found "postgres:\/\/…@10\.0\.0\.5"/);
});

test('too many objects are refused by their number', () => {
  const tenants = Object.fromEntries(Array.from({ length: 5001 }, (_, i) => [`t${i}`, {}]));
  const text = yaml([['tenants', { ...tenants, shop: {}, analytics: {} }]]);
  assert.deepEqual(wordsOf(text), ['tenants: expected at most 5000 tenants, found 5003 of them']);
});

test('a flood of problems is cut and counted', () => {
  const tenants = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`T${i}`, {}]));
  const problems = problemsOf(yaml([['tenants', { ...tenants, shop: {}, analytics: {} }]]));
  assert.equal(problems.length, 201);
  assert.equal(renderProblem(problems.at(-1)!), 'spec: expected no problems, found 100 more of them');
});

test('names that JavaScript knows are names like others', () => {
  const text = changed('tenants.constructor', {}).replace('tenant: analytics', 'tenant: constructor');
  assert.deepEqual(linesOf(text), []);
  assert.match(
    linesOf(changed('services.checkout.tenant', 'toString')).join(),
    /expected a tenant: one of shop/,
  );
});
