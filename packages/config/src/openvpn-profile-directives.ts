/** What each directive of a profile means: one entry a directive, in the order of OpenVPN's manual. */
import type { OpenvpnProfile, ProfileFile } from './openvpn-profile.ts';
import { dhcpOption, dnsOption, ipv4Route, ipv6Route, redirectGateway } from './openvpn-profile-network.ts';
import {
  append,
  appended,
  type Directive,
  type DraftRemote,
  type Handler,
  isHost,
  MAX_LIST,
  parseCount,
  parseDirection,
  parsePort,
  parseProto,
  setWrap,
  show,
  takeFile,
} from './openvpn-profile-values.ts';

export const handlers: Readonly<Record<string, Handler>> = {
  remote: (d) => {
    const [host = '', port, proto] = d.args;
    if (!isHost(host)) return d.error(show(host), 'a host name or an IP address');
    const remote: DraftRemote = { host, port: undefined, transport: undefined };
    if (port !== undefined) remote.port = parsePort(d, port);
    if (proto !== undefined) remote.transport = parseProto(d, proto);
    append(d, d.draft.remotes, remote, 64);
  },
  port: (d) => {
    d.draft.port = parsePort(d, d.args[0]) ?? d.draft.port;
  },
  rport: (d) => {
    d.draft.port = parsePort(d, d.args[0]) ?? d.draft.port;
  },
  proto: (d) => {
    d.draft.transport = parseProto(d, d.args[0]) ?? d.draft.transport;
  },
  'proto-force': (d) => d.warning(show(d.args[0]), 'remotes of that protocol alone'),
  'remote-random': flag('remoteRandom'),
  float: flag('float'),
  dev: (d) => {
    const name = d.args[0] ?? '';
    if (/^tap/.test(name)) return d.error(show(name), 'dev tun: Culvert carries IP packets, not Ethernet frames');
    if (!/^[\w.-]{1,15}$/.test(name)) return d.error(show(name), 'tun, or a device name of at most 15 characters');
    d.draft.profile.deviceName = name === 'tun' ? undefined : name;
  },
  'dev-type': (d) => {
    if (d.args[0] !== 'tun') return d.error(show(d.args[0]), 'tun: Culvert carries IP packets, not Ethernet frames');
  },

  ca: file('ca'),
  cert: file('certificate'),
  key: file('privateKey'),
  'extra-certs': file('extraCertificates'),
  pkcs12: file('pkcs12'),
  'crl-verify': (d) => {
    if (d.args[1] === 'dir') return d.error('a directory', 'crl-verify with one file');
    file('crl')(d);
  },
  askpass: (d) => {
    d.draft.profile.passphraseFile = d.args[0];
  },
  'peer-fingerprint': (d) => {
    const texts =
      d.inline === undefined ? d.args.slice(0, 1) : d.inline.split('\n').filter((line) => line.trim() !== '');
    for (const text of texts) {
      const hex = text.trim().replaceAll(':', '').toLowerCase();
      if (!/^[0-9a-f]{64}$/.test(hex))
        d.error(show(text), 'a SHA-256 fingerprint: 32 bytes as hexadecimal, joined by colons');
      else d.draft.profile.peerFingerprints = appended(d, d.draft.profile.peerFingerprints, hex, MAX_LIST);
    }
  },
  'remote-cert-tls': choice('remoteCertTls', ['server', 'client']),
  'remote-cert-eku': (d) => {
    if (!/^(?:TLS Web Server Authentication|1\.3\.6\.1\.5\.5\.7\.3\.1)$/.test(d.args[0] ?? '')) {
      return d.error(show(d.args[0]), 'remote-cert-tls server');
    }
    d.draft.profile.remoteCertTls = 'server';
  },
  'ns-cert-type': (d) => {
    d.draft.profile.remoteCertTls = 'server';
    return d.warning(show(d.args[0]), 'remote-cert-tls server, which is checked instead');
  },
  'verify-x509-name': (d) => {
    const [value = '', kind = 'subject'] = d.args;
    if (value === '') return d.error('nothing', 'the name of the server');
    if (kind !== 'subject' && kind !== 'name' && kind !== 'name-prefix')
      return d.error(show(kind), 'subject, name or name-prefix');
    d.draft.profile.serverName = { kind, value };
  },
  'tls-version-min': (d) => {
    const version = d.args[0] ?? '';
    if (version === '1.0' || version === '1.1') {
      d.draft.profile.tlsVersionMin = '1.2';
      return d.warning(version, '1.2 or 1.3; 1.2 is the least that is spoken');
    }
    choice('tlsVersionMin', ['1.2', '1.3'])(d);
  },
  'tls-version-max': choice('tlsVersionMax', ['1.2', '1.3']),
  'tls-auth': (d) => {
    const key = takeFile(d);
    const direction = d.inline === undefined && d.args[1] !== undefined ? parseDirection(d, d.args[1]) : undefined;
    if (key !== undefined) setWrap(d, { kind: 'tls-auth', key, direction });
  },
  'tls-crypt': (d) => {
    const key = takeFile(d);
    if (key !== undefined) setWrap(d, { kind: 'tls-crypt', key });
  },
  'tls-crypt-v2': (d) => {
    const key = takeFile(d);
    if (key !== undefined) setWrap(d, { kind: 'tls-crypt-v2', key });
  },
  'key-direction': (d) => {
    d.draft.keyDirection = parseDirection(d, d.args[0]);
  },

  'data-ciphers': cipherList,
  'ncp-ciphers': cipherList,
  'data-ciphers-fallback': word('dataCiphersFallback', /^[\w-]{1,64}$/, 'a cipher'),
  cipher: word('cipher', /^[\w-]{1,64}$/, 'a cipher'),
  auth: word('auth', /^[\w-]{1,64}$/, 'a digest'),
  compress: (d) => {
    const algorithm = d.args[0] ?? 'stub';
    if (algorithm === 'migrate') return;
    const framing = { stub: 'stub', lz4: 'stub', 'stub-v2': 'stub-v2', 'lz4-v2': 'stub-v2', lzo: 'comp-lzo' } as const;
    if (!Object.hasOwn(framing, algorithm)) return d.error(show(algorithm), 'stub-v2, or no compression');
    d.draft.profile.compression = framing[algorithm as keyof typeof framing];
    if (!algorithm.startsWith('stub'))
      return d.warning(algorithm, 'no compression: packets are framed for it and never compressed');
  },
  'comp-lzo': (d) => {
    d.draft.profile.compression = 'comp-lzo';
    if (d.args[0] !== 'no')
      return d.warning(d.args[0] ?? 'comp-lzo', 'no compression: packets are framed for it and never compressed');
  },

  'auth-user-pass': (d) => {
    const [path] = d.args;
    if (d.inline !== undefined) {
      const [username = '', password] = d.inline.split('\n');
      if (username === '') return d.error('an empty first line', 'the user name, and the password in the second line');
      d.draft.profile.credentials = { kind: 'inline', username, password: password === '' ? undefined : password };
    } else if (path === undefined || path === 'username-only') d.draft.profile.credentials = { kind: 'prompt' };
    else d.draft.profile.credentials = { kind: 'file', path };
  },
  'auth-nocache': flag('authNoCache'),
  'static-challenge': (d) => {
    const [text = '', echo] = d.args;
    if (text === '' || (echo !== '0' && echo !== '1'))
      return d.error(show(d.args.join(' ')), 'a text, then 1 (echo) or 0');
    if (d.args[2] !== undefined && d.args[2] !== 'scrv1') return d.error(show(d.args[2]), 'scrv1');
    d.draft.profile.staticChallenge = { text, echo: echo === '1' };
  },

  'tun-mtu': count('tunMtu', 68, 65_535),
  mssfix: (d) => {
    const bytes = parseCount(d, d.args[0] ?? '1492', 0, 65_535);
    const of = d.args[0] === undefined ? 'mtu' : (d.args[1] ?? 'payload');
    if (of !== 'payload' && of !== 'mtu' && of !== 'fixed') return d.error(show(of), 'mtu or fixed');
    if (bytes !== undefined) d.draft.profile.mssfix = { bytes, of };
  },
  keepalive: (d) => {
    const ping = parseCount(d, d.args[0], 1, 86_400);
    const restart = parseCount(d, d.args[1], 1, 86_400);
    if (ping === undefined || restart === undefined) return;
    if (restart < 2 * ping) return d.error(show(d.args.join(' ')), 'a second number at least twice the first');
    d.draft.profile.ping = ping;
    d.draft.profile.pingRestart = restart;
  },
  ping: count('ping', 0, 86_400),
  'ping-restart': count('pingRestart', 0, 86_400),
  'ping-exit': count('pingExit', 0, 86_400),
  inactive: count('inactive', 0, 2_000_000_000),
  'reneg-sec': count('renegotiate', 0, 2_000_000_000),
  'hand-window': count('handshakeWindow', 1, 3600),
  'connect-timeout': count('connectTimeout', 1, 86_400),
  'server-poll-timeout': count('connectTimeout', 1, 86_400),
  'connect-retry': (d) => {
    const first = parseCount(d, d.args[0], 0, 65_535);
    const max = d.args[1] === undefined ? undefined : parseCount(d, d.args[1], 0, 86_400);
    if (first !== undefined) d.draft.profile.connectRetry = { first, max };
  },
  'connect-retry-max': count('connectRetryMax', 0, 1_000_000),
  'resolv-retry': (d) => {
    if (d.args[0] === 'infinite') d.draft.profile.resolveRetry = 'infinite';
    else count('resolveRetry', 0, 2_000_000_000)(d);
  },
  'explicit-exit-notify': (d) => {
    d.draft.profile.explicitExitNotify = parseCount(d, d.args[0] ?? '1', 0, 100);
  },

  'redirect-gateway': redirectGateway,
  route: ipv4Route,
  'route-ipv6': ipv6Route,
  'route-nopull': flag('routeNoPull'),
  'pull-filter': (d) => {
    const [action, text] = d.args;
    if (action !== 'accept' && action !== 'ignore' && action !== 'reject')
      return d.error(show(action), 'accept, ignore or reject');
    if (text === undefined) return d.error('nothing', 'the beginning of the pushed options that it is about');
    d.draft.profile.pullFilters = appended(d, d.draft.profile.pullFilters, { action, text }, MAX_LIST);
  },
  'dhcp-option': dhcpOption,
  dns: dnsOption,
  'block-outside-dns': flag('blockOutsideDns'),
  'block-ipv6': flag('blockIpv6'),
  setenv: (d) => {
    const [name, value = ''] = d.args;
    if (name === 'GENERIC_CONFIG') return d.error('a generic profile', 'a profile that was filled in for its user');
    if (name === undefined || !/^\w{1,128}$/.test(name)) return d.error(show(name), 'a name of letters, digits and _');
    d.draft.profile.environment = appended(d, d.draft.profile.environment, [name, value] as const, MAX_LIST);
  },
};

