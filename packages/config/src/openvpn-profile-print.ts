/** A profile as `.ovpn` text that OpenVPN 2.4 and later, OpenVPN Connect and Culvert read. */
import { netmask, parseNetwork } from '@culvert/wire';
import type { OpenvpnProfile, OpenvpnRemote, ProfileFile, ProfileRoute } from './openvpn-profile.ts';
import { quoteWord } from './openvpn-profile-line.ts';

type Line = string | undefined;

/** Prints `profile` so that parsing the text gives it back. Throws RangeError for a value that no line can hold. */
export function printOpenvpnProfile(profile: OpenvpnProfile): string {
  const lines = [
    'client',
    directive('dev', profile.deviceName ?? 'tun'),
    profile.deviceName === undefined ? undefined : 'dev-type tun',
    ...profile.remotes.map(remote),
    flag('remote-random', profile.remoteRandom),
    'nobind',
    'persist-key',
    'persist-tun',
    // With OpenVPN's own default, 1, its log does not say why a server was refused.
    'verb 3',
    ...connection(profile),
    ...trust(profile),
    ...dataChannel(profile),
    ...credentials(profile),
    ...network(profile),
    ...profile.environment.map(([name, value]) => directive('setenv', name, value)),
    ...files(profile),
  ];
  return `${lines.filter((line) => line !== undefined).join('\n')}\n`;
}

/** The directive with its words quoted, or nothing when a word is missing. */
function directive(key: string, ...words: readonly (string | number | undefined)[]): Line {
  if (words.includes(undefined)) return undefined;
  return [key, ...words.map((word) => quoteWord(String(word)))].join(' ');
}

function flag(key: string, set: boolean): Line {
  return set ? key : undefined;
}

function remote({ host, port, protocol, family }: OpenvpnRemote): Line {
  return directive('remote', host, port, protocol === 'udp' ? `udp${family ?? ''}` : `tcp${family ?? ''}-client`);
}

function connection(profile: OpenvpnProfile): Line[] {
  const { connectRetry, mssfix } = profile;
  return [
    directive('resolv-retry', profile.resolveRetry),
    directive('connect-timeout', profile.connectTimeout),
    connectRetry === undefined
      ? undefined
      : directive('connect-retry', connectRetry.first, ...defined(connectRetry.max)),
    directive('connect-retry-max', profile.connectRetryMax),
    flag('float', profile.float),
    directive('explicit-exit-notify', profile.explicitExitNotify),
    directive('ping', profile.ping),
    directive('ping-restart', profile.pingRestart),
    directive('ping-exit', profile.pingExit),
    directive('inactive', profile.inactive),
    directive('reneg-sec', profile.renegotiate),
    directive('hand-window', profile.handshakeWindow),
    directive('tun-mtu', profile.tunMtu),
    mssfix === undefined
      ? undefined
      : directive('mssfix', mssfix.bytes, ...(mssfix.of === 'payload' ? [] : [mssfix.of])),
  ];
}

function trust(profile: OpenvpnProfile): Line[] {
  const { serverName } = profile;
  return [
    directive('remote-cert-tls', profile.remoteCertTls),
    directive('verify-x509-name', serverName?.value, serverName?.kind),
    directive('tls-version-min', profile.tlsVersionMin),
    directive('tls-version-max', profile.tlsVersionMax),
  ];
}

function dataChannel(profile: OpenvpnProfile): Line[] {
  const compression = { 'comp-lzo': 'comp-lzo no', stub: 'compress stub', 'stub-v2': 'compress stub-v2' };
  return [
    directive('data-ciphers', profile.dataCiphers?.join(':')),
    directive('data-ciphers-fallback', profile.dataCiphersFallback),
    directive('cipher', profile.cipher),
    directive('auth', profile.auth),
    profile.compression === undefined ? undefined : compression[profile.compression],
  ];
}

function credentials(profile: OpenvpnProfile): Line[] {
  const { credentials: from, staticChallenge } = profile;
  const lines: Line[] = [];
  if (from?.kind === 'prompt') lines.push('auth-user-pass');
  if (from?.kind === 'file') lines.push(directive('auth-user-pass', from.path));
  if (from?.kind === 'inline')
    lines.push(block('auth-user-pass', [from.username, ...defined(from.password)].map(oneLine).join('')));
  lines.push(flag('auth-nocache', profile.authNoCache));
  lines.push(directive('static-challenge', staticChallenge?.text, staticChallenge?.echo ? 1 : 0));
  return lines;
}

function network(profile: OpenvpnProfile): Line[] {
  const { redirectGateway: redirect, dns } = profile;
  const flags = [
    'def1',
    ...(redirect?.ipv4 ? [] : ['!ipv4']),
    ...(redirect?.ipv6 ? ['ipv6'] : []),
    ...(redirect?.blockLocal ? ['block-local'] : []),
  ];
  return [
    redirect === undefined ? undefined : directive('redirect-gateway', ...flags),
    ...profile.routes.map(route),
    flag('route-nopull', profile.routeNoPull),
    ...profile.pullFilters.map(({ action, text }) => directive('pull-filter', action, text)),
    ...dns.servers.map((server) => directive('dhcp-option', server.includes(':') ? 'DNS6' : 'DNS', server)),
    ...dns.search.map((domain) => directive('dhcp-option', 'DOMAIN-SEARCH', domain)),
    flag('block-outside-dns', profile.blockOutsideDns),
    flag('block-ipv6', profile.blockIpv6),
  ];
}

function route({ network: text, gateway, metric }: ProfileRoute): Line {
  const via = gateway === 'vpn' ? 'vpn_gateway' : gateway === 'net' ? 'net_gateway' : (gateway ?? 'default');
  const tail = metric !== undefined ? [via, metric] : gateway !== undefined ? [via] : [];
  if (text.includes(':')) return directive('route-ipv6', text, ...tail);
  const { prefix } = parseNetwork(text);
  return directive('route', text.split('/')[0], netmask(prefix), ...tail);
}

function files(profile: OpenvpnProfile): Line[] {
  const { wrap, peerFingerprints } = profile;
  return [
    directive('askpass', profile.passphraseFile),
    peerFingerprints.length === 0
      ? undefined
      : block('peer-fingerprint', peerFingerprints.map((hex) => oneLine(hex.replace(/..(?=.)/g, '$&:'))).join('')),
    file('ca', profile.ca),
    file('cert', profile.certificate),
    file('key', profile.privateKey),
    file('extra-certs', profile.extraCertificates),
    file('pkcs12', profile.pkcs12),
    file('crl-verify', profile.crl),
    wrap.kind === 'tls-auth' ? directive('key-direction', wrap.direction) : undefined,
    wrap.kind === 'none' ? undefined : file(wrap.kind, wrap.key),
  ];
}

function file(key: string, from: ProfileFile | undefined): Line {
  if (from === undefined) return undefined;
  return from.kind === 'file' ? directive(key, from.path) : block(key, from.text);
}

function block(key: string, text: string): string {
  if (text.split('\n').some((line) => line.trimStart().startsWith(`</${key}>`)))
    throw new RangeError(`the content of <${key}> ends the block`);
  if (text.includes('\r') || text.includes('\0'))
    throw new RangeError(`the content of <${key}> has carriage returns or NULs`);
  return `<${key}>\n${text}${text.endsWith('\n') ? '' : '\n'}</${key}>`;
}

function oneLine(text: string): string {
  if (/[\n\r\0]/.test(text)) throw new RangeError('a line of a block holds no line break');
  return `${text}\n`;
}

function defined<Value>(value: Value | undefined): Value[] {
  return value === undefined ? [] : [value];
}
