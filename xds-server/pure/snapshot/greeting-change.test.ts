import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plan } from '../plan/plan.js';
import { planOf } from '../plan/plan-of.js';
import { parseSpec } from '../spec/parse-spec.js';
import { yaml } from '../spec/sound-spec.js';
import { greetingChange } from './greeting-change.js';

function planWith(...changes: readonly (readonly [path: string, value: unknown])[]): Plan {
  const parsed = parseSpec(yaml(changes));
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return planOf(parsed.spec);
}

const version = (series: string) => ['databases.warehouse.version', series] as const;
const old = planWith(version('10.6'));

test('where the oldest version changes, the mysql listeners drain', () => {
  assert.deepEqual(greetingChange(old, planWith(version('10.11'))), {
    listeners: ['mysql'],
    before: '5.5.5-10.6.0-MariaDB',
    after: '5.5.5-10.11.0-MariaDB',
  });
});

test('where another than the oldest changes, or something else, none drains for it', () => {
  assert.equal(greetingChange(old, old), undefined);
  const more = planWith(version('10.6'), ['services.reports.max_connections', 19]);
  assert.equal(greetingChange(old, more), undefined);
  const beside = (series: string): Plan => {
    const { targets, ...plan } = old;
    const [warehouse] = [...targets.values()].filter(({ engine }) => engine === 'mariadb');
    return { ...plan, targets: new Map([...targets, ['other/primary', { ...warehouse!, version: series }]]) };
  };
  assert.equal(greetingChange(beside('10.11'), beside('11.4')), undefined);
  assert.equal(greetingChange(old, beside('10.11')), undefined);
  assert.equal(greetingChange(old, beside('10.4'))?.after, '5.5.5-10.4.0-MariaDB', 'an older one that comes');
});

test('a listener that comes or goes has nothing to drain for it', () => {
  const { listeners, ...plan } = planWith(version('10.11'));
  const others = new Map([...listeners].filter(([name]) => name !== 'mysql'));
  assert.equal(greetingChange(old, { ...plan, listeners: others }), undefined);
  assert.equal(greetingChange({ ...old, listeners: others }, planWith(version('10.11'))), undefined);
});
