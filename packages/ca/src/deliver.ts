/** What every format of `culvert-ca export` does: whose certificate, and where the file goes. */
import { type CaDirectory, type CertificateRecord, makePkcs12, writeFileAtomically } from '@culvert/pki';
import { printJson, UsageError } from '@culvert/terminal';
import { day } from './ca-access.ts';
import type { ExportArguments } from './export.ts';
import { describe, statusOf } from './list.ts';
import { readSecret } from './secret-input.ts';

/** The newest certificate of a client, or the one with this serial. Throws UsageError unless it opens connections. */
export function clientOf(ca: CaDirectory, which: string): CertificateRecord {
  const record = ca.find(which);
  if (record.role !== 'client') throw new UsageError(`${record.name} is a server: its certificate opens no connection`);
  if (statusOf(record) !== 'valid')
    throw new UsageError(`the certificate of ${record.name} is ${statusOf(record)}: issue a new one`);
  return record;
}

/** Key, certificate and the CA's as PKCS#12, under a password from --password-file or the terminal. */
export async function pkcs12Of(args: ExportArguments, ca: CaDirectory, record: CertificateRecord): Promise<Uint8Array> {
  const privateKey = ca.privateKey(record.serial);
  const source = { file: args['password-file'], question: 'Password of the certificate file: ', twice: true };
  const password = await readSecret(source, 'use --password-file');
  if (!/^[\x20-\x7e]+$/.test(password))
    throw new UsageError('the password is printable ASCII: systems disagree on the rest');
  const { certificate, name } = record;
  const strength = args.legacy ? 'legacy' : 'modern';
  return makePkcs12({ privateKey, certificate, ca: ca.authority.certificate, name, password, strength });
}

/** Writes the file, to standard output where it is asked for; then the CA forgets the key where that is. */
export async function deliver(
  args: ExportArguments,
  ca: CaDirectory,
  record: CertificateRecord,
  file: { readonly text: string | Uint8Array; readonly name: string },
  more: object = {},
): Promise<void> {
  writeOut(args, file);
  if (args['forget-key']) await ca.forgetPrivateKey(record.serial);
  if (args.out === '-') return;
  if (args.json) return printJson({ ...describe(ca.find(record.serial)), file: args.out ?? file.name, ...more });
  process.stdout.write(
    `Wrote ${args.out ?? file.name}, valid until ${day(record.notAfter)}. It holds a private key: hand it over safely.\n`,
  );
}

export function writeOut(
  args: ExportArguments,
  file: { readonly text: string | Uint8Array; readonly name: string },
): void {
  if (args.out === '-') process.stdout.write(file.text);
  else writeFileAtomically(args.out ?? file.name, file.text, 0o600);
}
