/** Which cipher and which features a server and a client agree on (openvpn ssl_ncp.c, multi.c). */
import type { AeadName } from './face.ts';
import type { PeerOptions } from './options-string.ts';
import { type PeerInfo, Protocol, protocolBits } from './peer-info.ts';

export const defaultDataCiphers: readonly AeadName[] = ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'];

export interface Agreement {
  readonly cipher: AeadName;
  /** The client takes a cipher from the server. */
  readonly pushCipher: boolean;
  readonly features: Features;
}

export interface Features {
  /** DATA_V2: packets carry a peer id. */
  readonly dataV2: boolean;
  /** Keys come from the TLS exporter, not from the PRF. */
  readonly tlsKeyExport: boolean;
  /** EXIT goes over the control channel. */
  readonly controlExit: boolean;
  readonly dynamicTlsCrypt: boolean;
}

/**
 * The server's choice: the first of its ciphers that the client has. A client without IV_CIPHERS has the GCM pair (IV_NCP=2), else
 * what its options string names. Undefined when nothing is shared.
 */
export function negotiate(ours: readonly AeadName[], info: PeerInfo, options: PeerOptions): Agreement | undefined {
  const theirs = offeredCiphers(info, options);
  const cipher = ours.find((name) => theirs.includes(name));
  if (cipher === undefined) return undefined;
  const bits = protocolBits(info);
  const has = (bit: number) => (bits & bit) !== 0;
  return {
    cipher,
    pushCipher: info.has('IV_CIPHERS') || info.has('IV_NCP'),
    features: {
      dataV2: has(Protocol.dataV2),
      tlsKeyExport: has(Protocol.tlsKeyExport),
      controlExit: has(Protocol.controlExit),
      dynamicTlsCrypt: has(Protocol.dynamicTlsCrypt) && has(Protocol.tlsKeyExport),
    },
  };
}

/** Upper-case names of what a client can do, for the choice and for the log when there is none. */
export function offeredCiphers(info: PeerInfo, options: PeerOptions): readonly string[] {
  const listed = info.get('IV_CIPHERS');
  if (listed !== undefined) return listed.toUpperCase().split(':');
  const named = options.cipher === undefined ? [] : [options.cipher.toUpperCase()];
  return info.get('IV_NCP') === '2' ? ['AES-256-GCM', 'AES-128-GCM', ...named] : named;
}
