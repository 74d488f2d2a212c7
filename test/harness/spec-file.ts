/** A spec as its author would save it: written beside and renamed, so that nobody reads half of it. */
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import type { z } from 'zod';
import type { specSchema } from '../../xds-server/pure/spec/spec.js';
import { scratchFolder } from './scratch.js';

/** What may stand in a spec, defaults left out. */
export type SpecInput = z.input<typeof specSchema>;

export class SpecFile {
  readonly path = path.join(scratchFolder('spec'), 'spec.yaml');
  /** What stands in it; `save` after a change. */
  readonly spec: SpecInput;

  constructor(spec: SpecInput) {
    this.spec = spec;
    this.save();
  }

  save(): void {
    this.saveText(stringify(this.spec));
  }

  /** Anything, a broken spec too; `spec` stays as it is. */
  saveText(text: string): void {
    writeFileSync(`${this.path}.new`, text);
    renameSync(`${this.path}.new`, this.path);
  }
}
