/** Loggers for tests: one that forgets, one that remembers. */
import type { LogFields, Logger } from '@culvert/base';

const nothing = (): void => {};

export const nullLogger: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => nullLogger,
};

export interface LogLine {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

/** Keeps every line, also its children's, in order. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[];
  readonly #bound: LogFields;

  constructor(lines: LogLine[] = [], bound: LogFields = {}) {
    this.lines = lines;
    this.#bound = bound;
  }

  trace(message: string, fields?: LogFields): void {
    this.#add('trace', message, fields);
  }
  debug(message: string, fields?: LogFields): void {
    this.#add('debug', message, fields);
  }
  info(message: string, fields?: LogFields): void {
    this.#add('info', message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.#add('warn', message, fields);
  }
  error(message: string, fields?: LogFields): void {
    this.#add('error', message, fields);
  }
  child(fields: LogFields): RecordingLogger {
    return new RecordingLogger(this.lines, { ...this.#bound, ...fields });
  }

  /** Every line as text, to search in: "info link is up user=alice". */
  get text(): string {
    return this.lines
      .map(({ level, message, fields }) => {
        const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${printable(value)}`);
        return `${level} ${message}${pairs.join('')}`;
      })
      .join('\n');
  }

  #add(level: LogLine['level'], message: string, fields: LogFields | undefined): void {
    this.lines.push({ level, message, fields: { ...this.#bound, ...fields } });
  }
}

function printable(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}
