/** The program `sluice`: its commands, each given what it needs from the rest. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { plaintextWarnings } from './pure/spec/plaintext-databases.js';
import { applyCommand, diffCommand, type ReadForStore, showCommand } from './shells/cli/apply.js';
import { bootstrapCommand } from './shells/cli/bootstrap.js';
import { type CheckedSpec, checkCommand, type ReadSpec } from './shells/cli/check.js';
import { runProgram } from './shells/cli/program.js';
import { serveCommand } from './shells/cli/serve.js';
import { sessionsCommand } from './shells/cli/sessions.js';
import { statusCommand } from './shells/cli/status.js';
import { waitingCommand } from './shells/cli/waiting.js';
import {
  inFile,
  loadSpec,
  maxSpecBytes,
  type Origin,
  parseOnly,
  parseRead,
} from './shells/store/load-spec.js';
import { openEtcd, openStore } from './shells/store/open-store.js';
import { readBounded } from './shells/store/read-bounded.js';
import { createLogger, type LogLevel, logLevels } from './shells/telemetry/logger.js';
import { Brain } from './wiring/brain.js';

const version = versionOf(import.meta.dirname);

const readFrom = async (origin: Origin, withFiles: boolean): Promise<CheckedSpec> => {
  if (!withFiles) {
    const parsed = await parseOnly(origin);
    return parsed.ok ? { ...parsed, warnings: plaintextWarnings(parsed.spec) } : parsed;
  }
  const reading = await loadSpec(origin, { env: process.env, now: new Date() });
  return reading.kind === 'loaded'
    ? { ok: true, spec: reading.loaded.spec, warnings: reading.loaded.warnings }
    : { ok: false, problems: reading.problems };
};

const read: ReadSpec = (file, withFiles) => readFrom(inFile(file), withFiles);

/** What is checked is what is stored: the file is read once. */
const readForStore: ReadForStore = async (file, withFiles) => {
  const content = await readBounded(path.resolve(file), maxSpecBytes);
  const origin = { ...inFile(file), text: async () => content };
  const checked = await readFrom(origin, withFiles);
  if (!checked.ok) return checked;
  return { ...checked, bytes: content.kind === 'read' ? content.bytes : new Uint8Array() };
};

const stores = {
  open: openStore,
  read: readForStore,
  parse(bytes: Uint8Array) {
    const parsed = parseRead({ kind: 'read', bytes });
    return parsed.ok ? parsed.spec : undefined;
  },
};

const commands = [
  serveCommand(({ spec, xds, admin, logLevel, channel, candidate }) => {
    const log = createLogger(logLevel as LogLevel);
    const place =
      spec.kind === 'file'
        ? spec
        : { ...spec, store: openStore(spec.store), folder: path.resolve(spec.folder) };
    const shared = candidate && spec.kind === 'store' && openEtcd(spec.store);
    return Brain.start({
      ...{ spec: place, xds, admin, channel, log, version },
      ...(shared && { candidate: { ...shared, ...candidate } }),
    });
  }, logLevels),
  bootstrapCommand(),
  checkCommand(read),
  applyCommand(stores),
  diffCommand(stores),
  showCommand(stores),
  statusCommand(),
  sessionsCommand(),
  waitingCommand(),
];

process.exitCode = await runProgram(version, commands, process.argv.slice(2));

/** From the nearest package.json: this file is run from the sources and from below build/. */
function versionOf(folder: string): string {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      return (JSON.parse(readFileSync(path.join(at, 'package.json'), 'utf8')) as { version: string }).version;
    } catch (error) {
      if (path.dirname(at) === at) throw error;
    }
  }
}
