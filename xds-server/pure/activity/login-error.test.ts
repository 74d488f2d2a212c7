import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOfLoginError } from './login-error.js';

for (const [error, kind, what] of [
  ['28P01', 'credentials', 'Postgres: wrong password'],
  ['28000', 'credentials', 'Postgres: no such account'],
  ['1045', 'credentials', 'MySQL: wrong password'],
  ['3D000', 'database', 'Postgres: no such database'],
  ['42501', 'database', 'Postgres: may not connect to it'],
  ['1049', 'database', 'MySQL: no such database'],
  ['53300', 'capacity', 'Postgres: too many connections'],
  ['1040', 'capacity', 'MySQL: too many connections'],
  ['1203', 'capacity', 'MySQL: too many of this account'],
  ['57P03', 'unavailable', 'Postgres: starts up'],
  ['08006', 'unavailable', 'Postgres: connection failure'],
  ['1053', 'unavailable', 'MySQL: shuts down'],
  ['XX000', 'other', 'Postgres: a bug of the server'],
  ['', 'other', 'said nothing'],
] as const)
  test(`${what} (${error}) is ${kind}`, () => {
    assert.equal(kindOfLoginError(error), kind);
  });
