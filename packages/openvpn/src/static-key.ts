/**
 * OpenVPN's key files: static keys for tls-crypt, and the server and client keys of tls-crypt-v2 (openvpn crypto.c read_key_file,
 * tls_crypt.c; doc/tls-crypt-v2.txt).
 *
 *   OpenVPN Static key V1              256 bytes as hexadecimal, 16 a line
 *   OpenVPN tls-crypt-v2 server key    128 bytes as base64
 *   OpenVPN tls-crypt-v2 client key    256 bytes of key and that key wrapped, as base64
 */
import type { RandomSource } from '@culvert/base';
import { OpenvpnError } from './errors.ts';
import { STATIC_KEY_BYTES } from './wrap/tls-crypt.ts';
import { type KeyMetadata, LONGEST_WRAPPED_KEY, wrapClientKey } from './wrap/wrapped-key.ts';

const STATIC = 'OpenVPN Static key V1';
const SERVER = 'OpenVPN tls-crypt-v2 server key';
const CLIENT = 'OpenVPN tls-crypt-v2 client key';
const SERVER_KEY_BYTES = 128;
const LONGEST_FILE = 16_384;

export interface TlsCryptV2ClientKey {
  readonly clientKey: Uint8Array;
  readonly wrapped: Uint8Array;
}

/** 256 bytes. Throws OpenvpnError. */
export function parseStaticKey(text: string): Uint8Array {
  const hex = block(text, STATIC).replace(/\s+/g, '');
  if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length !== STATIC_KEY_BYTES * 2) {
    throw wrong(STATIC, `${STATIC_KEY_BYTES} bytes of hexadecimal are expected`);
  }
  return Uint8Array.from({ length: STATIC_KEY_BYTES }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}

/** 128 bytes. Throws OpenvpnError. */
export function parseTlsCryptV2ServerKey(text: string): Uint8Array {
  const bytes = base64(text, SERVER);
  if (bytes.length !== SERVER_KEY_BYTES) throw wrong(SERVER, `it holds ${bytes.length} bytes, not ${SERVER_KEY_BYTES}`);
  return bytes;
}

/** Throws OpenvpnError. */
export function parseTlsCryptV2ClientKey(text: string): TlsCryptV2ClientKey {
  const bytes = base64(text, CLIENT);
  const wrapped = bytes.slice(STATIC_KEY_BYTES);
  const length = ((wrapped.at(-2) ?? 0) << 8) | (wrapped.at(-1) ?? 0);
  if (wrapped.length > LONGEST_WRAPPED_KEY || length !== wrapped.length)
    throw wrong(CLIENT, 'it is cut short or changed');
  return { clientKey: bytes.slice(0, STATIC_KEY_BYTES), wrapped };
}

export function formatStaticKey(key: Uint8Array): string {
  const hex = Array.from(key, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return pem(STATIC, hex.match(/.{32}/g) ?? []);
}

export function formatTlsCryptV2ServerKey(key: Uint8Array): string {
  return pem(SERVER, encodeBase64(key));
}

export function formatTlsCryptV2ClientKey({ clientKey, wrapped }: TlsCryptV2ClientKey): string {
  return pem(CLIENT, encodeBase64(Uint8Array.of(...clientKey, ...wrapped)));
}

export function makeStaticKey(random: RandomSource): Uint8Array {
  return random.bytes(STATIC_KEY_BYTES);
}

export function makeTlsCryptV2ServerKey(random: RandomSource): Uint8Array {
  return random.bytes(SERVER_KEY_BYTES);
}

/** A new client's key, wrapped for the server with `serverKey`. @param metadata undefined: empty metadata of type 0 */
export function makeTlsCryptV2ClientKey(
  serverKey: Uint8Array,
  metadata: KeyMetadata | undefined,
  random: RandomSource,
): TlsCryptV2ClientKey {
  const clientKey = random.bytes(STATIC_KEY_BYTES);
  return { clientKey, wrapped: wrapClientKey(serverKey, clientKey, metadata ?? { type: 0, bytes: new Uint8Array(0) }) };
}

function block(text: string, name: string): string {
  if (text.length > LONGEST_FILE) throw wrong(name, 'it is far too long');
  const begin = `-----BEGIN ${name}-----`;
  const start = text.indexOf(begin);
  const end = text.indexOf(`-----END ${name}-----`);
  if (start < 0 || end < start) throw wrong(name, `there is no "${begin}" with its end`);
  return text.slice(start + begin.length, end);
}

function base64(text: string, name: string): Uint8Array {
  try {
    return Uint8Array.from(atob(block(text, name).replace(/\s+/g, '')), (char) => char.charCodeAt(0));
  } catch (error) {
    if (error instanceof OpenvpnError) throw error;
    throw wrong(name, 'it is not base64');
  }
}

function encodeBase64(bytes: Uint8Array): string[] {
  return btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g) ?? [];
}

function pem(name: string, lines: readonly string[]): string {
  return `-----BEGIN ${name}-----\n${lines.join('\n')}\n-----END ${name}-----\n`;
}

function wrong(name: string, detail: string): OpenvpnError {
  return new OpenvpnError('CULVERT_OPENVPN_KEY_FILE', `${name}: ${detail}`);
}
