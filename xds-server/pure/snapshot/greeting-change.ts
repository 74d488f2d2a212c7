import type { Plan } from '../plan/plan.js';
import { greetingFor } from './greeting.js';

/** Every MySQL listener that stays greets otherwise, and so drains (docs/decisions/0008). */
export interface GreetingChange {
  /** Their names. */
  readonly listeners: readonly string[];
  /** Server versions in the greeting; null: no database speaks MySQL. */
  readonly before: string | null;
  readonly after: string | null;
}

/** @returns undefined where no listener drains for it */
export function greetingChange(before: Plan, after: Plan): GreetingChange | undefined {
  const greetings = [greetingFor(before), greetingFor(after)] as const;
  if (JSON.stringify(greetings[0]) === JSON.stringify(greetings[1])) return undefined;
  const speaksMysql = (plan: Plan, name: string): boolean => plan.listeners.get(name)?.protocol === 'mysql';
  const listeners = [...before.listeners.keys()]
    .filter((name) => speaksMysql(before, name) && speaksMysql(after, name))
    .sort();
  if (listeners.length === 0) return undefined;
  return { listeners, before: greetings[0]?.version ?? null, after: greetings[1]?.version ?? null };
}
