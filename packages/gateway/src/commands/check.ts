import { formatProblem, loadGatewayConfig } from '@culvert/config';
import { type CommandModule, ExitCode, printJson } from '@culvert/terminal';
import { inputReader } from '../inputs.ts';
import { type ConfigArguments, configOption, jsonOption, printProblems } from './common.ts';

export const checkCommand: CommandModule<unknown, ConfigArguments & { readonly json: boolean }> = {
  command: 'check',
  describe: 'Check the configuration and every file that it names; tell all mistakes at once',
  builder: (y) => jsonOption(configOption(y)),
  handler: ({ config: file, json }) => {
    const { config, problems } = loadGatewayConfig(file, inputReader(undefined), Date.now());
    if (config === undefined) process.exitCode = ExitCode.configuration;
    if (json) {
      printJson({
        ok: config !== undefined,
        problems: problems.map((each) => ({ ...each, text: formatProblem(each) })),
      });
      return;
    }
    printProblems(problems);
    const count = (severity: string) => problems.filter((problem) => problem.severity === severity).length;
    const told = `${count('error')} mistakes, ${count('warning')} warnings`;
    process.stdout.write(
      config === undefined ? `${file}: ${told}\n` : `${file} is fine (${count('warning')} warnings)\n`,
    );
  },
};
