import { join } from 'node:path';
import { makeTlsCryptV2ServerKey, printTlsCryptV2ServerKey } from '@culvert/config';
import { CaDirectory, defaultDays, type KeyAlgorithm, keyAlgorithms } from '@culvert/pki';
import type { CommandModule } from '@culvert/terminal';
import { printJson, UsageError } from '@culvert/terminal';
import { day, type SigningArguments, signingOptions, systemClock, systemRandom, withExitCodes } from './ca-access.ts';
import { readPassphrase } from './secret-input.ts';

interface Arguments extends SigningArguments {
  readonly name: string;
  readonly organization: string | undefined;
  readonly days: number;
  readonly 'crl-days': number;
  readonly algorithm: KeyAlgorithm;
  readonly 'no-passphrase': boolean;
}

export const initCommand: CommandModule<unknown, Arguments> = {
  command: 'init',
  describe: 'Make a CA: its key, its certificate, an empty CRL and a tls-crypt-v2 server key',
  builder: (y) =>
    signingOptions(y)
      .option('name', {
        type: 'string',
        requiresArg: true,
        default: 'Culvert CA',
        describe: 'Name of the CA in every certificate',
      })
      .option('organization', { type: 'string', requiresArg: true, describe: 'Organization in the CA certificate' })
      .option('days', {
        type: 'number',
        requiresArg: true,
        default: defaultDays.ca,
        describe: 'How long the CA is valid',
      })
      .option('crl-days', {
        type: 'number',
        requiresArg: true,
        default: defaultDays.crl,
        describe: 'How long each CRL is valid',
      })
      .option('algorithm', {
        choices: keyAlgorithms,
        default: 'ec-p256' as KeyAlgorithm,
        describe: 'Kind of the CA key',
      })
      .option('no-passphrase', {
        type: 'boolean',
        default: false,
        describe: 'Leave the CA key unsealed, protected by its file mode alone',
      })
      .example('$0 init --name "Example Office CA"', 'asks for a passphrase that seals the CA key')
      .example('$0 init --dir ./ca --no-passphrase', 'for tests'),
  handler: (args) => withExitCodes(() => init(args)),
};

async function init(args: Arguments): Promise<void> {
  const passphrase = args['no-passphrase'] ? undefined : await newPassphrase(args['passphrase-file']);
  if (passphrase === undefined)
    process.stderr.write(`warning: the CA key is not sealed; who can read ${args.dir} can issue certificates\n`);
  const { name, organization, days, 'crl-days': crlDays, algorithm } = args;
  const named = organization === undefined ? { name } : { name, organization };
  const ca = await CaDirectory.create(args.dir, {
    ...named,
    days,
    crlDays,
    algorithm,
    passphrase,
    // So that every gateway of this CA can open the wrapped keys of its clients.
    tlsCryptV2ServerKey: printTlsCryptV2ServerKey(makeTlsCryptV2ServerKey(systemRandom)),
    clock: systemClock,
  });
  try {
    report(args, ca);
  } finally {
    ca.close();
  }
}

async function newPassphrase(file: string | undefined): Promise<string> {
  const passphrase = await readPassphrase({ file, question: 'Passphrase for the new CA key: ', twice: true });
  if (passphrase === '') throw new UsageError('the passphrase is empty; --no-passphrase leaves the key unsealed');
  return passphrase;
}

function report(args: Arguments, ca: CaDirectory): void {
  const files = Object.fromEntries(
    ['ca.crt', 'crl.pem', 'tls-crypt-v2-server.key', 'ca.sqlite'].map((file) => [file, join(args.dir, file)]),
  );
  const { name, algorithm, sealed } = ca.authority;
  if (args.json) {
    printJson({ name, algorithm, sealed, notAfter: new Date(ca.notAfter).toISOString(), files });
    return;
  }
  process.stdout.write(
    `Made "${name}" in ${args.dir}, valid until ${day(ca.notAfter)}. Everything that matters is in ca.sqlite: back it up.\n` +
      `Next: culvert-ca issue server vpn.example.com\n`,
  );
}
