/** A packet thread's log: its lines are written by the main thread, which has the program's. */
import type { LogFields, Logger } from '@culvert/base';
import type { Report, ThreadSetup } from './messages.ts';

type Level = ThreadSetup['logLevel'];
const levels: readonly Level[] = ['error', 'warn', 'info', 'debug', 'trace'];

/** What is below `level` does not leave the thread. */
export function threadLogger(level: Level, report: (line: Report) => void, bound: LogFields = {}): Logger {
  const at =
    (own: Level) =>
    (message: string, fields?: LogFields): void => {
      if (levels.indexOf(own) > levels.indexOf(level)) return;
      report({ kind: 'log', level: own, message, fields: plain({ ...bound, ...fields }) });
    };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => threadLogger(level, report, { ...bound, ...fields }),
  };
}

/** Objects as text: of what a field may hold, not everything can be sent. */
export function plain(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, typeof value === 'object' ? String(value) : value]),
  );
}
