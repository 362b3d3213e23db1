/** An initiator of IKEv1 that does what it is told, by RFC 2409 and Node's crypto alone: it shares no line with the package. */
import assert from 'node:assert/strict';
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  getDiffieHellman,
  randomBytes,
} from 'node:crypto';

export type Part = readonly [type: number, body: Uint8Array];

export interface ScriptedSuite {
  readonly hash: 'sha1' | 'sha256' | 'sha384';
  readonly keyBytes: number;
  /** Of Node: "secp384r1", or "modp14". */
  readonly group: string;
}

export const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const u32 = (value: number): Buffer => hex(value.toString(16).padStart(8, '0'));

export class ScriptedInitiator {
  readonly cookie = randomBytes(8);
  responderCookie: Buffer = Buffer.alloc(8);
  readonly nonce = randomBytes(48);
  readonly #suite: ScriptedSuite;
  readonly #psk: Buffer;
  #offer: Buffer = Buffer.alloc(0);
  #public: Buffer = Buffer.alloc(0);
  #secret: (peer: Buffer) => Buffer = () => Buffer.alloc(0);
  #peerPublic: Buffer = Buffer.alloc(0);
  #skeyid: Buffer = Buffer.alloc(0);
  #d: Buffer = Buffer.alloc(0);
  #a: Buffer = Buffer.alloc(0);
  #key: Buffer = Buffer.alloc(0);
  #iv: Buffer = Buffer.alloc(0);
  #quickIv: Buffer = Buffer.alloc(0);
  #quickNonce: Buffer = Buffer.alloc(0);
  #quickPeerNonce: Buffer = Buffer.alloc(0);

  constructor(suite: ScriptedSuite, psk: string) {
    this.#suite = suite;
    this.#psk = Buffer.from(psk);
  }

  first(offer: Uint8Array, vendorIds: readonly Uint8Array[]): Buffer {
    this.#offer = Buffer.from(offer);
    return this.#message(2, 0, 0, 1, chain([[1, offer], ...vendorIds.map((id): Part => [13, id])]));
  }

  takeSecond(datagram: Uint8Array): Part[] {
    this.responderCookie = Buffer.from(datagram.subarray(8, 16));
    return parts(datagram[16] ?? 0, datagram.subarray(28));
  }

