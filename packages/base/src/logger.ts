/** What a log line carries beside its sentence. Secrets never go in. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Levels mean one thing: `trace` a packet, `debug` a decision, `info` a session, `warn` an operator should look, `error` we stopped. */
export interface Logger {
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each of its lines, so that one link tells one story. */
  child(fields: LogFields): Logger;
}
