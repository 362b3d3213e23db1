/** The work of `culvert-ca export --format ovpn`. */
import { readFileSync } from 'node:fs';
import {
  emptyOpenvpnProfile,
  makeTlsCryptV2ClientKey,
  type OpenvpnProfile,
  type OpenvpnRemote,
  type ProfileWrap,
  parseStaticKey,
  parseTlsCryptV2ServerKey,
  printOpenvpnProfile,
  printTlsCryptV2ClientKey,
  timeMetadata,
} from '@culvert/config';
import type { CaDirectory, CertificateRecord } from '@culvert/pki';
import { UsageError } from '@culvert/terminal';
import { systemClock, systemRandom, withCa } from './ca-access.ts';
import { clientOf, deliver } from './deliver.ts';
import type { ExportArguments } from './export.ts';
import { statusOf } from './list.ts';
import { parseRemote } from './remote.ts';

export async function exportOpenvpn(args: ExportArguments): Promise<void> {
  const wraps = [args['tls-crypt'], args['tls-crypt-v2-server-key'], args['no-tls-crypt'] || undefined];
  if (wraps.filter((wrap) => wrap !== undefined).length > 1) {
    throw new UsageError('--tls-crypt, --tls-crypt-v2-server-key and --no-tls-crypt exclude each other');
  }
  if (args.remote.length === 0) throw new UsageError('--remote is missing: HOST[:PORT[:udp|tcp]] of the gateway');
  await withCa(args, async (ca) => {
    const record = clientOf(ca, args.which);
    const profile = makeProfile(args, ca, record);
    const out = { text: printOpenvpnProfile(profile), name: `${record.name}.ovpn` };
    await deliver(args, ca, record, out, { remotes: profile.remotes });
  });
}

function makeProfile(args: ExportArguments, ca: CaDirectory, record: CertificateRecord): OpenvpnProfile {
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

function makeWrap(args: ExportArguments, ca: CaDirectory): ProfileWrap {
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
  const metadata = timeMetadata(Math.floor(systemClock.unixMillis() / 1000));
  const key = makeTlsCryptV2ClientKey(serverKey, metadata, systemRandom);
  return { kind: 'tls-crypt-v2', key: { kind: 'inline', text: printTlsCryptV2ClientKey(key) } };
}

function onlyServer(ca: CaDirectory): string | undefined {
  const names = new Set(
    ca.list().flatMap((record) => (record.role === 'server' && statusOf(record) === 'valid' ? [record.name] : [])),
  );
  return names.size === 1 ? [...names][0] : undefined;
}
