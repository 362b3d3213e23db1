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
  return wrap(root, {});
}

function wrap(root: winston.Logger, bound: LogFields): Logger {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    root.log({ level, message, fields: redact({ ...bound, ...fields }) });
  };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(root, { ...bound, ...fields }),
  };
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
