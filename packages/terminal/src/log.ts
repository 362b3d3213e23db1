/** The Logger of the programs, on winston: lines for people, or JSON for machines, on stderr. */
import type { LogFields, Logger } from '@culvert/base';
import winston from 'winston';
import { harmless } from './print.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'text' | 'json';

const levels: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 3, trace: 4 };

/** Field names that never reach a log, whatever they hold. */
const secret = /^(?:.*password.*|.*passphrase.*|.*secret.*|.*privatekey.*|.*token.*)$/i;

/** A logger on stderr. Under systemd (JOURNAL_STREAM is set) lines carry no time of their own: the journal adds it. */
export function createLogger(options: { readonly level: LogLevel; readonly format: LogFormat }): Logger {
  const root = winston.createLogger({
    levels,
    level: options.level,
    format: options.format === 'json' ? jsonFormat() : textFormat(),
    transports: [new winston.transports.Stream({ stream: process.stderr })],
  });
  return new ProgramLogger(root, levels[options.level], {});
}

/** Lines above the level cost a comparison: the gateway tells each step of every peer, which few operators read. */
class ProgramLogger implements Logger {
  readonly #root: winston.Logger;
  readonly #level: number;
  readonly #bound: LogFields;

  constructor(root: winston.Logger, level: number, bound: LogFields) {
    this.#root = root;
    this.#level = level;
    this.#bound = bound;
  }

  trace(message: string, fields?: LogFields): void {
    if (this.#level >= levels.trace) this.#write('trace', message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#level >= levels.debug) this.#write('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    if (this.#level >= levels.info) this.#write('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    if (this.#level >= levels.warn) this.#write('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields);
  }

  child(fields: LogFields): Logger {
    return new ProgramLogger(this.#root, this.#level, { ...this.#bound, ...fields });
  }

  #write(level: LogLevel, message: string, fields: LogFields | undefined): void {
    this.#root.log({ level, message, fields: redact({ ...this.#bound, ...fields }) });
  }
}

function redact(fields: LogFields): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, secret.test(key) ? '[secret]' : value]));
}

function jsonFormat(): winston.Logform.Format {
  return winston.format.printf(({ level, message, fields }) =>
    JSON.stringify({ time: new Date().toISOString(), level, message, ...(fields as object) }),
  );
}

function textFormat(): winston.Logform.Format {
  const stamp = process.env['JOURNAL_STREAM'] === undefined;
  return winston.format.printf(({ level, message, fields }) => {
    const pairs = Object.entries(fields as LogFields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` ${key}=${quote(value)}`);
    return `${stamp ? `${new Date().toISOString()} ` : ''}${level} ${message}${pairs.join('')}`;
  });
}

/** Text from peers may hold anything: what is not plain is quoted, so that it forges no line. */
function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w.:/@+,%[\]-]+$/.test(text) ? text : harmless(JSON.stringify(text));
}