  /** `seen`: our address and the server's as the NAT-D payloads are to say. */
  third(natType: number, seen: { readonly own: string; readonly ownPort: number; readonly server: string }): Buffer {
    this.#agree();
    const nat = (address: string, port: number): Part => [natType, this.natHash(address, port)];
    const all: Part[] = [[4, this.#public], [10, this.nonce], nat(seen.server, 500), nat(seen.own, seen.ownPort)];
    return this.#message(2, 0, 0, 4, chain(all));
  }

  takeFourth(datagram: Uint8Array): Part[] {
    const all = parts(datagram[16] ?? 0, datagram.subarray(28));
    this.#peerPublic = bodyOf(all, 4);
    const peerNonce = bodyOf(all, 10);
    const shared = this.#secret(this.#peerPublic);
    const cookies = Buffer.concat([this.cookie, this.responderCookie]);
    this.#skeyid = this.#prf(this.#psk, this.nonce, peerNonce);
    this.#d = this.#prf(this.#skeyid, shared, cookies, hex('00'));
    this.#a = this.#prf(this.#skeyid, this.#d, shared, cookies, hex('01'));
    const e = this.#prf(this.#skeyid, this.#a, shared, cookies, hex('02'));
    const k1 = this.#prf(e, hex('00'));
    const block = e.length < this.#suite.keyBytes ? Buffer.concat([k1, this.#prf(e, k1)]) : e;
    this.#key = block.subarray(0, this.#suite.keyBytes);
    this.#iv = this.#digest(this.#public, this.#peerPublic).subarray(0, 16);
    return all;
  }

  fifth(identity: Uint8Array, more: readonly Part[] = []): Buffer {
    const of = [this.#public, this.#peerPublic, this.cookie, this.responderCookie, this.#offer, identity];
    const [bytes, iv] = this.#encrypt(this.#iv, chain([[5, identity], [8, this.#prf(this.#skeyid, ...of)], ...more]));
    this.#iv = iv;
    return this.#message(2, 1, 0, 5, bytes);
  }

  /** Checks HASH_R. */
  takeSixth(datagram: Uint8Array): void {
    const [plain, iv] = this.#decrypt(this.#iv, datagram.subarray(28));
    this.#iv = iv;
    const all = parts(datagram[16] ?? 0, plain);
    const of = [this.#peerPublic, this.#public, this.responderCookie, this.cookie, this.#offer, bodyOf(all, 5)];
    assert.deepEqual(bodyOf(all, 8), this.#prf(this.#skeyid, ...of), 'HASH_R');
  }

  quickFirst(messageId: number, offer: Uint8Array, more: readonly Part[]): Buffer {
    this.#quickNonce = randomBytes(48);
    const rest = chain([[1, offer], [10, this.#quickNonce], ...more]);
    const hash = this.#prf(this.#a, u32(messageId), rest);
    return this.#quick(messageId, this.#startIv(messageId), Buffer.concat([generic(1, hash), rest]));
  }

  /** Checks HASH(2); the payloads behind it. */
  takeQuickSecond(datagram: Uint8Array): Part[] {
    const messageId = Buffer.from(datagram).readUInt32BE(20);
    const [plain, iv] = this.#decrypt(this.#quickIv, datagram.subarray(28));
    this.#quickIv = iv;
    const [hash, ...rest] = parts(8, plain);
    const expected = this.#prf(this.#a, u32(messageId), this.#quickNonce, chain(rest));
    assert.deepEqual(Buffer.from(hash?.[1] ?? []), expected, 'HASH(2)');
    this.#quickPeerNonce = bodyOf(rest, 10);
    return rest;
  }

  quickThird(messageId: number): Buffer {
    const hash = this.#prf(this.#a, hex('00'), u32(messageId), this.#quickNonce, this.#quickPeerNonce);
    return this.#quick(messageId, this.#quickIv, generic(0, hash));
  }

  informational(messageId: number, [type, body]: Part): Buffer {
    const rest = chain([[type, body]]);
    const hash = this.#prf(this.#a, u32(messageId), rest);
    const [bytes] = this.#encrypt(this.#startIv(messageId), Buffer.concat([generic(type, hash), rest]));
    return this.#message(5, 1, messageId, 8, bytes);
  }

  openInformational(datagram: Uint8Array): Part[] {
    const messageId = Buffer.from(datagram).readUInt32BE(20);
    const [plain] = this.#decrypt(this.#startIv(messageId), datagram.subarray(28));
    const [hash, ...rest] = parts(8, plain);
    assert.deepEqual(
      Buffer.from(hash?.[1] ?? []),
      this.#prf(this.#a, u32(messageId), chain(rest)),
      'HASH of a notification',
    );
    return rest;
  }

  /** KEYMAT without perfect forward secrecy, for ESP. */
  keymat(spi: Uint8Array, length: number): Buffer {
    const seed = [hex('03'), Buffer.from(spi), this.#quickNonce, this.#quickPeerNonce];
    let block = this.#prf(this.#d, ...seed);
    let all = block;
    while (all.length < length) {
      block = this.#prf(this.#d, block, ...seed);
      all = Buffer.concat([all, block]);
    }
    return all.subarray(0, length);
  }

  natHash(address: string, port: number): Buffer {
    const where = Buffer.from([...address.split('.').map(Number), port >>> 8, port & 0xff]);
    return this.#digest(this.cookie, this.responderCookie, where);
  }

  #agree(): void {
    const { group } = this.#suite;
    if (group.startsWith('modp')) {
      const dh = getDiffieHellman(group);
      this.#public = filled(dh.generateKeys(), dh.getPrime().length);
      this.#secret = (peer) => filled(dh.computeSecret(peer), dh.getPrime().length);
      return;
    }
    const ecdh = createECDH(group);
    this.#public = ecdh.generateKeys().subarray(1);
    this.#secret = (peer) => ecdh.computeSecret(Buffer.concat([hex('04'), peer]));
  }

  #quick(messageId: number, iv: Buffer, plain: Buffer): Buffer {
    const [bytes, next] = this.#encrypt(iv, plain);
    this.#quickIv = next;
    return this.#message(32, 1, messageId, 8, bytes);
  }

  #startIv(messageId: number): Buffer {
    return this.#digest(this.#iv, u32(messageId)).subarray(0, 16);
  }

  #message(exchange: number, flags: number, messageId: number, first: number, rest: Buffer): Buffer {
    const fixed = Buffer.from([first, 0x10, exchange, flags]);
    return Buffer.concat([this.cookie, this.responderCookie, fixed, u32(messageId), u32(28 + rest.length), rest]);
  }

  #encrypt(iv: Buffer, plain: Buffer): [Buffer, Buffer] {
    const whole = Buffer.concat([plain, Buffer.alloc((16 - (plain.length % 16)) % 16)]);
    const cipher = createCipheriv(`aes-${this.#suite.keyBytes * 8}-cbc`, this.#key, iv).setAutoPadding(false);
    const bytes = cipher.update(whole);
    return [bytes, bytes.subarray(-16)];
  }

  #decrypt(iv: Buffer, bytes: Uint8Array): [Buffer, Buffer] {
    const decipher = createDecipheriv(`aes-${this.#suite.keyBytes * 8}-cbc`, this.#key, iv).setAutoPadding(false);
    return [decipher.update(bytes), Buffer.from(bytes.subarray(-16))];
  }

  #prf(key: Uint8Array, ...data: readonly Uint8Array[]): Buffer {
    return createHmac(this.#suite.hash, key).update(Buffer.concat(data)).digest();
  }

  #digest(...data: readonly Uint8Array[]): Buffer {
    return createHash(this.#suite.hash).update(Buffer.concat(data)).digest();
  }
}

export function bodyOf(all: readonly Part[], type: number): Buffer {
  const found = all.find(([kind]) => kind === type);
  assert.ok(found, `payload ${type}`);
  return Buffer.from(found[1]);
}

function generic(next: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([next, 0, (body.length + 4) >>> 8, (body.length + 4) & 0xff]), body]);
}

function chain(all: readonly Part[]): Buffer {
  return Buffer.concat(all.map(([, body], n) => generic(all[n + 1]?.[0] ?? 0, body)));
}

function parts(first: number, bytes: Uint8Array): Part[] {
  const all: Part[] = [];
  for (let type = first, at = 0; type !== 0; ) {
    const length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    all.push([type, bytes.subarray(at + 4, at + length)]);
    type = bytes[at] ?? 0;
    at += length;
  }
  return all;
}

function filled(value: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(length - value.length), value]);
}
