import { type CommandModule, printJson } from '@culvert/terminal';
import { askGateway } from '../control-client.ts';
import type { ReloadReport } from '../reload.ts';
import { type ConfigArguments, configOption, jsonOption, readConfig } from './common.ts';

export const reloadCommand: CommandModule<unknown, ConfigArguments & { readonly json: boolean }> = {
  command: 'reload',
  describe: 'Let the running gateway read its configuration again, links stay up',
  builder: (y) => jsonOption(configOption(y)),
  handler: async ({ config: file, json }) => {
    const report = (await askGateway(readConfig(file).control, { command: 'reload' })) as ReloadReport;
    if (json) {
      printJson(report);
      return;
    }
    const list = (keys: readonly string[]) => (keys.length === 0 ? 'nothing' : keys.join(', '));
    process.stdout.write(`in force now: ${list(report.applied)}\n`);
    if (report.restart.length > 0) process.stdout.write(`waits for a restart: ${list(report.restart)}\n`);
  },
};
