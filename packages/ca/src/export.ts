import { readFileSync } from 'node:fs';
import {
  emptyOpenvpnProfile,
  type OpenvpnProfile,
  type OpenvpnRemote,
  type ProfileWrap,
  printOpenvpnProfile,
} from '@culvert/config';
import {
  type CaDirectory,
  type CertificateRecord,
  generateTlsCryptV2ClientKey,
  parseStaticKey,
  parseTlsCryptV2ServerKey,
  writeFileAtomically,
} from '@culvert/pki';
import { printJson, UsageError } from '@culvert/terminal';
import type { CommandModule } from 'yargs';
import { type CommonArguments, commonOptions, day, systemClock, withCa } from './ca-access.ts';
import { describe, statusOf } from './list.ts';
import { parseRemote } from './remote.ts';

interface Arguments extends CommonArguments {
  readonly which: string;
  readonly remote: readonly string[];
  readonly server: string | undefined;
  readonly 'tls-crypt-v2-server-key': string | undefined;
  readonly 'tls-crypt': string | undefined;
  readonly 'no-tls-crypt': boolean;
  readonly password: boolean;
  readonly 'forget-key': boolean;
  readonly out: string | undefined;
}

export const exportCommand: CommandModule<unknown, Arguments> = {
  command: 'export <which>',
  describe: 'Write a profile with all that a client needs in one .ovpn file',
  builder: (y) =>
    commonOptions(y)
      .positional('which', {
        type: 'string',
        demandOption: true,
        describe: "A client's name (its newest certificate) or a serial number",
      })
      .option('remote', {
        type: 'string',
        array: true,
        nargs: 1,
        demandOption: true,
        describe: 'HOST[:PORT[:udp|tcp]] of the gateway; several are tried in order',
      })
      .option('server', {
        type: 'string',
        requiresArg: true,
        describe: "Name in the gateway's certificate [default: that of the only valid server certificate]",
      })
      .option('tls-crypt-v2-server-key', {
        type: 'string',
        requiresArg: true,
        describe: "The gateway's key, if not the CA's own",
      })
      .option('tls-crypt', {
        type: 'string',
        requiresArg: true,
        describe: 'Use tls-crypt with this static key instead',
      })
      .option('no-tls-crypt', { type: 'boolean', default: false, describe: 'Use neither: for a server that has none' })
      .option('password', {
        type: 'boolean',
        default: false,
        describe: 'The client asks for user name and password too',
      })
      .option('forget-key', { type: 'boolean', default: false, describe: 'Then erase the private key from the CA' })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'File to write (- for standard output) [default: NAME.ovpn]',
      })
      .conflicts({
        'tls-crypt': ['tls-crypt-v2-server-key', 'no-tls-crypt'],
        'no-tls-crypt': 'tls-crypt-v2-server-key',
      })
      .example('$0 export alice --remote vpn.example.com', 'UDP port 1194')
      .example(
        '$0 export alice --remote vpn.example.com:1194:udp --remote vpn.example.com:443:tcp --out -',
        'TCP where UDP is blocked',
      ),
  handler: (args) => withCa(args, (ca) => exportProfile(args, ca)),
};

async function exportProfile(args: Arguments, ca: CaDirectory): Promise<void> {
  const record = ca.find(args.which);
  if (record.role !== 'client') throw new UsageError(`${record.name} is a server: its certificate opens no connection`);
  if (statusOf(record) !== 'valid')
    throw new UsageError(`the certificate of ${record.name} is ${statusOf(record)}: issue a new one`);
  const profile = makeProfile(args, ca, record);
  const text = printOpenvpnProfile(profile);
  const out = args.out ?? `${record.name}.ovpn`;
  if (out === '-') process.stdout.write(text);
  else writeFileAtomically(out, text, 0o600);
  if (args['forget-key']) await ca.forgetPrivateKey(record.serial);
  if (out === '-') return;
  if (args.json) return printJson({ ...describe(ca.find(record.serial)), file: out, remotes: profile.remotes });
  process.stdout.write(
    `Wrote ${out}, valid until ${day(record.notAfter)}. It holds a private key: hand it over safely.\n`,
  );
}

function makeProfile(args: Arguments, ca: CaDirectory, record: CertificateRecord): OpenvpnProfile {
  const remotes: readonly OpenvpnRemote[] = args.remote.map(parseRemote);
  const server = args.server ?? onlyServer(ca);
  if (server === undefined) {
    process.stderr.write(
      "warning: the gateway's name is not checked: give it with --server, as the CA has not exactly one server certificate\n",
    );
  }
  return {
    ...emptyOpenvpnProfile(),
    remotes,
    ca: { kind: 'inline', text: ca.authority.certificate },
    certificate: { kind: 'inline', text: record.certificate },
    privateKey: { kind: 'inline', text: ca.privateKey(record.serial) },
    remoteCertTls: 'server',
    serverName: server === undefined ? undefined : { kind: 'name', value: server },
    tlsVersionMin: '1.2',
    wrap: makeWrap(args, ca),
    dataCiphers: ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'],
    auth: 'SHA256',
    credentials: args.password ? { kind: 'prompt' } : undefined,
    resolveRetry: 'infinite',
    // OpenVPN refuses the directive beside a TCP remote.
    explicitExitNotify: remotes.every(({ protocol }) => protocol === 'udp') ? 1 : undefined,
  };
}

function makeWrap(args: Arguments, ca: CaDirectory): ProfileWrap {
  if (args['no-tls-crypt']) return { kind: 'none' };
  if (args['tls-crypt'] !== undefined) {
    const text = readFileSync(args['tls-crypt'], 'utf8');
    parseStaticKey(text);
    return { kind: 'tls-crypt', key: { kind: 'inline', text: text.replaceAll('\r', '') } };
  }
  const file = args['tls-crypt-v2-server-key'];
  const serverKey = parseTlsCryptV2ServerKey(
    file === undefined ? ca.authority.tlsCryptV2ServerKey : readFileSync(file, 'utf8'),
  );
  const text = generateTlsCryptV2ClientKey(serverKey, Math.floor(systemClock.unixMillis() / 1000));
  return { kind: 'tls-crypt-v2', key: { kind: 'inline', text } };
}

function onlyServer(ca: CaDirectory): string | undefined {
  const names = new Set(
    ca.list().flatMap((record) => (record.role === 'server' && statusOf(record) === 'valid' ? [record.name] : [])),
  );
  return names.size === 1 ? [...names][0] : undefined;
}
