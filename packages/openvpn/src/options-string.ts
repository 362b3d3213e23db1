/**
 * The options string of key method 2: what each end believes both are configured for (openvpn options_string.c).
 *
 * Peers only warn about differences. It decides two things: the cipher of a peer that negotiates none, and whether it frames its
 * packets for compression.
 */
import type { AeadName } from './face.ts';

export interface OptionsString {
  readonly role: 'server' | 'client';
  readonly protocol: 'udp' | 'tcp';
  readonly ipVersion: 4 | 6;
  readonly tunMtu: number;
  readonly cipher: AeadName;
}

/** What OpenVPN 2.4 to 2.7 add to tun-mtu when no cipher is configured (they count BF-CBC with SHA1), over UDP and over TCP. */
const LINK_MTU_EXTRA = { udp: 41, tcp: 43 };

export function formatOptions({ role, protocol, ipVersion, tunMtu, cipher }: OptionsString): string {
  const family = ipVersion === 4 ? 'v4' : 'v6';
  const proto = protocol === 'udp' ? `UDP${family}` : `TCP${family}_${role.toUpperCase()}`;
  // Digest and key size are those of a peer without a cipher in its profile, since that is what most compare with.
  return (
    `V4,dev-type tun,link-mtu ${tunMtu + LINK_MTU_EXTRA[protocol]},tun-mtu ${tunMtu},proto ${proto},` +
    `cipher ${cipher},auth SHA1,keysize 128,key-method 2,tls-${role}`
  );
}

export interface PeerOptions {
  readonly cipher: string | undefined;
  /** The peer frames its packets for compression (`comp-lzo`, `compress`). */
  readonly compression: boolean;
  readonly device: 'tun' | 'tap' | undefined;
}

export function parseOptions(text: string): PeerOptions {
  const options = text.split(',');
  const value = (name: string) => options.find((option) => option.startsWith(`${name} `))?.slice(name.length + 1);
  const device = value('dev-type');
  return {
    cipher: value('cipher'),
    compression: options.some((option) => option === 'comp-lzo'),
    device: device === 'tun' || device === 'tap' ? device : undefined,
  };
}
