import { formatProblem, loadGatewayConfig, type ReadInput } from '@culvert/config';
import { type CommandModule, ExitCode, printJson } from '@culvert/terminal';
import { inputReader, serviceReader } from '../inputs.ts';
import { serviceAccount } from '../privileges.ts';
import { type ConfigArguments, configOption, defaultConfig, jsonOption, printProblems, readConfig } from './common.ts';

export const checkCommand: CommandModule<unknown, ConfigArguments & { readonly json: boolean }> = {
  command: 'check',
  describe: 'Check the configuration and every file that it names; tell all mistakes at once',
  builder: (y) =>
    jsonOption(configOption(y))
      .example('$0 check', 'before a restart; exit code 3 where there are mistakes')
      .example('$0 check --config new.yaml --json', 'for scripts'),
  handler: ({ config: file, json }) => {
    const { config, problems } = loadGatewayConfig(file, readerFor(file), Date.now());
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

/** The file of the installed service is read with its eyes, also where root checks it: `culvertd.service` is not root. */
function readerFor(file: string): ReadInput {
  if (file !== defaultConfig || process.getuid?.() !== 0) return inputReader(undefined);
  const account = serviceAccount(configuredUser(file));
  return account.uid === 0 || account.name === 'nobody' ? inputReader(undefined) : serviceReader(account);
}

function configuredUser(file: string): string | undefined {
  try {
    return readConfig(file).user;
  } catch {
    return undefined; // The check tells what is wrong with the file.
  }
}
