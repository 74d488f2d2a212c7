/** The log: JSON lines on stderr, so that stdout stays free for data. What must never be in it is cut out here. */
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** A last net below `Secret`: fields that hold credentials by name, wherever a caller puts them in one level deep. */
const credentials = ['password', 'secret', 'key', 'authorization', 'connectionString'];

/** What may wait for a reader of stderr that is slow; past it lines are dropped, for a log must not hold up admission. */
const maxBufferedBytes = 4 * 1024 * 1024;

/** @param sink where lines go; stderr when absent. */
export function createLogger(level: LogLevel, sink?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      messageKey: 'message',
      errorKey: 'error',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: credentials.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' },
    },
    sink ?? stderr(),
  );
}

/** A disk that is full of logs must neither end the brain nor, by the flush at its exit, which tries for ever, keep it from ending. */
function stderr(): DestinationStream {
  const lines = destination({ dest: 2, sync: false, maxLength: maxBufferedBytes });
  lines.on('error', () => {
    lines.flushSync = () => undefined;
  });
  return lines;
}
