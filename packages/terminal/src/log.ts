/** The Logger of the programs, on winston: lines for people, or JSON for machines, on stderr. */
import type { LogFields, Logger } from '@culvert/base';
import winston from 'winston';
import { LinesTogether } from './lines-together.ts';
import { harmless } from './print.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'text' | 'json';

const levels: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 3, trace: 4 };

/** Field names that never reach a log, whatever they hold. */
const secret = /password|passphrase|secret|privatekey|token/i;
/** What needs no quotes. */
const plain = /^[\w.:/@+,%[\]-]+$/;

/** Where winston's formats leave the line (triple-beam). */
const MESSAGE = Symbol.for('message');

/** All loggers of a process write here. */
let onStderr: LinesTogether | undefined;

/** A logger on stderr. Under systemd (JOURNAL_STREAM is set) lines carry no time of their own: the journal adds it. */
export function createLogger(options: { readonly level: LogLevel; readonly format: LogFormat }): Logger {
  const root = winston.createLogger({
    levels,
    level: options.level,
    format: options.format === 'json' ? jsonFormat() : textFormat(),
  });
  root.pipe((onStderr ??= openStderr()));
  return new ProgramLogger(root, levels[options.level], {});
}

/** Writes the log lines that wait: call it before anything else is written to stderr. They never wait for longer than a moment. */
export function flushLog(): void {
  onStderr?.flush();
}

function openStderr(): LinesTogether {
  process.on('exit', flushLog);
  return new LinesTogether(process.stderr, (info) => {
    const { [MESSAGE]: text, level } = info as winston.Logform.TransformableInfo;
    return { text: String(text), urgent: level === 'warn' || level === 'error' };
  });
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
    this.#root.log({ level, message, bound: this.#bound, fields });
  }
}

/** What `#write` hands over, as winston's formats get it. */
type Entry = winston.Logform.TransformableInfo & { readonly bound: LogFields; readonly fields: LogFields | undefined };

function jsonFormat(): winston.Logform.Format {
  return winston.format.printf((info) => {
    const { level, message, bound, fields } = info as Entry;
    const told = Object.entries({ ...bound, ...fields }).map(([key, value]) => [key, shown(key, value)]);
    return JSON.stringify({ time: new Date().toISOString(), level, message, ...Object.fromEntries(told) });
  });
}

/** A session that comes and goes is two lines: no object is made for one. */
function textFormat(): winston.Logform.Format {
  const stamp = process.env['JOURNAL_STREAM'] === undefined;
  return winston.format.printf((info) => {
    const { level, message, bound, fields } = info as Entry;
    let line = `${stamp ? `${new Date().toISOString()} ` : ''}${level} ${message}`;
    for (const key in bound)
      line += pair(key, fields !== undefined && Object.hasOwn(fields, key) ? fields[key] : bound[key]);
    for (const key in fields) if (!Object.hasOwn(bound, key)) line += pair(key, fields[key]);
    return line;
  });
}

function pair(key: string, value: unknown): string {
  return value === undefined ? '' : ` ${key}=${quote(shown(key, value))}`;
}

function shown(key: string, value: unknown): unknown {
  return secret.test(key) ? '[secret]' : value;
}

/** Text from peers may hold anything: what is not plain is quoted, so that it forges no line. */
function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return plain.test(text) ? text : harmless(JSON.stringify(text));
}
