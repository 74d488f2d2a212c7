import assert from 'node:assert/strict';
import { Console } from 'node:console';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { Secret } from './secret.js';

test('a secret is not shown by anything that prints, formats or serialises it', () => {
  const secret = new Secret('hunter2');
  const sink = new PassThrough({ encoding: 'utf8' });
  new Console(sink).log(secret, { secret }, new Map([['a', secret]]));
  const shown = [
    `${secret}`,
    String(sink.read()),
    JSON.stringify({ secret }),
    inspect({ deep: [secret] }, { showHidden: true, depth: 9 }),
    format('%s %o %j', secret, secret, secret),
    JSON.stringify(Object.entries(secret)),
  ].join('\n');
  assert.doesNotMatch(shown, /hunter2/);
  assert.equal(secret.reveal(), 'hunter2');
});
