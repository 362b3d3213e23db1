import { join } from 'node:path';
import { parseCrl, writeFileAtomically } from '@culvert/pki';
import type { CommandModule } from '@culvert/terminal';
import { printJson, UsageError } from '@culvert/terminal';
import { day, type SigningArguments, signingOptions, withCa, withSigningCa } from './ca-access.ts';

interface Arguments extends SigningArguments {
  readonly renew: boolean;
  readonly days: number | undefined;
  readonly out: string | undefined;
}

export const crlCommand: CommandModule<unknown, Arguments> = {
  command: 'crl',
  describe: 'Show the CRL, write it to a file, or sign it anew for longer',
  builder: (y) =>
    signingOptions(y)
      .option('renew', { type: 'boolean', default: false, describe: 'Sign it anew, valid from now' })
      .option('days', {
        type: 'number',
        requiresArg: true,
        describe: 'With --renew: how long it is valid [default: as given to init]',
      })
      .option('out', { type: 'string', requiresArg: true, describe: 'Write it to this file (- for standard output)' })
      .example('$0 crl --renew --out /etc/culvert/crl.pem', 'for a monthly timer'),
  handler: (args) => {
    if (args.days !== undefined && !args.renew) throw new UsageError('--days needs --renew');
    const access = args.renew ? withSigningCa : withCa;
    return access(args, async (ca) => {
      const pem = args.renew ? await ca.renewCrl(args.days) : ca.authority.crl;
      report(args, pem, ca.authority.crlNumber);
    });
  },
};

function report(args: Arguments, pem: string, number: number): void {
  if (args.out === '-') {
    process.stdout.write(pem);
    return;
  }
  if (args.out !== undefined) writeFileAtomically(args.out, pem, 0o644);
  const { serials, thisUpdate, nextUpdate } = parseCrl(pem);
  const file = args.out ?? join(args.dir, 'crl.pem');
  if (args.json) {
    const times = {
      thisUpdate: new Date(thisUpdate).toISOString(),
      nextUpdate: new Date(nextUpdate ?? 0).toISOString(),
    };
    printJson({ number, ...times, serials: [...serials], file });
    return;
  }
  process.stdout.write(
    `CRL ${number} lists ${serials.size} certificate${serials.size === 1 ? '' : 's'}, valid until ${day(nextUpdate ?? 0)}: ${file}\n`,
  );
}
