/**
 * OpenVPN's packets by an encoder of their own, so that the peer of the fuzzer does not share the mistakes of what it attacks.
 * Layouts: openvpn src/openvpn/ssl_pkt.h, reliable.c, tls_crypt.c, ssl.c key_method_2_write.
 */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';

export const Op = {
  softReset: 3,
  control: 4,
  ack: 5,
  dataV1: 6,
  resetClientV2: 7,
  resetServerV2: 8,
  dataV2: 9,
  resetClientV3: 10,
  controlWkc: 11,
} as const;

export const HEAD_BYTES = 9;
/** Head, replay id and time: what tls-crypt authenticates in the clear. */
export const CLEAR_BYTES = 17;
const TAG_BYTES = 32;

export interface Control {
  readonly op: number;
  readonly keyId: number;
  readonly sessionId: Uint8Array;
  readonly acks: readonly number[];
  /** Whose packets are acknowledged. */
  readonly acked: Uint8Array;
  /** Undefined in an ACK. */
  readonly packetId: number | undefined;
  readonly payload: Uint8Array;
}

/** Head, replay id, time and body, all of it in the clear: what a mutation works on before the wrap closes. */
export function encodeControl(packet: Control, replayId: number, time: number): Buffer {
  const head = Buffer.alloc(CLEAR_BYTES);
  head[0] = (packet.op << 3) | packet.keyId;
  head.set(packet.sessionId, 1);
  head.writeUInt32BE(replayId >>> 0, HEAD_BYTES);
  head.writeUInt32BE(time >>> 0, HEAD_BYTES + 4);
  const acks = packet.acks.length === 0 ? [] : [...packet.acks.map(u32), packet.acked];
  const id = packet.packetId === undefined ? [] : [u32(packet.packetId)];
  return Buffer.concat([head, Buffer.of(packet.acks.length), ...acks, ...id, packet.payload]);
}

/** Reads what an honest peer sent; throws for anything else. */
export function decodeControl(clear: Buffer): Control {
  const op = (clear[0] ?? 0) >> 3;
  const acks: number[] = [];
  let at = CLEAR_BYTES + 1;
  for (let n = clear[CLEAR_BYTES] ?? 0; n > 0; n--, at += 4) acks.push(clear.readUInt32BE(at));
  const acked = clear.subarray(at, acks.length > 0 ? at + 8 : at);
  at += acked.length;
  const packetId = op === Op.ack ? undefined : clear.readUInt32BE(at);
  const payload = clear.subarray(packetId === undefined ? at : at + 4);
  return { op, keyId: (clear[0] ?? 0) & 7, sessionId: clear.subarray(1, HEAD_BYTES), acks, acked, packetId, payload };
}

interface WrapKeys {
  readonly cipher: KeyObject;
  readonly hmac: KeyObject;
}

/** tls-crypt over packets in the form of `encodeControl`. */
export class TlsCrypt {
  readonly #send: WrapKeys;
  readonly #receive: WrapKeys;

  constructor(key: Uint8Array, role: 'server' | 'client') {
    const half = (at: number) => ({
      cipher: createSecretKey(key.subarray(at, at + 32)),
      hmac: createSecretKey(key.subarray(at + 64, at + 96)),
    });
    [this.#send, this.#receive] = role === 'server' ? [half(0), half(128)] : [half(128), half(0)];
  }

  seal(clear: Uint8Array): Buffer {
    const [head, body] = [clear.subarray(0, CLEAR_BYTES), clear.subarray(CLEAR_BYTES)];
    const tag = createHmac('sha256', this.#send.hmac).update(head).update(body).digest();
    const cipher = createCipheriv('aes-256-ctr', this.#send.cipher, tag.subarray(0, 16));
    return Buffer.concat([head, tag, cipher.update(body)]);
  }

  /** Undefined for what is not authentic. */
  open(datagram: Uint8Array): Buffer | undefined {
    if (datagram.length <= CLEAR_BYTES + TAG_BYTES) return undefined;
    const [head, tag] = [datagram.subarray(0, CLEAR_BYTES), datagram.subarray(CLEAR_BYTES, CLEAR_BYTES + TAG_BYTES)];
    const decipher = createDecipheriv('aes-256-ctr', this.#receive.cipher, tag.subarray(0, 16));
    const body = decipher.update(datagram.subarray(CLEAR_BYTES + TAG_BYTES));
    const expected = createHmac('sha256', this.#receive.hmac).update(head).update(body).digest();
    return expected.equals(tag) ? Buffer.concat([head, body]) : undefined;
  }
}

/** A client key wrapped for its server: `plain` is the key, a type and metadata (doc/tls-crypt-v2.txt). */
export function wrapClientKey(serverKey: Uint8Array, plain: Uint8Array): Buffer {
  const length = u16(TAG_BYTES + plain.length + 2);
  const tag = createHmac('sha256', serverKey.subarray(64, 96)).update(length).update(plain).digest();
  const cipher = createCipheriv('aes-256-ctr', serverKey.subarray(0, 32), tag.subarray(0, 16));
  return Buffer.concat([tag, cipher.update(plain), length]);
}

/** Key method 2. `random` is the pre-master secret (a client's alone) and both randoms: 112 or 64 bytes. */
export function encodeKeyMethod(random: Uint8Array, strings: readonly (string | Uint8Array | undefined)[]): Buffer {
  return Buffer.concat([Buffer.of(0, 0, 0, 0, 2), random, ...strings.map(keyMethodString)]);
}

function keyMethodString(text: string | Uint8Array | undefined): Buffer {
  if (text === undefined) return u16(0);
  const bytes = Buffer.from(text);
  return Buffer.concat([u16((bytes.length + 1) & 0xffff), bytes, Buffer.of(0)]);
}

export type DataCipher = 'AES-256-GCM' | 'AES-128-GCM' | 'CHACHA20-POLY1305';

/** One direction of a data key. */
export class DataSealer {
  readonly #cipher: DataCipher;
  readonly #key: KeyObject;
  readonly #iv: Uint8Array;

  /** @param key2 256 bytes of the exporter. */
  constructor(cipher: DataCipher, key2: Uint8Array, from: 'server' | 'client') {
    const at = from === 'client' ? 0 : 128;
    this.#cipher = cipher;
    this.#key = createSecretKey(key2.subarray(at, at + (cipher === 'AES-128-GCM' ? 16 : 32)));
    this.#iv = key2.slice(at + 64, at + 72);
  }

  /** @param header 4 bytes of DATA_V2, or 1 of DATA_V1, which is then not authenticated. */
  seal(header: Uint8Array, packetId: number, plain: Uint8Array): Buffer {
    const id = u32(packetId);
    const nonce = Buffer.concat([id, this.#iv]);
    const cipher = this.#start(nonce);
    cipher.setAAD(header.length === 1 ? id : Buffer.concat([header, id]), { plaintextLength: plain.length });
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([header, id, cipher.getAuthTag(), body]);
  }

  #start(nonce: Uint8Array) {
    if (this.#cipher === 'CHACHA20-POLY1305')
      return createCipheriv('chacha20-poly1305', this.#key, nonce, { authTagLength: 16 });
    return createCipheriv(this.#cipher === 'AES-128-GCM' ? 'aes-128-gcm' : 'aes-256-gcm', this.#key, nonce);
  }
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value & 0xffff);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
