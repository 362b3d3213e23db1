/** `culvert`: the client's command line. */
import { readFileSync } from 'node:fs';
import { runProgram } from '@culvert/terminal';
import { downCommand } from './commands/down.ts';
import { importCommand, listCommand, removeCommand } from './commands/profiles.ts';
import { statusCommand } from './commands/status.ts';
import { upCommand } from './commands/up.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

await runProgram({
  name: 'culvert',
  version,
  summary: 'Connects this machine to a network over OpenVPN, L2TP/IPsec or PPTP, and leaves it as it was afterwards.',
  commands: [importCommand, upCommand, downCommand, statusCommand, listCommand, removeCommand],
  examples: [
    ['culvert import office.ovpn', 'store a profile'],
    ['culvert up office', 'connect, until Ctrl-C'],
    ['culvert up office --background', 'connect and detach'],
    ['culvert status office', 'how is it?'],
    ['culvert down office', 'disconnect'],
  ],
  argv: process.argv.slice(2),
});
