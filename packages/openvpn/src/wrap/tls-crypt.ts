/**
 * tls-crypt: every control packet encrypted and authenticated with keys that both ends have (openvpn tls_crypt.c, doc/tls-crypt-v2.txt).
 *
 *   0        1              9              13         17         49
 *   | op/key | session id 8 | replay id 4  | time 4   | tag 32   | AES-256-CTR ciphertext of the body
 *
 * tag = HMAC-SHA256(Ka, the first 17 bytes | body); the counter block starts as the tag's first 16 bytes.
 */
import { createTlsCrypt, TLS_CRYPT_KEY_BYTES, TLS_CRYPT_TAG_BYTES } from '@culvert/cipher';
import { readUint32, writeUint32 } from '../bytes.ts';
import { ControlReplay } from './control-replay.ts';
import { CONTROL_HEAD_BYTES, type ControlWrap, type Unwrapped } from './control-wrap.ts';

const REPLAY_ID_AT = CONTROL_HEAD_BYTES;
const TIME_AT = 13;
const TAG_AT = 17;
const BODY_AT = TAG_AT + TLS_CRYPT_TAG_BYTES;

/** 256 bytes: two keys, each 64 bytes for a cipher and 64 for an HMAC. */
export const STATIC_KEY_BYTES = 2 * TLS_CRYPT_KEY_BYTES;

/** It keeps no key: all wraps of a thread share it. */
export const tlsCrypt = createTlsCrypt();

/** The first key protects what servers send, the second what clients send (tls_crypt.c: server NORMAL, client INVERSE). Borrows. */
export function tlsCryptKey(staticKey: Uint8Array, sender: 'server' | 'client'): Uint8Array {
  const at = sender === 'server' ? 0 : TLS_CRYPT_KEY_BYTES;
  return staticKey.subarray(at, at + TLS_CRYPT_KEY_BYTES);
}

export interface TlsCryptOptions {
  readonly role: 'server' | 'client';
  readonly staticKey: Uint8Array;
  /** Unix seconds, constant over the life of the wrap. */
  readonly time: number;
  /** The replay id of the first packet. @default 1 */
  readonly firstId?: number;
  readonly name?: ControlWrap['name'];
}

export function createTlsCryptWrap(options: TlsCryptOptions): ControlWrap {
  return new TlsCryptWrap(options);
}

class TlsCryptWrap implements ControlWrap {
  readonly name: ControlWrap['name'];
  readonly overhead = BODY_AT - CONTROL_HEAD_BYTES;
  readonly wrappedKeyBytes = 0;
  readonly #send: Uint8Array;
  readonly #receive: Uint8Array;
  readonly #replay = new ControlReplay();
  readonly #time: number;
  #nextId: number;

  constructor({ role, staticKey, time, firstId = 1, name = 'tls-crypt' }: TlsCryptOptions) {
    this.name = name;
    this.#send = tlsCryptKey(staticKey, role);
    this.#receive = tlsCryptKey(staticKey, role === 'server' ? 'client' : 'server');
    this.#time = time;
    this.#nextId = firstId;
  }

  wrap(head: Uint8Array, body: Uint8Array): Uint8Array {
    return sealTlsCrypt(this.#send, head, this.#nextId++, this.#time, body);
  }

  unwrap(datagram: Uint8Array): Unwrapped {
    const opened = openTlsCrypt(this.#receive, datagram);
    if (opened === undefined) return { kind: datagram.length <= BODY_AT ? 'malformed' : 'unauthenticated' };
    return this.#replay.accept(opened.id, opened.time) ? { kind: 'body', body: opened.body } : { kind: 'replayed' };
  }
}

/** The whole datagram for a nine-byte head and a body. */
function sealTlsCrypt(key: Uint8Array, head: Uint8Array, id: number, time: number, body: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(BODY_AT + body.length);
  datagram.set(head);
  writeUint32(datagram, REPLAY_ID_AT, id);
  writeUint32(datagram, TIME_AT, time);
  tlsCrypt.seal(key, datagram.subarray(0, TAG_AT), body, datagram.subarray(TAG_AT));
  return datagram;
}

/** Bodies lie here until they are read: a handshake is a dozen of them. */
const lent = new Uint8Array(2_048);

/** Undefined for what is too short or not authentic. Replays are the caller's to refuse. The body is lent until the next call. */
export function openTlsCrypt(
  key: Uint8Array,
  datagram: Uint8Array,
): { readonly id: number; readonly time: number; readonly body: Uint8Array } | undefined {
  if (datagram.length <= BODY_AT) return undefined;
  const length = datagram.length - BODY_AT;
  const body = length <= lent.length ? lent.subarray(0, length) : new Uint8Array(length);
  if (!tlsCrypt.open(key, datagram.subarray(0, TAG_AT), datagram.subarray(TAG_AT), body)) return undefined;
  return { id: readUint32(datagram, REPLAY_ID_AT), time: readUint32(datagram, TIME_AT), body };
}
