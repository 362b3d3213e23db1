import type { CommandModule } from '@culvert/terminal';
import { type SigningArguments, signingOptions, withSigningCa } from './ca-access.ts';
import { reportIssued, writeCopies } from './issue.ts';

interface Arguments extends SigningArguments {
  readonly which: string;
  readonly days: number | undefined;
  readonly out: string | undefined;
}

export const renewCommand: CommandModule<unknown, Arguments> = {
  command: 'renew <which>',
  describe: 'Certify the same key and name for longer; the old certificate works until its own end',
  builder: (y) =>
    signingOptions(y)
      .positional('which', {
        type: 'string',
        demandOption: true,
        describe: 'A name (its newest certificate) or a serial number',
      })
      .option('days', { type: 'number', requiresArg: true, describe: 'How long the new certificate is valid' })
      .option('out', { type: 'string', requiresArg: true, describe: 'Directory for copies, as with issue' })
      .example('$0 renew vpn.example.com --out /etc/culvert', 'a new certificate in the place of the old one'),
  handler: (args) =>
    withSigningCa(args, async (ca) => {
      const record = await ca.renew(args.which, args.days === undefined ? {} : { days: args.days });
      reportIssued(args, record, args.out === undefined ? [] : writeCopies(args.out, ca, record), '');
    }),
};
