/**
 * The program `sluice`, as arguments of Node: the sources as they are, so that a test sees the last change, or what was
 * built of them, which is what ships and starts in half the time.
 */
import path from 'node:path';

const top = path.resolve(import.meta.dirname, '../..');

const sources = ['--import', import.meta.resolve('tsx'), path.join(top, 'xds-server/main.ts')];
const built = [path.join(top, 'build/js/xds-server/main.js')];

const variable = 'SLUICE_TESTED';

export function sluiceProgram(): readonly string[] {
  return process.env[variable] === 'built' ? built : sources;
}

/** From now on, in this process and its children. Measurements need it: tsx gives each closure its name, which costs more than most of them do. */
export function runBuiltProgram(): void {
  process.env[variable] = 'built';
}
