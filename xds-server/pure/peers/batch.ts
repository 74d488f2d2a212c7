/** How much news goes into one message, so that none is larger than a leader takes (4 MiB). */
import type { News } from './messages.js';

/** Of the usual kinds, which have a kilobyte or two at most. */
const most = 500;
/** Sessions on offer that count as one more: each is an id and a number. */
const offersForOne = 10;

/** @returns how many of the first make one message; 0 where there are none */
export function batchOf(news: readonly News[]): number {
  let weight = 0;
  let count = 0;
  while (count < news.length && weight < most) {
    const next = news[count]!;
    weight += next.kind === 'idle' ? 1 + next.sessions.length / offersForOne : 1;
    count += 1;
  }
  return count;
}
