/**
 * One phase 1 SA: its keys, its messages in and out, and what it carries.
 *
 * Owns encryption and IVs, duplicates and retransmission, where the peer is, liveness and lifetimes. Leaves the payloads of each exchange
 * to main-mode-*.ts, quick-mode-*.ts and informational.ts.
 */
import type { Instant, Path } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { digest, prf } from '../../prf.ts';
import { FragmentAssembler, splitMessage } from '../fragment.ts';
import type { NatFlavour } from '../payload.ts';
import { decodePayloads as decodeFragments } from '../payload.ts';
import { ProtocolId } from '../security-association.ts';
import { type PeerAbilities, peerAbilities } from '../vendor-id.ts';
import type { Context } from './context.ts';
import { type IkeFailure, type IkeSaId, later } from './face.ts';
import type { Identification } from './identification.ts';
import { decrypt, encrypt, join, lastBlock, type Phase1Keys, u32 } from './keys.ts';
import { Liveness } from './liveness.ts';
import {
  decodeMessage,
  decodePayloads,
  Exchange,
  encodeMessage,
  encodePayloads,
  Flag,
  type Payload,
  type Payloads,
  PayloadType,
  type RawMessage,
} from './message.ts';
import { aliveness, NotifyType, notify } from './notification.ts';
import { QuickModes } from './quick-modes.ts';
import { Retransmission } from './retransmission.ts';
import { digestOf, samePath, sameSecret } from './same.ts';

/** Answers that a peer without a proven key gets again. */
const MOST_RESENDS = 5;
/** Longer ones go in fragments to a peer that takes them: 1280 less headers. */
const LARGEST_DATAGRAM = 1200;
const KEEPALIVE = 20_000;
/** Message ids of informational exchanges that are remembered against replay. */
const MOST_SEEN = 1024;

export interface MainMode {
  /** Take the payloads of the next message. Throws WireError for what breaks the protocol; `sa.accept` must come first otherwise. */
  handle(payloads: readonly Payload[], accept: () => void, path: Path, now: Instant): void;
  /** Why it failed, when time is up. */
  readonly suspicion: { readonly code: IkeFailure; readonly detail: string };
  /** The message would not decrypt, or somebody told so. */
  suspect(code: IkeFailure, detail: string): void;
}

export interface IkeSaStart {
  readonly id: IkeSaId;
  readonly role: 'initiator' | 'responder';
  readonly initiatorCookie: Uint8Array;
  readonly responderCookie: Uint8Array;
  readonly path: Path;
  readonly now: Instant;
}

export class IkeSa {
  readonly context: Context;
  readonly id: IkeSaId;
  readonly role: 'initiator' | 'responder';
  readonly initiatorCookie: Uint8Array;
  readonly source: string;
  readonly quickModes: QuickModes;
  responderCookie: Uint8Array;
  path: Path;
  mainMode: MainMode | undefined;
  vendor: PeerAbilities = peerAbilities([]);
  keys: Phase1Keys | undefined;
  nat: NatFlavour | undefined;
  localBehindNat = false;
  remoteBehindNat = false;
  identity: Identification | undefined;
  established = false;
  closed = false;
  /** Of an initiator: what the responder's first answer brings. */
  offeredCookie: Uint8Array | undefined;
  /** The phase 1 whose place this one is to take. */
  renews: IkeSaId | undefined;
  /** A key exchange or a signature is under way: what comes meanwhile is dropped, and its sender repeats it. */
  working = false;
  softAt: Instant | undefined;
  hardAt: Instant;
  /** Set by the endpoint. */
  onEstablished: ((keys: Phase1Keys, certificates: readonly Uint8Array[], now: Instant) => void) | undefined;
  onInitialContact: (() => void) | undefined;
  onInformation: ((payloads: readonly Payload[]) => void) | undefined;
  onClearNotice: ((payloads: readonly Payload[]) => void) | undefined;
  /** Before phase 1 stands: whether it decrypted. */
  onSealedNotice: ((opened: boolean) => void) | undefined;
  #iv: Uint8Array | undefined;
  #lastReceived: string | undefined;
  #lastReply: Uint8Array | undefined;
  #resends = 0;
  #failures = 0;
  #retransmission: Retransmission | undefined;
  #keepaliveAt: Instant | undefined;
  readonly #liveness: Liveness;
  readonly #reassembly = new FragmentAssembler();
  readonly #seen = new Set<number>();
  #fragmentId = 0;

