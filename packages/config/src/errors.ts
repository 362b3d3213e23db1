import { CulvertError } from '@culvert/base';
import { formatProblem, type Problem } from './problem.ts';

export const sentences = {
  CULVERT_CONFIG_INVALID: 'the configuration has mistakes',
  CULVERT_CONFIG_UNREADABLE: 'the configuration file cannot be read',
  CULVERT_CONFIG_KEY_FILE: 'not a key file of the kind that is wanted here',
} as const;

/** The writer's fault; carries every problem that was found, not the first alone. */
export class ConfigError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'ConfigError';
  readonly problems: readonly Problem[];
  /** `ExitCode.configuration` of @culvert/terminal. */
  readonly exitCode = 3;

  constructor(code: keyof typeof sentences, problems: readonly Problem[], detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail ?? problems.map((problem) => `\n  ${formatProblem(problem)}`).join(''), options);
    this.problems = problems;
  }
}
