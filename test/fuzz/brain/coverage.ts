/**
 * What an input reaches in the brain's own code, counted by V8 itself: no instrumentation, no native addon.
 * https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#method-takePreciseCoverage
 */

import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector';

export class Coverage {
  readonly #session = new Session();
  readonly #blocks = new Set<string>();
  readonly #features = new Set<string>();
  /** Blocks depend on what ran between two counts: V8 joins neighbours that ran equally often. */
  readonly #together = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Stretches of code that were reached. */
  get blocks(): number {
    return this.#blocks.size;
  }

  /** The same, by how often one input reached them: 1, 2, 4, 8, … times. */
  get features(): number {
    return this.#features.size;
  }

  /** Forgets what has run since the last time, when it was no input. */
  skip(): void {
    this.#take(() => {});
  }

  /**
   * Has what has run since the last time, many inputs together, reached anything that none of the earlier ones has? Taking
   * the counts costs as much as some hundred inputs: so this is asked first, and only then each of them on its own.
   */
  isPromising(): boolean {
    const before = this.#together.size;
    this.#take((block) => this.#together.add(block));
    return this.#together.size > before;
  }

  /** How many features are new in the one input that has run since the last time; they are old from then on. */
  news(): number {
    const before = this.#features.size;
    this.#take((block, count) => {
      this.#blocks.add(block);
      this.#features.add(`${block} ${Math.floor(Math.log2(count))}`);
    });
    return this.#features.size - before;
  }

  #take(each: (block: string, count: number) => void): void {
    // It answers at once.
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error) throw error;
      for (const script of answer.result) if (isBrain(script)) visit(script, each);
    });
  }
}

function isBrain({ url }: Profiler.ScriptCoverage): boolean {
  return url.includes('/xds-server/') && !url.includes('/node_modules/');
}

function visit(
  { scriptId, functions }: Profiler.ScriptCoverage,
  each: (block: string, count: number) => void,
): void {
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges)
      if (count > 0) each(`${scriptId}:${startOffset}-${endOffset}`, count);
  }
}
