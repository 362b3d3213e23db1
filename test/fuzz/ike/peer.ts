/** The other end of an IKEv1 endpoint, by hand: it has every key, so that what it says may be changed before it is sealed. */

import { createHash } from 'node:crypto';
import {
  authenticationHash,
  derivePhase1Keys,
  digest,
  type IkeGroup,
  type IkeHash,
  natDetectionHash,
  type Phase1Keys,
  phase1Hash,
  prf,
} from '@culvert/ipsec';
import type { SeededRandom } from '@culvert/testkit';
import {
  deletion,
  notification,
  ownSpi,
  PEER,
  PRESHARED_KEY,
  phase1Offer,
  quickParts,
  SUBJECT,
  type Variant,
  vendorIds,
} from './bodies.ts';
import { bodyOf, chain, decrypt, encrypt, lastBlock, message, type Part, parts, Type, u32 } from './codec.ts';

import { exchanged } from './exchange.ts';

/** One message before it is sealed. `seal` says by which hash and which IV. */
export interface Draft {
  readonly exchange: number;
  readonly messageId: number;
  readonly parts: readonly Part[];
  readonly seal: 'none' | 'main' | 'first' | 'second' | 'third';
}

/** How a message is spoiled so that no key stands behind it any more. */
export type Forgery = 'hash' | 'key' | 'bytes' | 'clear';

const HASH: IkeHash = 'sha2-256';
const CIPHER = { name: 'aes-cbc', keyBytes: 32, blockBytes: 16 } as const;
const BLOCK = 16;
const seed = Buffer.alloc(48, 7);

/** Stands in for a signature: whoever knows the hash can make it. */
export function standIn(hash: Uint8Array): Uint8Array {
  return createHash('sha256').update('signed').update(hash).digest();
}

export class Peer {
  readonly variant: Variant;
  /** Of the subject's messages: what it chose, and its share of keys. */
  initiatorCookie: Uint8Array;
  responderCookie: Uint8Array = new Uint8Array(8);
  keys: Phase1Keys | undefined;
  /** What it knows of the quick mode under way. */
  quickId = 0;
  subjectSpi: Uint8Array = new Uint8Array(4);
  readonly #random: SeededRandom;
  readonly #own: { readonly value: Uint8Array; readonly nonce: Uint8Array };
  #theirs = { value: new Uint8Array(), nonce: new Uint8Array() };
  #offer: Uint8Array = new Uint8Array();
  #iv: Uint8Array = new Uint8Array(BLOCK);
  #quickIv: Uint8Array = new Uint8Array(BLOCK);
  #quickNonce: Uint8Array = new Uint8Array(32);
  #quickPeerNonce: Uint8Array = new Uint8Array(32);

  constructor(variant: Variant, random: SeededRandom) {
    this.variant = variant;
    this.#random = random;
    this.#own = { value: ownShare(variant.group), nonce: random.bytes(32) };
    this.initiatorCookie = random.bytes(8);
    if (variant.role === 'initiator') this.responderCookie = random.bytes(8);
  }

  // Phase 1.

  /** The offer, or the choice: both are one transform. */
  sa(): Draft {
    const body = phase1Offer(this.variant);
    if (this.variant.role === 'responder') this.#offer = body;
    return main([[Type.sa, body], ...vendorIds], 'none');
  }

