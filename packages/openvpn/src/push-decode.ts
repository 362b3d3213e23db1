/**
 * A server's pushed options as a client takes them: an allowlist, each option checked, nothing executed (openvpn options.c, push.c).
 *
 * What is unknown, malformed or not for us is named in `notes` and otherwise ignored.
 */
import type { Millis } from '@culvert/base';
import type { PushedConfig } from './face.ts';
import { formDns } from './push-dns.ts';
import { formAddresses, formRoutes } from './push-network.ts';
import { sanitize } from './text.ts';

// Chosen by us: what a server can make a client hold.
const MOST_OPTIONS = 4_096;
const MOST_NOTES = 32;
/** 2.x waits so long when ping-restart was not pushed; pings themselves then need no answer. */
const DEFAULT_TIMEOUT: Millis = 120_000;

export interface PushedSettings {
  readonly config: PushedConfig;
  readonly cipher: string | undefined;
  readonly peerId: number | undefined;
  readonly flags: { readonly controlExit: boolean; readonly tlsKeyExport: boolean; readonly dynamicTlsCrypt: boolean };
  readonly compression: 'none' | 'stub' | 'stub-v2' | 'lzo-framing';
  readonly authToken: { readonly token: string; readonly username: string | undefined } | undefined;
  /** A sentence each. */
  readonly notes: readonly string[];
  /** Why a client cannot go on with these options. */
  readonly refuse: string | undefined;
}

/** What the options are gathered into before they become a configuration. */
export interface Gathered {
  readonly notes: string[];
  topology: 'subnet' | 'net30' | 'p2p';
  ifconfig: readonly [string, string] | undefined;
  ifconfig6: readonly [string, string | undefined] | undefined;
  routeGateway: string | undefined;
  readonly routes: (readonly string[])[];
  readonly routes6: (readonly string[])[];
  redirect: readonly string[] | undefined;
  readonly dhcpOptions: (readonly string[])[];
  readonly dns: (readonly string[])[];
  mtu: number | undefined;
  ping: Millis | undefined;
  pingRestart: Millis | undefined;
  idle: Millis | undefined;
  session: Millis | undefined;
  cipher: string | undefined;
  peerId: number | undefined;
  readonly flags: Set<string>;
  compression: PushedSettings['compression'];
  token: string | undefined;
  tokenUser: string | undefined;
  refuse: string | undefined;
}

/** @param options without `PUSH_REPLY` and continuation marks. @param maxMtu the largest tun-mtu that we take. */
export function decodePush(options: readonly string[], maxMtu: number): PushedSettings {
  const g = emptyGathered();
  for (const option of options.slice(0, MOST_OPTIONS)) {
    const [name = '', ...args] = splitWords(option);
    if (name === '') continue;
    const take = Object.hasOwn(takers, name) ? takers[name] : undefined;
    if (take === undefined) note(g, `the server pushed an option that we do not take: ${sanitize(option, 80)}`);
    else if (take(g, args) === false)
      note(g, `the server pushed an option that makes no sense: ${sanitize(option, 80)}`);
  }
  if (options.length > MOST_OPTIONS)
    note(g, `the server pushed ${options.length} options, of which ${MOST_OPTIONS} were taken`);
  return settle(g, maxMtu);
}

export function note(g: Gathered, sentence: string): void {
  if (g.notes.length < MOST_NOTES) g.notes.push(sentence);
}

type Taker = (g: Gathered, args: readonly string[]) => boolean | undefined;

