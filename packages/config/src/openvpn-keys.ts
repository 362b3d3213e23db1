/**
 * OpenVPN's key files, as `openvpn --genkey` makes them (crypto.c read_key_file, tls_crypt.c; doc/tls-crypt-v2.txt).
 *
 *   OpenVPN Static key V1              256 bytes as hexadecimal, 16 a line; for tls-crypt
 *   OpenVPN tls-crypt-v2 server key    128 bytes as base64; 32 from byte 0 are Ke, 32 from byte 64 are Ka
 *   OpenVPN tls-crypt-v2 client key    256 bytes of key and that key wrapped, as base64
 *
 * A wrapped key, of at most 1,024 bytes:
 *
 *   0        32                                        length - 2
 *   | tag 32 | AES-256-CTR(client key 256 | metadata) | length 2 |
 *
 * tag = HMAC-SHA256(Ka, length | client key | metadata); Ke encrypts from a counter block that is the tag's first 16 bytes. `length`
 * counts all of it. Metadata is a type and its bytes: 0 is the issuer's own, 1 a Unix time of 8 bytes.
 */
import { createCipheriv, createHmac } from 'node:crypto';
import type { RandomSource } from '@culvert/base';
import { ConfigError } from './errors.ts';

// Fixed by OpenVPN.
const STATIC = 'OpenVPN Static key V1';
const SERVER = 'OpenVPN tls-crypt-v2 server key';
const CLIENT = 'OpenVPN tls-crypt-v2 client key';
const STATIC_KEY_BYTES = 256;
const SERVER_KEY_BYTES = 128;
const TAG_BYTES = 32;
const LENGTH_BYTES = 2;
const SHORTEST_WRAPPED_KEY = TAG_BYTES + STATIC_KEY_BYTES + LENGTH_BYTES;
const LONGEST_WRAPPED_KEY = 1_024;
const METADATA_TIME = 0x01;

/** Chosen: several times the longest file there is. */
const LONGEST_FILE = 16_384;

export interface TlsCryptV2ClientKey {
  readonly clientKey: Uint8Array;
  /** The key as only its server can read it: what the client shows. */
  readonly wrapped: Uint8Array;
}

/** 256 bytes. Throws ConfigError CULVERT_CONFIG_KEY_FILE. */
export function parseStaticKey(text: string): Uint8Array {
  const hex = blockOf(text, STATIC);
  if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length !== STATIC_KEY_BYTES * 2) {
    throw wrong(STATIC, `${STATIC_KEY_BYTES} bytes of hexadecimal are expected`);
  }
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** 128 bytes. Throws ConfigError CULVERT_CONFIG_KEY_FILE. */
export function parseTlsCryptV2ServerKey(text: string): Uint8Array {
  const key = decodeBase64(text, SERVER);
  if (key.length !== SERVER_KEY_BYTES) throw wrong(SERVER, `it holds ${key.length} bytes, not ${SERVER_KEY_BYTES}`);
  return key;
}

/** Throws ConfigError CULVERT_CONFIG_KEY_FILE. */
export function parseTlsCryptV2ClientKey(text: string): TlsCryptV2ClientKey {
  const bytes = decodeBase64(text, CLIENT);
  const wrapped = bytes.slice(STATIC_KEY_BYTES);
  const length = ((wrapped.at(-2) ?? 0) << 8) | (wrapped.at(-1) ?? 0);
  if (length !== wrapped.length || length < SHORTEST_WRAPPED_KEY || length > LONGEST_WRAPPED_KEY) {
    throw wrong(CLIENT, 'it is cut short or changed');
  }
  return { clientKey: bytes.slice(0, STATIC_KEY_BYTES), wrapped };
}

export function printTlsCryptV2ServerKey(key: Uint8Array): string {
  return printPem(SERVER, key);
}

export function printTlsCryptV2ClientKey({ clientKey, wrapped }: TlsCryptV2ClientKey): string {
  return printPem(CLIENT, Buffer.concat([clientKey, wrapped]));
}

export function makeTlsCryptV2ServerKey(random: RandomSource): Uint8Array {
  return random.bytes(SERVER_KEY_BYTES);
}

/**
 * A new client's key, wrapped for the server that holds `serverKey`. Throws RangeError for more than 734 bytes of metadata.
 *
 * @param metadata begins with its type; the server reads it back.
 */
export function makeTlsCryptV2ClientKey(
  serverKey: Uint8Array,
  metadata: Uint8Array,
  random: RandomSource,
): TlsCryptV2ClientKey {
  const clientKey = random.bytes(STATIC_KEY_BYTES);
  return { clientKey, wrapped: wrap(serverKey, clientKey, metadata) };
}

/** The metadata that OpenVPN puts in by default: when the key was made. */
export function timeMetadata(unixSeconds: number): Uint8Array {
  const metadata = new Uint8Array(9);
  metadata[0] = METADATA_TIME;
  new DataView(metadata.buffer).setBigUint64(1, BigInt(unixSeconds));
  return metadata;
}

function wrap(serverKey: Uint8Array, clientKey: Uint8Array, metadata: Uint8Array): Uint8Array {
  const total = SHORTEST_WRAPPED_KEY + metadata.length;
  if (total > LONGEST_WRAPPED_KEY) {
    const most = LONGEST_WRAPPED_KEY - SHORTEST_WRAPPED_KEY;
    throw new RangeError(`metadata has ${metadata.length} bytes, at most ${most} fit`);
  }
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(total);
  const ke = serverKey.subarray(0, 32);
  const ka = serverKey.subarray(64, 96);
  const tag = createHmac('sha256', ka).update(length).update(clientKey).update(metadata).digest();
  const cipher = createCipheriv('aes-256-ctr', ke, tag.subarray(0, 16));
  const parts = [tag, cipher.update(clientKey), cipher.update(metadata), length];
  return Uint8Array.from(Buffer.concat(parts));
}

/** What stands between the lines that name it, without white space. */
function blockOf(text: string, name: string): string {
  if (text.length > LONGEST_FILE) throw wrong(name, 'it is far too long');
  const begin = `-----BEGIN ${name}-----`;
  const start = text.indexOf(begin);
  const end = text.indexOf(`-----END ${name}-----`);
  if (start < 0 || end < start) throw wrong(name, `there is no "${begin}" with its end`);
  return text.slice(start + begin.length, end).replace(/\s+/g, '');
}

function decodeBase64(text: string, name: string): Uint8Array {
  const base64 = blockOf(text, name);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) throw wrong(name, 'it is not base64');
  return Uint8Array.from(Buffer.from(base64, 'base64'));
}

/** 64 characters a line. */
function printPem(name: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${name}-----\n${lines.join('\n')}\n-----END ${name}-----\n`;
}

function wrong(name: string, detail: string): ConfigError {
  return new ConfigError('CULVERT_CONFIG_KEY_FILE', [], `${name}: ${detail}`);
}
