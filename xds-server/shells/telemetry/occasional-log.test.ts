import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from './logger.js';
import { OccasionalLog } from './occasional-log.js';

test('of one kind a line a second is said, with how many there were before it', () => {
  const lines: { reason: string; more_before?: number }[] = [];
  let nowMs = 0;
  const log = new OccasionalLog(
    createLogger('info', { write: (line) => lines.push(JSON.parse(line)) }),
    () => nowMs,
  );
  for (const reason of ['a', 'a', 'b', 'a']) log.warn(reason, { reason }, 'no');
  nowMs = 1_000;
  log.warn('a', { reason: 'a' }, 'no');
  nowMs = 2_000;
  log.warn('a', { reason: 'a' }, 'no');
  assert.deepEqual(
    lines.map(({ reason, more_before }) => [reason, more_before]),
    [
      ['a', undefined],
      ['b', undefined],
      ['a', 2],
      ['a', undefined],
    ],
  );
});

test('of ten thousand kinds no more than some sixty are told apart in a second, and all are again in the next', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const log = new OccasionalLog(createLogger('info', { write: (line) => lines.push(line) }), () => nowMs);
  const flood = (): number => {
    lines.length = 0;
    for (let kind = 0; kind < 10_000; kind++) log.warn(`node ${kind}`, {}, 'no');
    return lines.length;
  };
  assert.equal(flood(), 65);
  nowMs = 1_000;
  assert.equal(flood(), 65);
});
