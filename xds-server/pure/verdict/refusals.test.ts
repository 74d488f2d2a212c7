import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { limitRefusal, type Refusal, reasons, refusals } from './refusals.js';

const service = { limit: 'service', name: 'checkout', used: 40, max: 40 } as const;
const waited = { waitedMs: 2000, timeoutMs: 2000, others: 12 };

/** One of each reason, as docs/errors.md shows it. */
const examples: Readonly<Record<(typeof reasons)[number], Refusal>> = {
  unknown_hostname: refusals.unknown_hostname({ hostname: 'chekcout.orders.db.example.com' }),
  hostname_missing: refusals.hostname_missing(),
  wrong_protocol: refusals.wrong_protocol({ hostname: 'checkout.orders.db.example.com', spoken: 'MySQL' }),
  tls_required: refusals.tls_required(),
  not_allowed: refusals.not_allowed(),
  service_limit: refusals.service_limit(service),
  tenant_limit: refusals.tenant_limit({ limit: 'tenant', name: 'shop', used: 120, max: 120 }),
  database_budget: refusals.database_budget({ limit: 'guarantees', name: 'orders', used: 85, max: 90 }),
  queue_full: refusals.queue_full({ service: 'checkout', maxQueue: 200, full: service }),
  wait_timeout: refusals.wait_timeout(service, waited),
  login_limit: refusals.login_limit({ service: 'checkout', failures: 9, waited }),
  service_removed: refusals.service_removed({ service: 'checkout' }),
  database_down: refusals.database_down({ database: 'orders' }),
  not_ready: refusals.not_ready({ what: 'database "orders"', why: 'its sessions are being counted', waited }),
  connection_reused: refusals.connection_reused(),
  malformed_check: refusals.malformed_check(),
};

const docs = readFileSync(path.resolve(import.meta.dirname, '../../../docs/errors.md'), 'utf8');

/** Rows of the table in docs/errors.md whose first cell is a reason. */
function documented(): Map<string, string[]> {
  const rows = new Map<string, string[]>();
  for (const line of docs.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const reason = /^`([a-z_]+)`$/.exec(cells[1] ?? '')?.[1];
    if (reason !== undefined && cells.length === 8) rows.set(reason, cells.slice(2, 7));
  }
  return rows;
}

test('docs/errors.md has every reason and no other', () => {
  assert.deepEqual([...documented().keys()].sort(), [...reasons].sort());
});

for (const reason of reasons) {
  test(`docs/errors.md says of ${reason} what a client reads`, () => {
    const { sqlstate, errno, retryable, message, hint } = examples[reason];
    const [state, number, again, text, hinted] = documented().get(reason) ?? [];
    assert.deepEqual(
      { state, number, again, text, hinted },
      {
        state: `\`${sqlstate}\``,
        number: String(errno),
        again: retryable ? 'yes' : 'no',
        text: message,
        hinted: hint ?? '',
      },
    );
  });
}

test('every refusal has codes that both protocols can carry, and one line of text', () => {
  for (const [reason, refusal] of Object.entries(examples)) {
    assert.equal(refusal.reason, reason);
    assert.match(refusal.sqlstate, /^[0-9A-Z]{5}$/);
    assert.ok(Number.isInteger(refusal.errno) && refusal.errno > 0 && refusal.errno < 65_536);
    assert.match(refusal.message, /^[ -~]+$/);
  }
});

test('what a client sent is not repeated raw, nor at length', () => {
  const { message } = refusals.unknown_hostname({ hostname: `a"b\\c\n\u001b[31m${'x'.repeat(1000)}` });
  assert.match(message, /^no service has the name "a\?b\?c\?\?\[31mx+"$/);
  assert.ok(message.length < 300);
});

test('a limit that is exceeded is told as it is', () => {
  const { message } = refusals.service_limit({ ...service, used: 45 });
  assert.equal(message, 'service "checkout" has 45 of its 40 connections in use');
});

test('the refusal at once is that of the limit', () => {
  assert.equal(limitRefusal(service).reason, 'service_limit');
  assert.equal(limitRefusal({ ...service, limit: 'tenant' }).reason, 'tenant_limit');
  assert.equal(limitRefusal({ ...service, limit: 'database' }).reason, 'database_budget');
  assert.equal(limitRefusal({ ...service, limit: 'guarantees' }).reason, 'database_budget');
});
