/**
 * tls-crypt: every control packet encrypted and authenticated with keys that both ends have (openvpn tls_crypt.c, doc/tls-crypt-v2.txt).
 *
 *   0        1              9              13         17         49
 *   | op/key | session id 8 | replay id 4  | time 4   | tag 32   | AES-256-CTR ciphertext of the body
 *
 * tag = HMAC-SHA256(Ka, the first 17 bytes | body); the counter block starts as the tag's first 16 bytes.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import { ControlReplay } from './control-replay.ts';
import { CONTROL_HEAD_BYTES, type ControlWrap, type Unwrapped } from './control-wrap.ts';

const REPLAY_ID_AT = CONTROL_HEAD_BYTES;
const TIME_AT = 13;
const TAG_AT = 17;
const BODY_AT = 49;

/** 256 bytes: two keys, each 64 bytes for a cipher and 64 for an HMAC. */
export const STATIC_KEY_BYTES = 256;

/** As key objects: Node 24 takes 8 us for an HMAC with one and 50 with the bare bytes, and strangers choose how often. */
export interface TlsCryptKeys {
  /** 32 bytes each: a cipher key and an HMAC key. */
  readonly cipher: KeyObject;
  readonly hmac: KeyObject;
}

/** The first key protects what servers send, the second what clients send (tls_crypt.c: server NORMAL, client INVERSE). */
export function tlsCryptKeys(staticKey: Uint8Array, sender: 'server' | 'client'): TlsCryptKeys {
  const at = sender === 'server' ? 0 : 128;
  return {
    cipher: createSecretKey(staticKey.subarray(at, at + 32)),
    hmac: createSecretKey(staticKey.subarray(at + 64, at + 96)),
  };
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
  readonly #send: TlsCryptKeys;
  readonly #receive: TlsCryptKeys;
  readonly #replay = new ControlReplay();
  readonly #time: number;
  #nextId: number;

  constructor({ role, staticKey, time, firstId = 1, name = 'tls-crypt' }: TlsCryptOptions) {
    this.name = name;
    this.#send = tlsCryptKeys(staticKey, role);
    this.#receive = tlsCryptKeys(staticKey, role === 'server' ? 'client' : 'server');
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
export function sealTlsCrypt(
  keys: TlsCryptKeys,
  head: Uint8Array,
  id: number,
  time: number,
  body: Uint8Array,
): Uint8Array {
  const datagram = new Uint8Array(BODY_AT + body.length);
  const view = new DataView(datagram.buffer);
  datagram.set(head);
  view.setUint32(REPLAY_ID_AT, id);
  view.setUint32(TIME_AT, time);
  const tag = createHmac('sha256', keys.hmac).update(datagram.subarray(0, TAG_AT)).update(body).digest();
  datagram.set(tag, TAG_AT);
  const cipher = createCipheriv('aes-256-ctr', keys.cipher, tag.subarray(0, 16));
  datagram.set(cipher.update(body), BODY_AT);
  return datagram;
}

/** Undefined for what is too short or not authentic. Replays are the caller's to refuse. */
export function openTlsCrypt(
  keys: TlsCryptKeys,
  datagram: Uint8Array,
): { readonly id: number; readonly time: number; readonly body: Uint8Array } | undefined {
  if (datagram.length <= BODY_AT) return undefined;
  const tag = datagram.subarray(TAG_AT, BODY_AT);
  const decipher = createDecipheriv('aes-256-ctr', keys.cipher, tag.subarray(0, 16));
  const body = decipher.update(datagram.subarray(BODY_AT));
  const expected = createHmac('sha256', keys.hmac).update(datagram.subarray(0, TAG_AT)).update(body).digest();
  if (!timingSafeEqual(tag, expected)) return undefined;
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  return { id: view.getUint32(REPLAY_ID_AT), time: view.getUint32(TIME_AT), body };
}
