/** What the three programs share on a terminal: exit codes, errors, tables, colours, logging. */

export type { Argv, CommandModule } from 'yargs';
export { ask, askSecret } from './ask.ts';
export { listenPrivately, readLine } from './line-socket.ts';
export { createLogger, type LogFormat, type LogLevel } from './log.ts';
export { colour, printJson, printTable } from './print.ts';
export { ExitCode, runProgram, UsageError } from './program.ts';
