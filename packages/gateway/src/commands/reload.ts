import { type CommandModule, printJson } from '@culvert/terminal';
import { askGateway } from '../control-client.ts';
import { formatReload, type ReloadReport } from '../reload.ts';
import { type ConfigArguments, configOption, jsonOption, readConfig } from './common.ts';

export const reloadCommand: CommandModule<unknown, ConfigArguments & { readonly json: boolean }> = {
  command: 'reload',
  describe: 'Let the running gateway read its configuration again, links stay up',
  builder: (y) => jsonOption(configOption(y)).example('$0 reload', 'after an edit, or a renewed certificate'),
  handler: async ({ config: file, json }) => {
    const report = (await askGateway(readConfig(file).control, { command: 'reload' })) as ReloadReport;
    if (json) {
      printJson(report);
      return;
    }
    process.stdout.write(`${formatReload(report)}\n`);
  },
};
