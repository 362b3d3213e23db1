/** What the commands share: where the configuration is, and how its problems are told. */
import { readFileSync } from 'node:fs';
import { ConfigError, checkGatewayConfig, formatProblem, type GatewayConfig, type Problem } from '@culvert/config';
import { type Argv, colour } from '@culvert/terminal';

export const defaultConfig = '/etc/culvert/culvertd.yaml';

export interface ConfigArguments {
  readonly config: string;
}

export function configOption<T>(y: Argv<T>): Argv<T & ConfigArguments> {
  return y.option('config', {
    alias: 'c',
    type: 'string',
    requiresArg: true,
    default: process.env['CULVERTD_CONFIG'] ?? defaultConfig,
    describe: 'The configuration file',
  });
}

export function jsonOption<T>(y: Argv<T>): Argv<T & { readonly json: boolean }> {
  return y.option('json', { type: 'boolean', default: false, describe: 'Print JSON' });
}

/** The configuration's text alone, for commands that open none of its files. Throws ConfigError. */
export function readConfig(file: string): GatewayConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError('CULVERT_CONFIG_UNREADABLE', [], file, { cause });
  }
  const { config, problems } = checkGatewayConfig(text, file);
  if (config === undefined)
    throw new ConfigError(
      'CULVERT_CONFIG_INVALID',
      problems.filter(({ severity }) => severity === 'error'),
    );
  return config;
}

/** Tells problems on stderr, one a line. */
export function printProblems(problems: readonly Problem[]): void {
  for (const problem of problems) {
    const text = formatProblem(problem);
    process.stderr.write(`${problem.severity === 'error' ? colour('red', text) : text}\n`);
  }
}