  constructor(context: Context, { id, role, initiatorCookie, responderCookie, path, now }: IkeSaStart) {
    this.context = context;
    this.id = id;
    this.role = role;
    this.initiatorCookie = initiatorCookie;
    this.responderCookie = responderCookie;
    this.path = path;
    this.source = path.remote.address;
    this.#liveness = new Liveness(context.deadPeerDetection, context.options.random, now);
    this.hardAt = later(now, context.limits.negotiation);
    this.quickModes = new QuickModes(this);
  }

  get cookies(): Uint8Array {
    return join(this.initiatorCookie, this.responderCookie);
  }

  /** Who is at the other end: identity, address and port. Two clients behind one NAT differ in the port. */
  get owner(): string {
    const { address, port } = this.path.remote;
    const { type = 0, data = new Uint8Array(0) } = this.identity ?? {};
    return `${type} ${Buffer.from(data).toString('base64')} ${address} ${port}`;
  }

  get encapsulates(): boolean {
    return (
      this.localBehindNat ||
      this.remoteBehindNat ||
      (this.context.options.forceEncapsulation === true && this.nat !== undefined)
    );
  }

  // In.

  /** `datagram` without marker. Throws WireError. */
  handleMessage(message: RawMessage, datagram: Uint8Array, path: Path, now: Instant): void {
    if (message.firstPayload === PayloadType.fragment) {
      const [piece] = decodeFragments(PayloadType.fragment, message.rest).payloads;
      const whole = piece?.kind === 'fragment' ? this.#reassembly.add(piece) : undefined;
      if (whole !== undefined) this.#handleWhole(whole, path, now);
      return;
    }
    if (message.exchange === Exchange.main) this.#handleMain(message, datagram, path, now);
    else if (message.exchange === Exchange.informational) this.#handleInformational(message, path, now);
    else if (message.exchange === Exchange.quick) this.quickModes.handle(message, digestOf(datagram), path, now);
    else this.context.stats.unknown++;
  }

  handleTimeout(now: Instant): void {
    if (this.closed) return;
    if (now >= this.hardAt) {
      this.#expire();
      return;
    }
    const due = this.#retransmission?.due(now);
    if (due === 'send') this.#repeat();
    if (due === 'give-up') {
      this.fail();
      return;
    }
    this.quickModes.handleTimeout(now);
    if (this.#keepaliveAt !== undefined && now >= this.#keepaliveAt) {
      this.context.keepNatOpen(this.path);
      this.#keepaliveAt = later(now, KEEPALIVE);
    }
    if (this.established) this.#watch(now);
  }

  deadline(): Instant | undefined {
    if (this.closed) return undefined;
    const all = [
      this.hardAt,
      this.softAt,
      this.#retransmission?.at,
      this.#keepaliveAt,
      this.#mayProbe ? this.#liveness.deadline() : undefined,
      this.quickModes.deadline(),
    ].filter((at) => at !== undefined);
    return Math.min(...all) as Instant;
  }

  // Out.

