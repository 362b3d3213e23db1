import { runProgram } from '@culvert/terminal';
import packageJson from '../package.json' with { type: 'json' };
import { commands } from './index.ts';

await runProgram({
  name: 'culvertd',
  version: packageJson.version,
  summary: 'The gateway: joins laptops, phones and other networks to this one.',
  commands,
  examples: [
    ['$0 check', 'tell every mistake of /etc/culvert/culvertd.yaml'],
    ['$0 run', 'run in the foreground; scripts/install makes a service of it'],
    ['$0 status', 'who is in, and who was refused and why'],
    ['$0 user disable alice', 'lock a user out at once'],
  ],
  argv: process.argv.slice(2),
  // `--no-password` is an option of its own, not the absence of another.
  configure: (y) => y.parserConfiguration({ 'boolean-negation': false }),
});
