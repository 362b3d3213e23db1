import { X509Certificate } from 'node:crypto';
import { type CaDirectory, parseCrl } from '@culvert/pki';
import type { CommandModule } from '@culvert/terminal';
import { printJson } from '@culvert/terminal';
import { type CommonArguments, commonOptions, withCa } from './ca-access.ts';
import { describe, statusOf } from './list.ts';

interface Arguments extends CommonArguments {
  readonly which: string | undefined;
}

export const showCommand: CommandModule<unknown, Arguments> = {
  command: 'show [which]',
  describe: 'Show the CA, or one certificate',
  builder: (y) =>
    commonOptions(y)
      .positional('which', { type: 'string', describe: 'A name (its newest certificate) or a serial number' })
      .example('$0 show', 'the CA, its CRL and how many certificates it has')
      .example('$0 show alice', 'one certificate, with its PEM'),
  handler: (args) =>
    withCa(args, async (ca) => {
      const facts = args.which === undefined ? caFacts(ca) : certificateFacts(ca, args.which);
      if (args.json) return printJson(facts);
      const { pem, ...rest } = facts;
      const width = Math.max(...Object.keys(rest).map((key) => key.length));
      for (const [key, value] of Object.entries(rest)) process.stdout.write(`${key.padEnd(width)}  ${String(value)}\n`);
      process.stdout.write(pem);
    }),
};

function caFacts(ca: CaDirectory) {
  const { name, algorithm, sealed, certificate, crl, crlNumber } = ca.authority;
  const { nextUpdate } = parseCrl(crl);
  const count = (status: string) => ca.list().filter((record) => statusOf(record) === status).length;
  return {
    name,
    directory: ca.path,
    algorithm,
    sealed,
    notAfter: new Date(ca.notAfter).toISOString(),
    fingerprint256: new X509Certificate(certificate).fingerprint256,
    valid: count('valid'),
    expired: count('expired'),
    revoked: count('revoked'),
    crlNumber,
    crlNextUpdate: new Date(nextUpdate ?? 0).toISOString(),
    pem: certificate,
  };
}

function certificateFacts(ca: CaDirectory, which: string) {
  const record = ca.find(which);
  const { fingerprint256, subjectAltName } = new X509Certificate(record.certificate);
  return { ...describe(record), ...(subjectAltName && { subjectAltName }), fingerprint256, pem: record.certificate };
}