  /** Sends the next message of main mode. A request is repeated until its answer comes, an answer when the request comes again. */
  sendMain(payloads: readonly Payload[], encrypted: boolean, kind: 'request' | 'reply', now: Instant): void {
    const plain = encodePayloads(payloads);
    const keys = encrypted ? this.keys : undefined;
    const rest = keys ? encrypt(keys, this.#iv ?? keys.initialIv, plain) : plain;
    if (keys) this.#iv = lastBlock(keys, rest);
    const flags = keys ? Flag.encrypted : 0;
    const datagram = encodeMessage(this.#header(Exchange.main, flags, 0), payloads[0]?.type ?? 0, rest);
    this.#lastReply = datagram;
    this.#resends = 0;
    this.#retransmission = kind === 'request' ? new Retransmission(datagram, this.path, now) : undefined;
    this.context.schedule(this.#retransmission?.at);
    this.transmit(datagram);
  }

  /** Encrypts a message of phase 2; returns it and the IV of the next one in its exchange. */
  seal(exchange: number, messageId: number, iv: Uint8Array | undefined, hash: Uint8Array, rest: readonly Payload[]) {
    const keys = this.#ready();
    const payloads = [{ type: PayloadType.hash, body: hash }, ...rest];
    const start = iv ?? this.#phase2Iv(keys, messageId);
    const ciphertext = encrypt(keys, start, encodePayloads(payloads));
    const header = this.#header(exchange, Flag.encrypted, messageId);
    return { datagram: encodeMessage(header, PayloadType.hash, ciphertext), iv: lastBlock(keys, ciphertext) };
  }

  /** Opens a message of phase 2: its payloads, of which the first is the hash, and the next IV. Undefined when it is not of our keys. */
  open(message: RawMessage, iv?: Uint8Array): { payloads: Payloads; hash: Uint8Array; iv: Uint8Array } | undefined {
    const { keys } = this;
    if (keys === undefined || (message.flags & Flag.encrypted) === 0) return undefined;
    const plain = decrypt(keys, iv ?? this.#phase2Iv(keys, message.messageId), message.rest);
    const payloads = plain && tryDecode(message.firstPayload, plain);
    const first = payloads?.list[0];
    if (payloads === undefined || first?.type !== PayloadType.hash) return undefined;
    return { payloads, hash: first.body, iv: lastBlock(keys, message.rest) };
  }

  /** An informational exchange under our keys: one message, no answer (RFC 2409, section 5.7). */
  inform(payload: Payload): void {
    const keys = this.#ready();
    const messageId = this.newMessageId();
    const hash = prf(keys.suite.hash, keys.skeyidA, join(u32(messageId), encodePayloads([payload])));
    this.transmit(this.seal(Exchange.informational, messageId, undefined, hash, [payload]).datagram);
  }

  /** In the clear, and hence believed by nobody: for people who read logs at the other end. */
  informInClear(payload: Payload): void {
    const header = this.#header(Exchange.informational, 0, this.newMessageId());
    this.transmit(encodeMessage(header, payload.type, encodePayloads([payload])));
  }

  transmit(datagram: Uint8Array, path: Path = this.path): void {
    if (datagram.length <= LARGEST_DATAGRAM || !this.vendor.fragmentation) {
      this.context.transmit(datagram, path);
      return;
    }
    this.#fragmentId = (this.#fragmentId + 1) & 0xffff;
    for (const piece of splitMessage(datagram, this.#fragmentId, LARGEST_DATAGRAM)) this.context.transmit(piece, path);
  }

  newMessageId(): number {
    for (;;) {
      const [a = 0, b = 0, c = 0, d = 0] = this.context.options.random.bytes(4);
      const id = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      if (id !== 0 && !this.quickModes.knows(id)) return id;
    }
  }

  /** The peer lives. */
  alive(now: Instant): void {
    this.#liveness.heard(now);
  }

  /** A message under this SA's keys came: the peer lives, and is where it came from. */
  heard(path: Path, now: Instant): void {
    this.alive(now);
    if (samePath(this.path, path)) return;
    this.path = path;
    this.context.emit({ kind: 'moved', ikeSa: this.id, path });
  }

  becomeEstablished(now: Instant): void {
    this.established = true;
    this.mainMode = undefined;
    this.#liveness.heard(now);
    if (this.localBehindNat) this.#keepaliveAt = later(now, KEEPALIVE);
    if (this.role === 'initiator') this.#retransmission = undefined;
  }

  suspect(code: IkeFailure, detail: string): void {
    this.mainMode?.suspect(code, detail);
    this.#retransmission?.hurry();
  }

  fail(): void {
    const { code, detail } = this.mainMode?.suspicion ?? {
      code: 'timeout' as const,
      detail: 'the peer does not answer',
    };
    this.close(code, code === 'timeout' ? 'lost' : 'refused', detail);
  }

  close(
    code: IkeFailure,
    cause: 'lost' | 'refused' | 'peer' | 'operator' | 'idle' | 'protocol' | 'replaced',
    detail: string,
  ): void {
    if (this.closed) return;
    this.closed = true;
    if (this.role === 'responder' && !this.established) this.context.halfOpen.leave(this.source);
    this.quickModes.close();
    this.context.ended.push(this);
    this.context.emit({ kind: 'closed', ikeSa: this.id, code, reason: { cause, detail } });
  }

  // Details.

  #handleWhole(datagram: Uint8Array, path: Path, now: Instant): void {
    const message = decodeMessage(datagram);
    const ours = Buffer.compare(message.initiatorCookie, this.initiatorCookie) === 0;
    if (!ours || message.firstPayload === PayloadType.fragment)
      throw new WireError('CULVERT_WIRE_VALUE', 'fragments of another message');
    this.handleMessage(message, datagram, path, now);
  }

  #handleMain(message: RawMessage, datagram: Uint8Array, path: Path, now: Instant): void {
    const digest = digestOf(datagram);
    if (digest === this.#lastReceived) {
      this.#answerAgain(path);
      return;
    }
    if (this.mainMode === undefined || this.working || message.messageId !== 0) {
      this.context.stats.unknown++;
      return;
    }
    const { keys } = this;
    const encrypted = (message.flags & Flag.encrypted) !== 0;
    if (encrypted !== (keys !== undefined))
      throw new WireError('CULVERT_WIRE_VALUE', 'encrypted too early, or not at all');
    const plain = keys ? decrypt(keys, this.#iv ?? keys.initialIv, message.rest) : message.rest;
    const payloads =
      plain && (keys ? tryDecode(message.firstPayload, plain) : decodePayloads(message.firstPayload, plain));
    if (payloads === undefined) {
      this.#undecryptable();
      return;
    }
    const accept = () => {
      this.#lastReceived = digest;
      this.#lastReply = undefined;
      this.#retransmission = undefined;
      if (keys) this.#iv = lastBlock(keys, message.rest);
      this.path = path;
    };
    this.mainMode.handle(payloads.list, accept, path, now);
  }

  /** Whatever is wrong, the cost was one decryption; how often is bounded. */
  #undecryptable(): void {
    this.context.stats.unauthenticated++;
    const preShared = this.keys?.suite.authentication === 'pre-shared-key';
    this.suspect('wrong-key', preShared ? 'the pre-shared key differs' : 'the message does not decrypt');
    if (this.role === 'responder' && this.#failures === 0) {
      this.context.options.logger.warn('the pre-shared key differs, or somebody damages messages', {
        remote: this.path.remote,
      });
      this.informInClear(notify(NotifyType.payloadMalformed, ProtocolId.isakmp));
    }
    this.countFailure();
  }

  countFailure(): void {
    this.#failures++;
    if (this.#failures >= this.context.limits.failures && !this.established) this.fail();
  }

  #answerAgain(path: Path): void {
    this.context.stats.duplicates++;
    if (this.role !== 'responder' || this.#lastReply === undefined || this.#resends >= MOST_RESENDS) return;
    if (path.remote.address !== this.path.remote.address) return;
    this.#resends++;
    this.context.stats.retransmits++;
    this.transmit(this.#lastReply, path);
  }

  #handleInformational(message: RawMessage, path: Path, now: Instant): void {
    if (!this.established) {
      const clear = (message.flags & Flag.encrypted) === 0;
      if (clear) this.onClearNotice?.(decodePayloads(message.firstPayload, message.rest).list);
      else if (this.keys !== undefined && this.mainMode !== undefined)
        this.onSealedNotice?.(this.open(message) !== undefined);
      return;
    }
    const opened = this.open(message);
    const { keys } = this;
    if (opened === undefined || keys === undefined) {
      this.context.stats.unauthenticated++;
      return;
    }
    const expected = prf(keys.suite.hash, keys.skeyidA, join(u32(message.messageId), opened.payloads.afterFirst));
    if (!this.sameHash(expected, opened.hash) || this.#seen.has(message.messageId)) {
      this.context.stats.unauthenticated++;
      return;
    }
    this.#remember(message.messageId);
    this.heard(path, now);
    this.onInformation?.(opened.payloads.list.slice(1));
  }

  sameHash(expected: Uint8Array, given: Uint8Array): boolean {
    return given.length === expected.length && sameSecret(expected, given);
  }

  #remember(messageId: number): void {
    this.#seen.add(messageId);
    if (this.#seen.size <= MOST_SEEN) return;
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest);
      return;
    }
  }

  get #mayProbe(): boolean {
    return this.established && this.vendor.deadPeerDetection;
  }

  #watch(now: Instant): void {
    const due = this.#mayProbe ? this.#liveness.due(now) : undefined;
    if (due === 'dead') {
      for (const child of this.context.children.of(this.id)) this.context.children.delete(child, 'expiry');
      this.close('dead-peer', 'lost', 'the peer does not answer whether it lives');
    } else if (due !== undefined) {
      this.inform(aliveness(NotifyType.areYouThere, this.cookies, due));
    }
  }

  #repeat(): void {
    if (this.#retransmission === undefined) return;
    this.context.stats.retransmits++;
    this.transmit(this.#retransmission.datagram, this.#retransmission.path);
  }

  #expire(): void {
    if (this.established) {
      this.close('expired', 'idle', 'the life of phase 1 is over');
      return;
    }
    this.fail();
  }

  /** Of a message that opens an exchange of phase 2 (RFC 2409, appendix B). */
  #phase2Iv({ suite, initialIv }: Phase1Keys, messageId: number): Uint8Array {
    return digest(suite.hash, this.#iv ?? initialIv, u32(messageId)).subarray(0, suite.cipher.blockBytes);
  }

  #ready(): Phase1Keys {
    if (this.keys === undefined) throw new Error('phase 2 before phase 1 has keys');
    return this.keys;
  }

  #header(exchange: number, flags: number, messageId: number) {
    const { initiatorCookie, responderCookie } = this;
    return { initiatorCookie, responderCookie, exchange, flags, messageId };
  }
}

function tryDecode(first: number, plain: Uint8Array): Payloads | undefined {
  try {
    return decodePayloads(first, plain);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