// Kinds of handlers.

type FieldOf<Value> = {
  [Field in keyof OpenvpnProfile]: [Value] extends [OpenvpnProfile[Field]] ? Field : never;
}[keyof OpenvpnProfile];

function flag(
  field: 'remoteRandom' | 'float' | 'authNoCache' | 'routeNoPull' | 'blockOutsideDns' | 'blockIpv6',
): Handler {
  return (d) => {
    d.draft.profile[field] = true;
  };
}

function count(field: FieldOf<number>, low: number, high: number): Handler {
  return (d) => {
    const value = parseCount(d, d.args[0], low, high);
    if (value !== undefined) Object.assign(d.draft.profile, { [field]: value });
  };
}

function word(field: 'dataCiphersFallback' | 'cipher' | 'auth', shape: RegExp, expected: string): Handler {
  return (d) => {
    const value = d.args[0] ?? '';
    if (!shape.test(value)) return d.error(show(value), expected);
    d.draft.profile[field] = value;
  };
}

function choice(field: 'remoteCertTls' | 'tlsVersionMin' | 'tlsVersionMax', values: readonly string[]): Handler {
  return (d) => {
    const value = d.args[0] ?? '';
    if (!values.includes(value)) return d.error(show(value), values.join(' or '));
    Object.assign(d.draft.profile, { [field]: value });
  };
}

function file(field: FieldOf<ProfileFile>): Handler {
  return (d) => {
    const value = takeFile(d);
    if (value !== undefined) d.draft.profile[field] = value;
  };
}

function cipherList(d: Directive): undefined {
  const names = (d.args[0] ?? '').split(':').filter((name) => name !== '');
  // A leading `?` marks a cipher that may be unknown; DEFAULT stands for OpenVPN's own list.
  const expanded = names.flatMap((name) =>
    name === 'DEFAULT' ? ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'] : [name.replace(/^\?/, '')],
  );
  if (expanded.length === 0 || !expanded.every((name) => /^[\w-]{1,64}$/.test(name))) {
    return d.error(show(d.args[0]), 'ciphers joined by colons, such as AES-256-GCM:CHACHA20-POLY1305');
  }
  d.draft.profile.dataCiphers = [...new Set(expanded)];
}
