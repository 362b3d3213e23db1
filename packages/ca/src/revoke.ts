import { join } from 'node:path';
import { type RevocationReason, revocationReasons, writeFileAtomically } from '@culvert/pki';
import type { CommandModule } from '@culvert/terminal';
import { printJson } from '@culvert/terminal';
import { type SigningArguments, signingOptions, withSigningCa } from './ca-access.ts';
import { describe } from './list.ts';

interface Arguments extends SigningArguments {
  readonly which: string;
  readonly reason: RevocationReason;
  readonly out: string | undefined;
}

export const revokeCommand: CommandModule<unknown, Arguments> = {
  command: 'revoke <which>',
  describe: 'Revoke certificates for good and sign a CRL that lists them',
  builder: (y) =>
    signingOptions(y)
      .positional('which', {
        type: 'string',
        demandOption: true,
        describe: 'A name (all its valid certificates) or one serial number',
      })
      .option('reason', {
        choices: revocationReasons,
        default: 'unspecified' as RevocationReason,
        describe: 'Why, for the CRL',
      })
      .option('out', { type: 'string', requiresArg: true, describe: 'Also write the new CRL to this file' })
      .example(
        '$0 revoke alice --reason keyCompromise --out /etc/culvert/crl.pem',
        'culvertd ends her live sessions within a second',
      ),
  handler: (args) =>
    withSigningCa(args, async (ca) => {
      const revoked = await ca.revoke(args.which, args.reason);
      const crl = join(args.dir, 'crl.pem');
      if (args.out !== undefined) writeFileAtomically(args.out, ca.authority.crl, 0o644);
      if (args.json)
        return printJson({
          revoked: revoked.map(describe),
          crl,
          crlNumber: ca.authority.crlNumber,
          ...(args.out && { out: args.out }),
        });
      for (const { name, serial } of revoked) process.stdout.write(`Revoked ${name}, serial ${serial}.\n`);
      process.stdout.write(`Wrote ${args.out ?? `${crl}: give it to every gateway`}\n`);
    }),
};
