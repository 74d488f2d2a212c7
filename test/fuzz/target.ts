import path from 'node:path';

/** The top of the checkout. */
export const top = path.resolve(import.meta.dirname, '../..');

/** Something that is run as libFuzzer is. */
export interface Target {
  readonly name: string;
  /** The program and its own arguments; folders of inputs and libFuzzer's options come behind them. */
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** The file of its kept inputs. */
  readonly corpus: string;
  /** Inputs to begin with, beside the kept ones. */
  readonly seeds: readonly Buffer[];
}
