/**
 * NetworkManager's keyfiles (.nmconnection) with an L2TP/IPsec connection: parse and print.
 *
 * Keys are those of the plugin network-manager-l2tp (shared/nm-service-defines.h). Those of `[culvert]` are ours: certificates inside the
 * file, the secret of the L2TP tunnel, and `accept-insecure`. What is printed is read back as it was.
 */
import {
  type IpsecProposals,
  offered,
  type Proposal,
  printProposals,
  type ReadProposals,
  readEspProposals,
  readIkeProposals,
} from './ipsec-proposals.ts';
import { printKeyfile } from './keyfile.ts';
import type { L2tpConnection, SharedSecretAuth } from './l2tp-profile.ts';
import { readVpnNetwork, vpnNetworkGroups } from './network-manager-network.ts';
import { echoKeys, readEcho, readUser } from './network-manager-ppp.ts';
import { ConnectionReader } from './network-manager-reader.ts';
import type { ParsedProfileOf } from './problem.ts';

const L2TP = 'org.freedesktop.NetworkManager.l2tp';

/** What we do in our own way, or not at all, and what may be said of it. */
const passedOver = new Map([
  ['ipsec-ikev2', 'IKEv1 is what is spoken'],
  ['ipsec-ipcomp', 'nothing is compressed'],
  ['ipsec-group-name', 'it would make IKE use aggressive mode'],
  ['require-mppe', 'IPsec encrypts already'],
]);

/**
 * Parses a connection. Never throws for what the text holds.
 *
 * @param options.file its name, for problems
 */
export function parseNetworkManagerL2tp(
  text: string,
  { file }: { readonly file: string },
): ParsedProfileOf<L2tpConnection> {
  const from = new ConnectionReader(text, file);
  if (from.text('vpn', 'service-type') !== L2TP) from.report('vpn', 'service-type', L2TP);
  if (!from.isYes('ipsec-enabled')) from.report('vpn', 'ipsec-enabled', 'yes: L2TP alone protects nothing');
  if (from.text('vpn', 'user-auth-type') === 'tls') from.report('vpn', 'user-auth-type', 'password');
  for (const [key, why] of passedOver) {
    if ((from.group('vpn').get(key)?.text ?? 'no') !== 'no') from.report('vpn', key, `none: ${why}`, 'warning');
  }
  const server = from.need('gateway');
  return from.result({
    name: from.text('connection', 'id') ?? server,
    server,
    username: readUser(from),
    password: from.secret('password'),
    machineAuth:
      from.text('vpn', 'machine-auth-type') === 'tls' ? certificatesOf(from) : sharedSecretOf(from.secret('ipsec-psk')),
    domain: from.text('vpn', 'domain'),
    authentication: authenticationOf(from),
    tunnelSecret: from.text('culvert', 'tunnel-secret'),
    remoteId: remoteIdOf(from),
    proposals: proposalsOf(from),
    lifetimes: {
      phase1Seconds: secondsOf(from, 'ipsec-ikelifetime'),
      phase2Seconds: secondsOf(from, 'ipsec-salifetime'),
    },
    mru: from.number('mru', 4),
    echo: readEcho(from),
    network: readVpnNetwork(from),
    acceptInsecure: from.isTrue('culvert', 'accept-insecure'),
  });
}

function certificatesOf(from: ConnectionReader): L2tpConnection['machineAuth'] {
  const passphrase = from.secret('machine-certpass');
  const [certificate, privateKey, ca] = ['certificate', 'private-key', 'ca'].map((key) => from.text('culvert', key));
  if (certificate !== undefined && privateKey !== undefined && ca !== undefined)
    return { kind: 'pem', certificate, privateKey, passphrase, ca };
  return {
    kind: 'files',
    certificate: from.need('machine-cert'),
    privateKey: from.need('machine-key'),
    passphrase,
    ca: from.text('vpn', 'machine-ca'),
  };
}

