/** How long a session that has just begun may be unknown, and how to wait for it. */
import { setTimeout } from 'node:timers/promises';

/** For a report to travel, beyond the interval. */
const slackMs = 500;
const lookMs = 50;

export const nextReport = {
  withinMs: (reportIntervalMs: number): number => reportIntervalMs + slackMs,
  pause: (): Promise<void> => setTimeout(lookMs),
} as const;