const takers: Readonly<Record<string, Taker>> = {
  topology: (g, [name]) => {
    if (name !== 'subnet' && name !== 'net30' && name !== 'p2p') return false;
    g.topology = name;
    return true;
  },
  ifconfig: (g, [local, second]) => {
    if (local === undefined || second === undefined) return false;
    g.ifconfig = [local, second];
    return true;
  },
  'ifconfig-ipv6': (g, [local, gateway]) => {
    if (local === undefined) return false;
    g.ifconfig6 = [local, gateway];
    return true;
  },
  'route-gateway': (g, [gateway]) => {
    g.routeGateway = gateway;
    return gateway !== undefined;
  },
  route: (g, args) => g.routes.push(args) > 0,
  'route-ipv6': (g, args) => g.routes6.push(args) > 0,
  'route-metric': () => true,
  'redirect-gateway': (g, args) => {
    g.redirect = args;
    return true;
  },
  'redirect-private': () => true,
  'dhcp-option': (g, args) => g.dhcpOptions.push(args) > 0,
  dns: (g, args) => g.dns.push(args) > 0,
  'tun-mtu': (g, [value]) => (g.mtu = number(value, 68, 65_535)) !== undefined,
  ping: (g, [value]) => (g.ping = seconds(value)) !== undefined,
  'ping-restart': (g, [value]) => (g.pingRestart = seconds(value)) !== undefined,
  'ping-exit': (g, [value]) => (g.pingRestart = seconds(value)) !== undefined,
  inactive: (g, [value]) => (g.idle = seconds(value)) !== undefined,
  'session-timeout': (g, [value]) => (g.session = seconds(value)) !== undefined,
  cipher: (g, [name]) => (g.cipher = name) !== undefined,
  'peer-id': (g, [value]) => (g.peerId = number(value, 0, 0xff_ffff)) !== undefined,
  'protocol-flags': (g, args) => {
    for (const flag of args) {
      if (flag === 'aead-epoch')
        g.refuse = 'the server insists on epoch data keys (aead-epoch), which we did not offer';
      g.flags.add(flag);
    }
    return true;
  },
  'key-derivation': (g, [how]) => how === 'tls-ekm' && g.flags.add(how) !== undefined,
  'auth-token': (g, [token]) => (g.token = token?.slice(0, 1_024)) !== undefined,
  'auth-token-user': (g, [user]) => (g.tokenUser = decodeBase64(user)) !== undefined,
  compress: (g, [how]) => takeCompression(g, how ?? 'stub'),
  'comp-lzo': (g, [how]) => takeCompression(g, how === 'no' ? 'comp-lzo no' : `comp-lzo ${how ?? ''}`),
  // Harmless without us: we always say goodbye, and these are Windows's or a router's business.
  'explicit-exit-notify': () => true,
  'tun-ipv6': () => true,
  'block-outside-dns': () => true,
  'block-ipv6': () => true,
  'socket-flags': () => true,
  sndbuf: () => true,
  rcvbuf: () => true,
  'register-dns': () => true,
  echo: () => true,
};

function takeCompression(g: Gathered, how: string): boolean {
  const stubs: Readonly<Record<string, PushedSettings['compression']>> = {
    stub: 'stub',
    'stub-v2': 'stub-v2',
    'comp-lzo no': 'lzo-framing',
    migrate: 'none',
  };
  const taken = Object.hasOwn(stubs, how) ? stubs[how] : undefined;
  if (taken === undefined)
    g.refuse = `the server insists on compression (${sanitize(how, 20)}), which is unsafe and not supported`;
  else g.compression = taken;
  return true;
}

function settle(g: Gathered, maxMtu: number): PushedSettings {
  if (g.mtu !== undefined && g.mtu > maxMtu) note(g, `the server pushed tun-mtu ${g.mtu}; ${maxMtu} is used`);
  const { ipv4, ipv6 } = formAddresses(g);
  const interval = g.ping ?? 0;
  const config: PushedConfig = {
    ipv4,
    ipv6,
    mtu: Math.min(g.mtu ?? 1_500, maxMtu),
    ...formRoutes(g),
    dns: formDns(g),
    networksBehind: [],
    keepalive: { interval, timeout: g.pingRestart ?? DEFAULT_TIMEOUT },
    idleTimeout: g.idle === 0 ? undefined : g.idle,
    sessionTimeout: g.session === 0 ? undefined : g.session,
  };
  return {
    config,
    cipher: g.cipher,
    peerId: g.peerId,
    flags: {
      controlExit: g.flags.has('cc-exit'),
      tlsKeyExport: g.flags.has('tls-ekm'),
      dynamicTlsCrypt: g.flags.has('dyn-tls-crypt'),
    },
    compression: g.compression,
    authToken: g.token === undefined ? undefined : { token: g.token, username: g.tokenUser },
    notes: g.notes,
    refuse: g.refuse ?? (ipv4 === undefined && ipv6 === undefined ? 'the server assigned no address' : undefined),
  };
}

function emptyGathered(): Gathered {
  return {
    notes: [],
    topology: 'net30',
    ifconfig: undefined,
    ifconfig6: undefined,
    routeGateway: undefined,
    routes: [],
    routes6: [],
    redirect: undefined,
    dhcpOptions: [],
    dns: [],
    mtu: undefined,
    ping: undefined,
    pingRestart: undefined,
    idle: undefined,
    session: undefined,
    cipher: undefined,
    peerId: undefined,
    flags: new Set(),
    compression: 'none',
    token: undefined,
    tokenUser: undefined,
    refuse: undefined,
  };
}

/** Words as openvpn's option parser splits them: blanks divide, double quotes join. */
function splitWords(option: string): string[] {
  const words = option.slice(0, 1_024).match(/"[^"]*"|[^\s"]+/g) ?? [];
  return words.map((word) => (word.startsWith('"') ? word.slice(1, -1) : word));
}

function number(text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined || !/^\d{1,9}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= least && value <= most ? value : undefined;
}

/** Up to a hundred days: longer intervals are the same as never. */
function seconds(text: string | undefined): Millis | undefined {
  const value = number(text, 0, 8_640_000);
  return value === undefined ? undefined : value * 1_000;
}

function decodeBase64(text: string | undefined): string | undefined {
  if (text === undefined || text.length > 512) return undefined;
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
  } catch {
    return undefined;
  }
}
