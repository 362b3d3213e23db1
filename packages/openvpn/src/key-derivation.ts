/**
 * The keys of a data channel: 256 bytes, from the TLS exporter or from the PRF of TLS 1.0 (openvpn ssl.c generate_key_expansion).
 *
 *   0          64        128        192        256
 *   | cipher   | hmac    | cipher   | hmac     |
 *   | client to server   | server to client    |
 *
 * AEAD ciphers take the first bytes of a cipher part as key and the first 8 of the hmac part as implicit IV.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import type { AeadName } from './face.ts';
import type { KeySource } from './key-method-2.ts';
import { encodeText } from './text.ts';

export const DATA_KEYS_LABEL = 'EXPORTER-OpenVPN-datakeys';
export const KEY2_BYTES = 256;

const MASTER_BYTES = 48;
const HMAC_AT = 64;
const DIRECTION_BYTES = 128;
const IMPLICIT_IV_BYTES = 8;
const keyBytes: Readonly<Record<AeadName, number>> = { 'AES-256-GCM': 32, 'AES-128-GCM': 16, 'CHACHA20-POLY1305': 32 };

export interface DirectionKey {
  readonly key: Uint8Array;
  readonly implicitIv: Uint8Array;
}

/** The key of what `sender` sends. Borrows. */
export function directionKey(key2: Uint8Array, sender: 'client' | 'server', cipher: AeadName): DirectionKey {
  const at = sender === 'client' ? 0 : DIRECTION_BYTES;
  return {
    key: key2.subarray(at, at + keyBytes[cipher]),
    implicitIv: key2.subarray(at + HMAC_AT, at + HMAC_AT + IMPLICIT_IV_BYTES),
  };
}

export interface PrfInput {
  readonly client: KeySource;
  readonly server: KeySource;
  readonly clientSession: Uint8Array;
  readonly serverSession: Uint8Array;
}

/** For peers before 2.6, which do not use the exporter. */
export function deriveByPrf({ client, server, clientSession, serverSession }: PrfInput): Uint8Array {
  assert(client.preMaster !== undefined, 'a client brings the pre-master secret');
  const master = tls1Prf(
    client.preMaster,
    concat(encodeText('OpenVPN master secret'), client.random1, server.random1),
    MASTER_BYTES,
  );
  const seed = concat(
    encodeText('OpenVPN key expansion'),
    client.random2,
    server.random2,
    clientSession,
    serverSession,
  );
  return tls1Prf(master, seed, KEY2_BYTES);
}

/** The pseudorandom function of TLS 1.0 (RFC 2246, section 5): P_MD5 over one half of the secret, XOR P_SHA1 over the other. */
export function tls1Prf(secret: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const half = Math.ceil(secret.length / 2);
  const a = pHash('md5', secret.subarray(0, half), seed, length);
  const b = pHash('sha1', secret.subarray(secret.length - half), seed, length);
  return a.map((byte, i) => byte ^ (b[i] ?? 0));
}

function pHash(hash: 'md5' | 'sha1', secret: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let a: Uint8Array = seed;
  for (let at = 0; at < length; ) {
    a = createHmac(hash, secret).update(a).digest();
    const block = createHmac(hash, secret).update(a).update(seed).digest();
    out.set(block.subarray(0, length - at), at);
    at += block.length;
  }
  return out;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
