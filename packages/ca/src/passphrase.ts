import type { CommandModule } from '@culvert/terminal';
import { printJson, UsageError } from '@culvert/terminal';
import { type SigningArguments, signingOptions, withCa } from './ca-access.ts';
import { readPassphrase, readSecret } from './secret-input.ts';

interface Arguments extends SigningArguments {
  readonly 'new-passphrase-file': string | undefined;
  readonly 'no-passphrase': boolean;
}

export const passphraseCommand: CommandModule<unknown, Arguments> = {
  command: 'passphrase',
  describe: 'Change the passphrase that seals the CA key',
  builder: (y) =>
    signingOptions(y)
      .option('new-passphrase-file', {
        type: 'string',
        requiresArg: true,
        describe: 'File with the new passphrase; else asked for',
      })
      .option('no-passphrase', {
        type: 'boolean',
        default: false,
        describe: 'Unseal the key, protected by its file mode alone',
      })
      .example('$0 passphrase', 'asks for the old and the new one'),
  handler: (args) =>
    withCa(args, async (ca) => {
      const { name, sealed } = ca.authority;
      if (args['no-passphrase'] && args['new-passphrase-file'] !== undefined)
        throw new UsageError('--no-passphrase needs no new passphrase');
      const from = sealed
        ? await readPassphrase({ file: args['passphrase-file'], question: `Passphrase of ${name}: `, twice: false })
        : undefined;
      const to = args['no-passphrase'] ? undefined : await newPassphrase(args['new-passphrase-file']);
      await ca.changePassphrase(from, to);
      if (args.json) return printJson({ name, sealed: to !== undefined });
      process.stdout.write(
        to === undefined ? 'The CA key is no longer sealed.\n' : 'The CA key is sealed with the new passphrase.\n',
      );
    }),
};

async function newPassphrase(file: string | undefined): Promise<string> {
  const source = { file, question: 'New passphrase: ', twice: true };
  const passphrase = await readSecret(source, 'use --new-passphrase-file');
  if (passphrase === '') throw new UsageError('the new passphrase is empty');
  return passphrase;
}
