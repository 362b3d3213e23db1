/**
 * NetworkManager's keyfiles (.nmconnection) with an L2TP/IPsec connection: parse and print.
 *
 * Keys are those of the plugin network-manager-l2tp (shared/nm-service-defines.h). `parse(print(profile))` is the profile.
 */
import { type KeyfileValue, parseKeyfile, printKeyfile } from './keyfile.ts';
import type { CertificateFilesAuth, L2tpProfile, SharedSecretAuth } from './l2tp-profile.ts';
import type { ParsedProfileOf, Problem } from './problem.ts';

const L2TP = 'org.freedesktop.NetworkManager.l2tp';

/** What we do in our own way, or not at all, and what may be said of it. */
const passedOver = new Map([
  ['ipsec-ikev2', 'IKEv1 is what is spoken'],
  ['ipsec-ipcomp', 'nothing is compressed'],
  ['ipsec-group-name', 'it would make IKE use aggressive mode'],
  ['require-mppe', 'IPsec encrypts already'],
]);

type Auth = SharedSecretAuth | CertificateFilesAuth;
type Values = ReadonlyMap<string, KeyfileValue>;

const nothing: Values = new Map();

/**
 * Parses a connection. Never throws for what the text holds.
 *
 * @param options.file its name, for problems
 */
export function parseNetworkManagerProfile(
  text: string,
  { file }: { readonly file: string },
): ParsedProfileOf<L2tpProfile<Auth>> {
  const { groups, problems: mistakes } = parseKeyfile(text, file);
  const problems: Problem[] = [...mistakes];
  const group = (name: string): Values => groups.get(name) ?? nothing;
  const [vpn, secrets] = [group('vpn'), group('vpn-secrets')];
  const report = (
    key: string,
    value: KeyfileValue | undefined,
    expected: string,
    severity: Problem['severity'] = 'error',
  ) => {
    const found = value === undefined ? 'nothing' : JSON.stringify(value.text);
    problems.push({ file, line: value?.line ?? 1, key, found, expected, severity });
  };
  const need = (key: string): string => {
    const value = vpn.get(key);
    if (value === undefined || value.text === '') report(`vpn.${key}`, value, 'a value');
    return value?.text ?? '';
  };
  /** Older versions keep the shared secret beside the rest. */
  const secret = (key: string): string | undefined => (secrets.get(key) ?? vpn.get(key))?.text || undefined;

  if (vpn.get('service-type')?.text !== L2TP) report('vpn.service-type', vpn.get('service-type'), L2TP);
  if (vpn.get('ipsec-enabled')?.text !== 'yes')
    report('vpn.ipsec-enabled', vpn.get('ipsec-enabled'), 'yes: L2TP alone protects nothing');
  if (vpn.get('user-auth-type')?.text === 'tls') report('vpn.user-auth-type', vpn.get('user-auth-type'), 'password');
  for (const [key, why] of passedOver) {
    const value = vpn.get(key);
    if (value !== undefined && value.text !== 'no') report(`vpn.${key}`, value, `none: ${why}`, 'warning');
  }
  const server = need('gateway');
  const machineAuth =
    vpn.get('machine-auth-type')?.text === 'tls' ? filesOf(vpn, need, secret) : sharedSecretOf(secret('ipsec-psk'));
  const name = group('connection').get('id')?.text || server;
  const username = vpn.get('user')?.text || undefined;
  const redirect = group('ipv4').get('never-default')?.text !== 'true';
  const isBad = problems.some(({ severity }) => severity === 'error');
  const profile = { name, server, username, password: secret('password'), machineAuth, redirect };
  return { profile: isBad ? undefined : profile, problems };
}

function filesOf(
  vpn: Values,
  need: (key: string) => string,
  secret: (key: string) => string | undefined,
): CertificateFilesAuth {
  return {
    kind: 'files',
    certificate: need('machine-cert'),
    privateKey: need('machine-key'),
    passphrase: secret('machine-certpass'),
    ca: vpn.get('machine-ca')?.text || undefined,
  };
}

/** As in ipsec.secrets: `0s` and base64, or text. */
function sharedSecretOf(text: string | undefined): SharedSecretAuth {
  if (text === undefined) return { kind: 'psk', psk: undefined };
  const [, base64] = /^0s([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  return { kind: 'psk', psk: new Uint8Array(base64 === undefined ? Buffer.from(text) : Buffer.from(base64, 'base64')) };
}

/** The connection's text, secrets included: for a file that root alone reads. */
export function printNetworkManagerProfile(profile: L2tpProfile<Auth>): string {
  const { name, server, username, password, machineAuth, redirect } = profile;
  const isPsk = machineAuth.kind === 'psk';
  const files = isPsk ? undefined : machineAuth;
  const psk = isPsk ? machineAuth.psk : undefined;
  return printKeyfile({
    connection: { id: name, type: 'vpn', autoconnect: 'false' },
    vpn: {
      'service-type': L2TP,
      gateway: server,
      user: username,
      'ipsec-enabled': 'yes',
      'machine-auth-type': isPsk ? 'psk' : 'tls',
      'machine-ca': files?.ca,
      'machine-cert': files?.certificate,
      'machine-key': files?.privateKey,
    },
    'vpn-secrets': {
      password,
      'ipsec-psk': psk === undefined ? undefined : `0s${Buffer.from(psk).toString('base64')}`,
      'machine-certpass': files?.passphrase,
    },
    ipv4: { method: 'auto', 'never-default': redirect ? undefined : 'true' },
    ipv6: { method: 'auto', 'never-default': redirect ? undefined : 'true' },
  });
}
