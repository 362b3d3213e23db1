import { type CommandModule, printJson } from '@culvert/terminal';
import { askGateway } from '../control-client.ts';
import type { ControlRequest } from '../control-protocol.ts';
import type { SessionStatus } from '../status.ts';
import { type ConfigArguments, configOption, jsonOption, readConfig } from './common.ts';
import { explainCommand } from './explain.ts';
import { printSessions } from './status.ts';

type Arguments = ConfigArguments & { readonly json: boolean };

export const sessionCommand: CommandModule = {
  command: 'session',
  describe: 'List sessions, end them, or tell what happened to them',
  builder: (y) =>
    y
      .command(listCommand)
      .command(killCommand)
      .command(explainCommand as CommandModule)
      .example('$0 session kill alice', 'end all of hers')
      .example('$0 session explain 192.0.2.7', 'why nobody gets in from there')
      .demandCommand(1, 'session list, session kill or session explain?'),
  handler: () => {},
};

const listCommand: CommandModule<unknown, Arguments> = {
  command: 'list',
  describe: 'Who is in',
  builder: (y) => jsonOption(configOption(y)).example('$0 session list --json', 'for scripts'),
  handler: (args) => show(args, { command: 'sessions' }),
};

const killCommand: CommandModule<unknown, Arguments & { readonly which: string }> = {
  command: 'kill <which>',
  describe: 'End a session by its number, or every session of a user',
  builder: (y) =>
    jsonOption(configOption(y))
      .positional('which', { type: 'string', demandOption: true, describe: 'A number of session list, or a user' })
      .example('$0 session kill 7', 'end one session')
      .example('$0 session kill alice', 'end all of hers; she may connect again, see user disable'),
  handler: (args) => {
    const { which } = args;
    return show(args, /^\d+$/.test(which) ? { command: 'end', id: Number(which) } : { command: 'end', user: which });
  },
};

async function show({ config, json }: Arguments, request: ControlRequest): Promise<void> {
  const sessions = (await askGateway(readConfig(config).control, request)) as readonly SessionStatus[];
  if (json) printJson(sessions);
  else printSessions(sessions);
}
