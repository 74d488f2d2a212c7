import path from 'node:path';

/** The top of the checkout. */
export const top = path.resolve(import.meta.dirname, '../..');

/** Something that libFuzzer can run. */
export interface Target {
  readonly name: string;
  /** The program; it takes libFuzzer's arguments behind its own. */
  readonly command: readonly string[];
  /** What comes between the folders of inputs and libFuzzer's options. */
  readonly separator?: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** The file of its kept inputs. */
  readonly corpus: string;
  /** Inputs to begin with, beside the kept ones. */
  readonly seeds: readonly Buffer[];
}
