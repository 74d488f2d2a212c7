/** The program `sluice`: its commands, each given what it needs from the rest. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { plaintextWarnings } from './pure/spec/plaintext-databases.js';
import { bootstrapCommand } from './shells/cli/bootstrap.js';
import { checkCommand, type ReadSpec } from './shells/cli/check.js';
import { runProgram } from './shells/cli/program.js';
import { serveCommand } from './shells/cli/serve.js';
import { sessionsCommand } from './shells/cli/sessions.js';
import { statusCommand } from './shells/cli/status.js';
import { waitingCommand } from './shells/cli/waiting.js';
import { loadSpec, parseFile } from './shells/store/load-spec.js';
import { createLogger, type LogLevel, logLevels } from './shells/telemetry/logger.js';
import { Brain } from './wiring.js';

const version = versionOf(import.meta.dirname);

const read: ReadSpec = async (file, withFiles) => {
  if (!withFiles) {
    const parsed = await parseFile(file);
    return parsed.ok ? { ...parsed, warnings: plaintextWarnings(parsed.spec) } : parsed;
  }
  const reading = await loadSpec(file, { env: process.env, now: new Date() });
  return reading.kind === 'loaded'
    ? { ok: true, spec: reading.loaded.spec, warnings: reading.loaded.warnings }
    : { ok: false, problems: reading.problems };
};

const commands = [
  serveCommand(({ spec, xds, admin, logLevel, channel }) => {
    const log = createLogger(logLevel as LogLevel);
    return Brain.start({ specFile: spec, xds, admin, channel, log, version });
  }, logLevels),
  bootstrapCommand(),
  checkCommand(read),
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
