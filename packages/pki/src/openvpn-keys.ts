/**
 * OpenVPN's own key files, as `openvpn --genkey` makes them: static keys (tls-auth, tls-crypt) and those of tls-crypt-v2
 * (doc/tls-crypt-v2.txt of its source).
 *
 *   static key          key0 | key1, each cipher part (64) | hmac part (64)
 *   v2 server key       cipher part (64) | hmac part (64); the first 32 bytes of each are Ke and Ka
 *   v2 client key       Kc (256, a static key) | WKc
 *   WKc                 tag (32) | AES-256-CTR(Ke, iv = tag[0..15], Kc | metadata) | length of WKc (2)
 *                       tag = HMAC-SHA256(Ka, length | Kc | metadata)
 *   metadata            type (1): 0 = user's, 1 = time | value; a time is 8 bytes, seconds since 1970
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { PkiError } from './errors.ts';
import { decodePem, encodePem } from './pem.ts';

// Fixed by OpenVPN.
const STATIC_KEY_BYTES = 256;
const SERVER_KEY_BYTES = 128;
const TAG_BYTES = 32;
const MAX_WRAPPED_BYTES = 1024;
const METADATA_TIME = 0x01;
const SERVER_LABEL = 'OpenVPN tls-crypt-v2 server key';
const CLIENT_LABEL = 'OpenVPN tls-crypt-v2 client key';

export interface TlsCryptV2ClientKey {
  readonly key: Uint8Array;
  /** WKc: what the client shows to the server. */
  readonly wrapped: Uint8Array;
}

/** A new key for tls-crypt or tls-auth, as text. */
export function generateStaticKey(): string {
  return printStaticKey(randomBytes(STATIC_KEY_BYTES));
}

export function printStaticKey(key: Uint8Array): string {
  const lines = Buffer.from(key).toString('hex').replace(/.{32}/g, '$&\n');
  return `#\n# 2048 bit OpenVPN static key\n#\n-----BEGIN OpenVPN Static key V1-----\n${lines}-----END OpenVPN Static key V1-----\n`;
}

/** The 256 bytes of a static key file. Throws PkiError. */
export function parseStaticKey(text: string): Uint8Array {
  const [, body] =
    /-----BEGIN OpenVPN Static key V1-----([0-9a-fA-F\s]+)-----END OpenVPN Static key V1-----/.exec(text) ?? [];
  const key = Buffer.from((body ?? '').replace(/\s+/g, ''), 'hex');
  if (key.length !== STATIC_KEY_BYTES)
    throw new PkiError('CULVERT_PKI_FORMAT', 'not an OpenVPN static key of 2048 bits');
  return key;
}

/** A new server key for tls-crypt-v2, as text. */
export function generateTlsCryptV2ServerKey(): string {
  return encodePem(SERVER_LABEL, randomBytes(SERVER_KEY_BYTES));
}

/** The 128 bytes of a tls-crypt-v2 server key file. Throws PkiError. */
export function parseTlsCryptV2ServerKey(text: string): Uint8Array {
  const key = decodePem(SERVER_LABEL, text);
  if (key.length !== SERVER_KEY_BYTES)
    throw new PkiError('CULVERT_PKI_FORMAT', `a tls-crypt-v2 server key has ${SERVER_KEY_BYTES} bytes`);
  return key;
}

/** A new client key that the holder of `serverKey` accepts, stamped with the time (as OpenVPN does by default), as text. */
export function generateTlsCryptV2ClientKey(serverKey: Uint8Array, unixSeconds: number): string {
  const metadata = Buffer.alloc(9);
  metadata[0] = METADATA_TIME;
  metadata.writeBigUInt64BE(BigInt(unixSeconds), 1);
  const key = randomBytes(STATIC_KEY_BYTES);
  return printTlsCryptV2ClientKey({ key, wrapped: wrapClientKey(serverKey, key, metadata) });
}

export function printTlsCryptV2ClientKey({ key, wrapped }: TlsCryptV2ClientKey): string {
  return encodePem(CLIENT_LABEL, Buffer.concat([key, wrapped]));
}

/** Throws PkiError. */
export function parseTlsCryptV2ClientKey(text: string): TlsCryptV2ClientKey {
  const bytes = decodePem(CLIENT_LABEL, text);
  const wrapped = bytes.subarray(STATIC_KEY_BYTES);
  if (wrapped.length < TAG_BYTES + STATIC_KEY_BYTES + 3 || wrapped.length > MAX_WRAPPED_BYTES) {
    throw new PkiError('CULVERT_PKI_FORMAT', `a tls-crypt-v2 client key has not ${bytes.length} bytes`);
  }
  return { key: bytes.subarray(0, STATIC_KEY_BYTES), wrapped };
}

/** WKc for a client key. `metadata` begins with its type. Throws RangeError when the whole is over 1,024 bytes. */
export function wrapClientKey(serverKey: Uint8Array, clientKey: Uint8Array, metadata: Uint8Array): Uint8Array {
  const total = TAG_BYTES + clientKey.length + metadata.length + 2;
  if (total > MAX_WRAPPED_BYTES) throw new RangeError(`${metadata.length} bytes of metadata do not fit`);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(total);
  const { ke, ka } = keysOf(serverKey);
  const tag = createHmac('sha256', ka).update(length).update(clientKey).update(metadata).digest();
  const cipher = createCipheriv('aes-256-ctr', ke, tag.subarray(0, 16));
  return Buffer.concat([tag, cipher.update(clientKey), cipher.update(metadata), cipher.final(), length]);
}

/** What a server does with WKc: the client's key and its metadata. Throws PkiError when `serverKey` did not wrap it. */
export function unwrapClientKey(serverKey: Uint8Array, wrapped: Uint8Array): { key: Uint8Array; metadata: Uint8Array } {
  const fail = () => new PkiError('CULVERT_PKI_FORMAT', 'this server key did not wrap that client key');
  if (wrapped.length < TAG_BYTES + STATIC_KEY_BYTES + 2 || wrapped.length > MAX_WRAPPED_BYTES) throw fail();
  const length = wrapped.subarray(-2);
  if ((((length[0] ?? 0) << 8) | (length[1] ?? 0)) !== wrapped.length) throw fail();
  const { ke, ka } = keysOf(serverKey);
  const tag = wrapped.subarray(0, TAG_BYTES);
  const plain = createDecipheriv('aes-256-ctr', ke, tag.subarray(0, 16)).update(wrapped.subarray(TAG_BYTES, -2));
  const expected = createHmac('sha256', ka).update(length).update(plain).digest();
  if (!timingSafeEqual(expected, tag)) throw fail();
  return { key: plain.subarray(0, STATIC_KEY_BYTES), metadata: plain.subarray(STATIC_KEY_BYTES) };
}

function keysOf(serverKey: Uint8Array): { ke: Uint8Array; ka: Uint8Array } {
  return { ke: serverKey.subarray(0, 32), ka: serverKey.subarray(64, 96) };
}
