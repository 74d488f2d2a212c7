/** The fuzz targets of the brain, each in a process of its own. */
import path from 'node:path';
import { brainTargets } from './brain/targets.js';
import { type Target, top } from './target.js';

export function targetsOfBrain(): Target[] {
  return Object.entries(brainTargets).map(([name, { seeds }]) => ({
    name,
    command: [process.execPath, '--import', 'tsx', path.join(top, 'test/fuzz/brain/main.ts'), name],
    env: {},
    corpus: brainCorpus(name),
    seeds,
  }));
}

/** The file of the kept inputs of `name`. */
export function brainCorpus(name: string): string {
  return path.join(top, 'test/fuzz/brain/corpus', `${name}.hex`);
}
