/**
 * Peer info: `KEY=value` lines in which a client says what it can do (openvpn ssl.c push_peer_info).
 */
import type { AeadName } from './face.ts';
import { sanitize } from './text.ts';

/** Bits of IV_PROTO (openvpn ssl.h), counted from 0. Whoever sets any must set the first. */
export const Protocol = {
  dataV2: 1 << 1,
  requestPush: 1 << 2,
  tlsKeyExport: 1 << 3,
  authPendingKeywords: 1 << 4,
  controlExit: 1 << 7,
  authFailTemp: 1 << 8,
  dynamicTlsCrypt: 1 << 9,
  dnsOption: 1 << 11,
} as const;

/** What our client does. */
export const ourProtocol =
  Protocol.dataV2 |
  Protocol.requestPush |
  Protocol.tlsKeyExport |
  Protocol.authPendingKeywords |
  Protocol.controlExit |
  Protocol.authFailTemp |
  Protocol.dynamicTlsCrypt |
  Protocol.dnsOption;

/** Lines that are kept of a peer's info, and how long a value may be. */
const MOST_LINES = 64;
const LONGEST_VALUE = 512;

export type PeerInfo = ReadonlyMap<string, string>;

/** Keeps well-formed lines; values are sanitised. */
export function parsePeerInfo(text: string | undefined): PeerInfo {
  const info = new Map<string, string>();
  for (const line of (text ?? '').split('\n')) {
    const at = line.indexOf('=');
    const key = line.slice(0, at);
    if (at < 1 || !/^[A-Za-z0-9_-]{1,64}$/.test(key)) continue;
    if (info.size >= MOST_LINES) break;
    info.set(key, sanitize(line.slice(at + 1), LONGEST_VALUE));
  }
  return info;
}

export function formatPeerInfo(info: Readonly<Record<string, string>>): string {
  return Object.entries(info)
    .map(([key, value]) => `${key}=${sanitize(value, LONGEST_VALUE)}\n`)
    .join('');
}

/** The lines of our client. `maxMtu` is the largest tun-mtu that it takes from a server. */
export function clientPeerInfo(options: {
  readonly version: string;
  readonly maxMtu: number;
  readonly ciphers: readonly AeadName[];
  readonly extra: Readonly<Record<string, string>>;
}): string {
  const { version, maxMtu, ciphers, extra } = options;
  const bothGcm = ciphers.includes('AES-256-GCM') && ciphers.includes('AES-128-GCM');
  return formatPeerInfo({
    IV_VER: version,
    IV_PLAT: 'linux',
    IV_TCPNL: '1',
    IV_MTU: String(maxMtu),
    ...(bothGcm ? { IV_NCP: '2' } : {}),
    IV_CIPHERS: ciphers.join(':'),
    IV_PROTO: String(ourProtocol),
    ...extra,
  });
}

/** IV_PROTO as a number; 0 for a peer that sends none. */
export function protocolBits(info: PeerInfo): number {
  const text = info.get('IV_PROTO');
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;
}
