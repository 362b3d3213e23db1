import { makePkcs12, writeFileAtomically } from '@culvert/pki';
import type { CommandModule } from '@culvert/terminal';
import { printJson, UsageError } from '@culvert/terminal';
import { type CommonArguments, commonOptions, withCa } from './ca-access.ts';
import { describe } from './list.ts';
import { readSecret } from './secret-input.ts';

interface Arguments extends CommonArguments {
  readonly which: string;
  readonly 'password-file': string | undefined;
  readonly legacy: boolean;
  readonly out: string | undefined;
}

export const exportP12Command: CommandModule<unknown, Arguments> = {
  command: 'export-p12 <which>',
  describe: 'Write key, certificate and CA certificate as one PKCS#12 file, for phones and desktops',
  builder: (y) =>
    commonOptions(y)
      .positional('which', {
        type: 'string',
        demandOption: true,
        describe: 'A name (its newest certificate) or a serial number',
      })
      .option('password-file', {
        type: 'string',
        requiresArg: true,
        describe: 'File with the password of the new file (- for standard input); else asked for',
      })
      .option('legacy', {
        type: 'boolean',
        default: false,
        describe: '3DES and SHA-1, for Windows before 10 (1709) and macOS before 15',
      })
      .option('out', { type: 'string', requiresArg: true, describe: 'File to write [default: NAME.p12]' })
      .example('$0 export-p12 alice', 'asks for a password and writes alice.p12'),
  handler: (args) =>
    withCa(args, async (ca) => {
      const record = ca.find(args.which);
      const privateKey = ca.privateKey(record.serial);
      const source = { file: args['password-file'], question: 'Password of the new file: ', twice: true };
      const password = await readSecret(source, 'use --password-file');
      if (!/^[\x20-\x7e]+$/.test(password))
        throw new UsageError('the password is printable ASCII: systems disagree on the rest');
      const { certificate, name } = record;
      const strength = args.legacy ? 'legacy' : 'modern';
      const der = makePkcs12({ privateKey, certificate, ca: ca.authority.certificate, name, password, strength });
      const out = args.out ?? `${name}.p12`;
      writeFileAtomically(out, der, 0o600);
      if (args.json) return printJson({ ...describe(record), file: out });
      process.stdout.write(`Wrote ${out}\n`);
    }),
};