  keyExchange(): Draft {
    const nat = (address: string, port: number): Part => [Type.natd, this.#natHash(address, port)];
    const requests: Part[] = this.#signs ? [[Type.certreq, Buffer.from([4, 0x30, 0])]] : [];
    const own = nat(this.variant.nat ? '10.0.0.2' : PEER, 500);
    return main(
      [[Type.ke, this.#own.value], [Type.nonce, this.#own.nonce], ...requests, nat(SUBJECT, 500), own],
      'none',
    );
  }

  identity(): Draft {
    const notice = notification(24_578, this.#cookies, new Uint8Array());
    const id: Part = [Type.id, Buffer.from([1, 17, 1, 244, 198, 51, 100, 7])];
    const proof: Part[] = this.#signs
      ? [
          [Type.cert, Buffer.concat([Buffer.from([4]), Buffer.alloc(40, 0x30)])],
          [Type.sig, new Uint8Array(32)],
        ]
      : [[Type.hash, new Uint8Array(32)]];
    return main([id, ...proof, notice], 'main');
  }

  takeSa(datagram: Uint8Array): void {
    const all = parts(datagram[16] ?? 0, datagram.subarray(28));
    if (this.variant.role === 'responder') this.responderCookie = datagram.slice(8, 16);
    else {
      this.initiatorCookie = datagram.slice(0, 8);
      this.#offer = bodyOf(all, Type.sa);
    }
  }

  takeKeyExchange(datagram: Uint8Array): void {
    const all = parts(datagram[16] ?? 0, datagram.subarray(28));
    this.#theirs = { value: bodyOf(all, Type.ke).slice(), nonce: bodyOf(all, Type.nonce).slice() };
    const agreed = exchanged({ group: this.variant.group, seed, peerValue: this.#theirs.value });
    if (agreed === undefined) throw new Error('a public value of no group');
    const [initiator, responder] = this.#sides();
    this.keys = derivePhase1Keys({
      hash: HASH,
      cipher: CIPHER,
      preSharedKey: this.#signs ? undefined : PRESHARED_KEY,
      initiatorCookie: this.initiatorCookie,
      responderCookie: this.responderCookie,
      initiatorNonce: initiator.nonce,
      responderNonce: responder.nonce,
      initiatorValue: initiator.value,
      responderValue: responder.value,
      sharedSecret: agreed.sharedSecret,
    });
    this.#iv = this.keys.initialIv;
  }

  takeIdentity(datagram: Uint8Array): void {
    this.#iv = lastBlock(datagram);
  }

  // Phase 2.

  quickFirst(): Draft {
    this.quickId = (this.#random.integer(0xffff_fffe) + 1) >>> 0;
    this.#quickNonce = this.#random.bytes(32);
    return { ...this.#quickSa(this.#quickNonce), seal: 'first' };
  }

  quickSecond(): Draft {
    this.#quickNonce = this.#random.bytes(32);
    return { ...this.#quickSa(this.#quickNonce), seal: 'second' };
  }

  quickThird(): Draft {
    return { exchange: 32, messageId: this.quickId, parts: [[Type.hash, new Uint8Array(32)]], seal: 'third' };
  }

  /** HASH(1) of the subject opens a quick mode, HASH(2) answers ours. */
  takeQuick(datagram: Uint8Array): void {
    const opens = this.variant.role === 'initiator';
    this.quickId = Buffer.from(datagram).readUInt32BE(20);
    const start = opens ? this.#startIv(this.quickId) : this.#quickIv;
    const all = parts(
      datagram[16] ?? 0,
      decrypt(this.keys?.encryptionKey ?? new Uint8Array(32), start, datagram.subarray(28)),
    );
    this.#quickPeerNonce = bodyOf(all, Type.nonce);
    this.subjectSpi = bodyOf(all, Type.sa).slice(16, 20);
    this.#quickIv = lastBlock(datagram);
  }

  // Informational.

  notify(type: number, sealed: boolean): Draft {
    const data = type === 36_136 || type === 36_137 ? u32(this.#random.integer(1_000)) : new Uint8Array();
    return this.#inform([notification(type, this.#cookies, data)], sealed);
  }

  /** Of the child whose SPI is ours, or of phase 1. */
  delete(what: 'child' | 'phase1'): Draft {
    return this.#inform([what === 'child' ? deletion(3, ownSpi) : deletion(1, this.#cookies)], true);
  }

  // Sealing.

  /** Hashes and encrypts; a forgery breaks the one or the other. `whole`: the bytes of the payloads, where they are changed. */
  finish(
    draft: Draft,
    options: { readonly forged?: Forgery; readonly change?: (plain: Buffer) => Uint8Array } = {},
  ): Buffer {
    const { exchange, messageId, seal } = draft;
    const { change = (plain: Buffer) => plain } = options;
    const head = { initiatorCookie: this.initiatorCookie, responderCookie: this.responderCookie, exchange, messageId };
    const first = draft.parts[0]?.[0] ?? 0;
    if (seal === 'none' || this.keys === undefined)
      return message({ ...head, flags: 0 }, first, change(chain(draft.parts)));
    const { keys } = this;
    if (options.forged === 'clear') return message({ ...head, flags: 0 }, first, chain(draft.parts));
    const rest = change(chain(draft.parts.slice(1)));
    const [start, plain] =
      seal === 'main'
        ? [this.#iv, change(chain(this.#proven(draft.parts, keys, options.forged === 'hash')))]
        : [
            seal === 'first' ? this.#startIv(messageId) : this.#quickIv,
            this.#hashed(draft, rest, keys, options.forged === 'hash'),
          ];
    const key = options.forged === 'key' ? digest(HASH, keys.encryptionKey) : keys.encryptionKey;
    const ciphertext = encrypt(key, start, plain);
    // Not in the last block, of which only padding might be broken.
    if (options.forged === 'bytes') flip(ciphertext.subarray(0, Math.max(1, ciphertext.length - BLOCK)));
    const sealed = message({ ...head, flags: 1 }, first, ciphertext);
    if (exchange === 32 && seal === 'first' && options.forged === undefined) this.#quickIv = lastBlock(sealed);
    return sealed;
  }

  #proven(all: readonly Part[], keys: Phase1Keys, forged: boolean): Part[] {
    const [initiator, responder] = this.#sides();
    const weInitiate = this.variant.role === 'responder';
    const [own, other] = weInitiate ? [initiator, responder] : [responder, initiator];
    const hash = phase1Hash({
      hash: authenticationHash(this.variant.authentication, HASH),
      skeyid: keys.skeyid,
      ownValue: own.value,
      otherValue: other.value,
      ownCookie: weInitiate ? this.initiatorCookie : this.responderCookie,
      otherCookie: weInitiate ? this.responderCookie : this.initiatorCookie,
      offer: this.#offer,
      identity: bodyOf(all, Type.id),
    });
    if (forged) flip(hash);
    return all.map(([type, body]) => {
      if (type === Type.hash) return [type, hash];
      return [type, type === Type.sig ? Uint8Array.from(standIn(hash)) : body];
    });
  }

  /** HASH(1), (2) or (3) over what stands behind it. */
  #hashed({ parts: [, second], messageId, seal }: Draft, rest: Uint8Array, keys: Phase1Keys, forged: boolean): Buffer {
    const of = {
      first: [u32(messageId), rest],
      second: [u32(messageId), this.#quickPeerNonce, rest],
      third: [Buffer.from([0]), u32(messageId), this.#quickNonce, this.#quickPeerNonce],
    };
    const hash = prf(HASH, keys.skeyidA, ...of[seal as keyof typeof of]);
    if (forged) flip(hash);
    const head = chain([[Type.hash, hash]]);
    head[0] = second?.[0] ?? 0;
    return Buffer.concat([head, rest]);
  }

  #inform(rest: readonly Part[], sealed: boolean): Draft {
    const messageId = (this.#random.integer(0xffff_fffe) + 1) >>> 0;
    const hash: Part[] = sealed ? [[Type.hash, new Uint8Array(32)]] : [];
    return { exchange: 5, messageId, parts: [...hash, ...rest], seal: sealed ? 'first' : 'none' };
  }

  #quickSa(nonce: Uint8Array): Omit<Draft, 'seal'> {
    const list: Part[] = [[Type.hash, new Uint8Array(32)], ...quickParts(this.variant, nonce, ownShare('ecp256'))];
    return { exchange: 32, messageId: this.quickId, parts: list };
  }

  get #signs(): boolean {
    return this.variant.authentication !== 'pre-shared-key';
  }

  get #cookies(): Uint8Array {
    return Buffer.concat([this.initiatorCookie, this.responderCookie]);
  }

  /** Initiator's share, then responder's. */
  #sides() {
    return this.variant.role === 'responder'
      ? ([this.#own, this.#theirs] as const)
      : ([this.#theirs, this.#own] as const);
  }

  #natHash(address: string, port: number): Uint8Array {
    return natDetectionHash(
      HASH,
      this.initiatorCookie,
      this.responderCookie,
      Uint8Array.from(address.split('.').map(Number)),
      port,
    );
  }

  #startIv(messageId: number): Uint8Array {
    return digest(HASH, this.#iv, u32(messageId)).subarray(0, BLOCK);
  }
}

function main(list: readonly Part[], seal: 'none' | 'main'): Draft {
  return { exchange: 2, messageId: 0, parts: list, seal };
}

/** Always the same, since its seed is. */
function ownShare(group: IkeGroup): Uint8Array {
  const made = exchanged({ group, seed });
  if (made === undefined) throw new Error(`no share of ${group}`);
  return made.publicValue;
}

function flip(bytes: Uint8Array | undefined): void {
  if (bytes !== undefined && bytes.length > 0) bytes[0] = (bytes[0] ?? 0) ^ 0x80;
}
