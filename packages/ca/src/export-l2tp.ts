/** The work of `culvert-ca export --format mobileconfig` and `powershell`: L2TP/IPsec for what systems have built in. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type L2tpProfile, type PortableAuth, printAppleProfile, printWindowsProfile } from '@culvert/config';
import type { CaDirectory } from '@culvert/pki';
import { printJson, UsageError } from '@culvert/terminal';
import { withCa } from './ca-access.ts';
import { clientOf, deliver, pkcs12Of, writeOut } from './deliver.ts';
import type { ExportArguments } from './export.ts';
import { statusOf } from './list.ts';
import { readSecret } from './secret-input.ts';

export async function exportL2tp(args: ExportArguments): Promise<void> {
  const server = serverOf(args);
  if (args['psk-file'] !== undefined) return exportWithSecret(args, server);
  await withCa(args, async (ca) => {
    const record = clientOf(ca, args.which);
    const pkcs12 = await pkcs12Of(args, ca, record);
    const ca509 = new Uint8Array(new X509Certificate(ca.authority.certificate).raw);
    warnOfCurves(record.certificate, gatewayCertificate(ca, server));
    const machineAuth = { kind: 'pkcs12', pkcs12, password: undefined, ca: ca509 } as const;
    await deliver(args, ca, record, print(args, profileOf(args, server, record.name, machineAuth)), { server });
  });
}

/** No certificate, so the CA is not even opened. */
async function exportWithSecret(args: ExportArguments, server: string): Promise<void> {
  const secret = await readSecret({ file: args['psk-file'], question: '', twice: false }, 'use --psk-file');
  if (args.which.includes('/') && args.out === undefined)
    throw new UsageError('a user name with / in it names no file: say with --out where to write');
  if (secret === '') throw new UsageError(`--psk-file ${args['psk-file']} is empty`);
  const machineAuth = { kind: 'psk', psk: new Uint8Array(Buffer.from(secret)) } as const;
  const file = print(args, profileOf(args, server, args.which, machineAuth));
  writeOut(args, file);
  if (args.out === '-') return;
  if (args.json) return printJson({ name: args.which, file: args.out ?? file.name, server });
  process.stdout.write(`Wrote ${args.out ?? file.name}. It holds the shared secret: hand it over safely.\n`);
}

function serverOf({ remote }: ExportArguments): string {
  const [server, ...more] = remote;
  const isName = server !== undefined && /^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?$/.test(server);
  if (more.length > 0 || server === undefined || (!isName && isIP(server) === 0))
    throw new UsageError('--remote is one HOST here, a name or an address: L2TP/IPsec has ports of its own');
  return server;
}

function profileOf(
  args: ExportArguments,
  server: string,
  username: string,
  machineAuth: PortableAuth,
): L2tpProfile<PortableAuth> {
  const name = args.title ?? server;
  return { name, server, username, password: undefined, machineAuth, redirect: !args['split-tunnel'] };
}

function print({ format, which }: ExportArguments, profile: L2tpProfile<PortableAuth>): { text: string; name: string } {
  const name = profile.username ?? which;
  if (format === 'powershell') return { text: printWindowsProfile(profile), name: `${name}.ps1` };
  return { text: printAppleProfile(profile), name: `${name}.mobileconfig` };
}

/** The newest valid certificate of a server that has this name or address; whoever dials looks for it there. */
function gatewayCertificate(ca: CaDirectory, server: string): string | undefined {
  const records = ca.list().filter((record) => record.role === 'server' && statusOf(record) === 'valid');
  const named = records.find(({ certificate }) => {
    const parsed = new X509Certificate(certificate);
    return (isIP(server) === 0 ? parsed.checkHost(server) : parsed.checkIP(server)) !== undefined;
  });
  if (named === undefined) {
    const san = records[0] === undefined ? `culvert-ca issue server ${server}` : `issue one with --san ${server}`;
    process.stderr.write(
      `warning: no valid server certificate of this CA names ${server}, which Windows and macOS look for: ${san} --algorithm rsa-3072\n`,
    );
  }
  return named?.certificate;
}

/** IKEv1 of Windows and macOS signs with RSA alone. */
function warnOfCurves(client: string, server: string | undefined): void {
  const isCurve = (certificate: string | undefined) =>
    certificate !== undefined && new X509Certificate(certificate).publicKey.asymmetricKeyType !== 'rsa';
  const whose = [isCurve(client) ? "the client's" : '', isCurve(server) ? "the gateway's" : ''].filter(Boolean);
  if (whose.length === 0) return;
  process.stderr.write(
    `warning: Windows and macOS take RSA certificates for L2TP/IPsec: issue ${whose.join(' and ')} with --algorithm rsa-3072\n`,
  );
}