/** As in ipsec.secrets: `0s` and base64, or text. */
function sharedSecretOf(text: string | undefined): SharedSecretAuth {
  if (text === undefined) return { kind: 'psk', psk: undefined };
  const [, base64] = /^0s([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  return { kind: 'psk', psk: new Uint8Array(base64 === undefined ? Buffer.from(text) : Buffer.from(base64, 'base64')) };
}

/** PAP shows the password to whoever has the shared secret, so it is taken only where the connection refuses what is better. */
function authenticationOf(from: ConnectionReader): 'mschapv2' | 'pap' {
  if (!from.isYes('refuse-mschapv2')) return 'mschapv2';
  if (from.isYes('refuse-pap')) from.report('vpn', 'refuse-mschapv2', 'no: MS-CHAPv2 and PAP are the ways to sign in');
  return 'pap';
}

/** `@` marks a name. `%any` would let every certificate of the CA pose as the server. */
function remoteIdOf(from: ConnectionReader): string | undefined {
  const key = from.text('vpn', 'ipsec-remote-id') === undefined ? 'ipsec-gateway-id' : 'ipsec-remote-id';
  const id = from.text('vpn', key)?.replace(/^@/, '');
  if (id === undefined || /^[\w.:-]+$/.test(id)) return id;
  from.report(
    'vpn',
    key,
    "a name or an address of the server's certificate, else its gateway is what it must say",
    'warning',
  );
  return undefined;
}

function proposalsOf(from: ConnectionReader): IpsecProposals {
  return {
    ike: listOf(from, 'ipsec-ike', readIkeProposals, 'aes256-sha256-modp2048'),
    esp: listOf(from, 'ipsec-esp', readEspProposals, 'aes256-sha256'),
  };
}

function listOf<Each extends Proposal<unknown>>(
  from: ConnectionReader,
  key: string,
  read: (text: string) => ReadProposals<Each>,
  example: string,
): readonly Each[] | undefined {
  const text = from.text('vpn', key);
  if (text === undefined) return undefined;
  const { proposals, leftOut } = read(text);
  const isUsable = proposals.length > 0;
  if (!isUsable && leftOut.length === 0) from.report('vpn', key, `proposals, such as ${example}`);
  for (const { text: found, why } of leftOut) {
    if (isUsable) from.report('vpn', key, `other words: it is left out, as ${why}`, 'warning', found);
    else from.report('vpn', key, `other words, such as ${example}: ${why}`, 'error', found);
  }
  const told = offered(proposals, from.isTrue('culvert', 'accept-insecure')) ?? [];
  // Where all are weak the profile as a whole needs consent, and that is told elsewhere.
  for (const { text: found } of told.length === 0 ? [] : proposals.filter((each) => !told.includes(each)))
    from.report('vpn', key, 'something better: it is weak, and offered with --accept-insecure alone', 'warning', found);
  return proposals;
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

function secondsOf(from: ConnectionReader, key: string): number | undefined {
  const text = from.text('vpn', key);
  if (text === undefined) return undefined;
  const [, count = '', unit = 's'] = /^(\d{1,6})([smhd])?$/.exec(text) ?? [];
  if (count === '') from.report('vpn', key, 'a number of seconds, or of m, h, d: 8h');
  return Number(count) * (unitSeconds[unit] ?? 1);
}

/** The connection's text, secrets included: for a file that root alone reads. */
export function printNetworkManagerL2tp(connection: L2tpConnection): string {
  const { name, server, machineAuth, authentication, lifetimes, proposals } = connection;
  const { psk } = machineAuth.kind === 'psk' ? machineAuth : { psk: undefined };
  const files = machineAuth.kind === 'files' ? machineAuth : undefined;
  const pem = machineAuth.kind === 'pem' ? machineAuth : undefined;
  const seconds = (count: number | undefined) => (count === undefined ? undefined : `${count}s`);
  return printKeyfile({
    connection: { id: name, type: 'vpn', autoconnect: 'false' },
    vpn: {
      'service-type': L2TP,
      gateway: server,
      user: connection.username,
      domain: connection.domain,
      'refuse-mschapv2': authentication === 'pap' ? 'yes' : undefined,
      'ipsec-enabled': 'yes',
      'ipsec-remote-id': connection.remoteId,
      'ipsec-ike': printProposals(proposals.ike),
      'ipsec-esp': printProposals(proposals.esp),
      'ipsec-ikelifetime': seconds(lifetimes.phase1Seconds),
      'ipsec-salifetime': seconds(lifetimes.phase2Seconds),
      'machine-auth-type': machineAuth.kind === 'psk' ? 'psk' : 'tls',
      'machine-ca': files?.ca,
      'machine-cert': files?.certificate,
      'machine-key': files?.privateKey,
      mru: connection.mru?.toString(),
      ...echoKeys(connection.echo),
    },
    'vpn-secrets': {
      password: connection.password,
      'ipsec-psk': psk === undefined ? undefined : `0s${Buffer.from(psk).toString('base64')}`,
      'machine-certpass': (files ?? pem)?.passphrase,
    },
    ...vpnNetworkGroups(connection.network),
    culvert: {
      'accept-insecure': connection.acceptInsecure ? 'true' : undefined,
      'tunnel-secret': connection.tunnelSecret,
      certificate: pem?.certificate,
      'private-key': pem?.privateKey,
      ca: pem?.ca,
    },
  });
}
