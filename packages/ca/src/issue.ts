import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CaDirectory,
  type CertificateRecord,
  type CertificateRole,
  defaultDays,
  type KeyAlgorithm,
  keyAlgorithms,
  writeFileAtomically,
} from '@culvert/pki';
import type { CommandModule } from '@culvert/terminal';
import { printJson } from '@culvert/terminal';
import { day, type SigningArguments, signingOptions, withSigningCa } from './ca-access.ts';
import { describe } from './list.ts';

interface Arguments extends SigningArguments {
  readonly role: CertificateRole;
  readonly name: string;
  readonly san: readonly string[];
  readonly days: number | undefined;
  readonly algorithm: KeyAlgorithm;
  readonly another: boolean;
  readonly out: string | undefined;
}

export const issueCommand: CommandModule<unknown, Arguments> = {
  command: 'issue <role> <name>',
  describe: 'Make a key and a certificate for a server or a client',
  builder: (y) =>
    signingOptions(y)
      .positional('role', { choices: ['server', 'client'] as const, demandOption: true, describe: 'What it is for' })
      .positional('name', { type: 'string', demandOption: true, describe: "A server's DNS name, or a user's name" })
      .option('san', {
        type: 'string',
        array: true,
        nargs: 1,
        default: [],
        describe: 'One more DNS name or IP address of a server',
      })
      .option('days', {
        type: 'number',
        requiresArg: true,
        describe: `How long it is valid [default: ${defaultDays.server} for a server, ${defaultDays.client} for a client]`,
      })
      .option('algorithm', { choices: keyAlgorithms, default: 'ec-p256' as KeyAlgorithm, describe: 'Kind of the key' })
      .option('another', {
        type: 'boolean',
        default: false,
        describe: 'Issue although a valid certificate has this name',
      })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'Directory for copies: NAME.crt, NAME.key, and for a server all that it needs of the CA',
      })
      .example(
        '$0 issue server vpn.example.com --out /etc/culvert',
        'certificate, key, ca.crt, crl.pem, tls-crypt-v2-server.key',
      )
      .example('$0 issue client alice', 'then: culvert-ca export alice --remote vpn.example.com'),
  handler: (args) => withSigningCa(args, (ca) => issue(args, ca)),
};

async function issue(args: Arguments, ca: CaDirectory): Promise<void> {
  const { role, name, san, algorithm, another } = args;
  const days = args.days === undefined ? {} : { days: args.days };
  const record = await ca.issue({ role, name, subjectAltNames: san, algorithm, another, ...days });
  const files = args.out === undefined ? [] : writeCopies(args.out, ca, record);
  reportIssued(
    args,
    record,
    files,
    role === 'client' ? `Next: culvert-ca export ${quoted(name)} --remote vpn.example.com\n` : '',
  );
}

/** What `issue` and `renew` say when they are done. */
export function reportIssued(
  args: { readonly json: boolean },
  record: CertificateRecord,
  files: readonly string[],
  next: string,
): void {
  if (args.json) {
    printJson({ ...describe(record), files });
    return;
  }
  process.stdout.write(
    `Issued a ${record.role} certificate for ${record.name}, serial ${record.serial}, valid until ${day(record.notAfter)}.\n`,
  );
  for (const file of files) process.stdout.write(`Wrote ${file}\n`);
  process.stdout.write(next);
}

/** Writes the certificate and its key, and beside a server's what `culvertd` or `openvpn` needs too. Returns the paths. */
export function writeCopies(out: string, ca: CaDirectory, record: CertificateRecord): string[] {
  mkdirSync(out, { recursive: true });
  const readers = readersOf(out);
  const secret = readers === undefined ? 0o600 : 0o640;
  const { certificate, crl, tlsCryptV2ServerKey } = ca.authority;
  const copies: [file: string, content: string, mode: number][] = [
    [`${record.name}.crt`, record.certificate, 0o644],
    [`${record.name}.key`, ca.privateKey(record.serial), secret],
    ['ca.crt', certificate, 0o644],
  ];
  if (record.role === 'server')
    copies.push(['crl.pem', crl, 0o644], ['tls-crypt-v2-server.key', tlsCryptV2ServerKey, secret]);
  return copies.map(([file, content, mode]) => {
    const path = join(out, file);
    writeFileAtomically(path, content, mode, readers);
    return path;
  });
}

/**
 * The group that may read secrets in `directory`, where there is one: /etc/culvert is root:culvert and closed to others, so that
 * the gateway, which is not root, reads its key there, and goes on doing so after a renewal.
 */
function readersOf(directory: string): number | undefined {
  const { gid, mode } = statSync(directory);
  const isClosed = (mode & 0o007) === 0 && (mode & 0o050) === 0o050;
  return isClosed && gid !== process.getgid?.() ? gid : undefined;
}

/** `name` as a shell takes it. */
function quoted(name: string): string {
  return /^[\w.@:-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;
}
