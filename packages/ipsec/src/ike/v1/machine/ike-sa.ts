/**
 * One phase 1 SA: its keys, its messages in and out, and what it carries.
 *
 * Owns duplicates and retransmission, where the peer is, liveness and lifetimes. Leaves encryption to
 * protection.ts, the payloads of each exchange to main-mode-*.ts, quick-mode-*.ts and informational.ts.
 */
import type { Instant, Path } from '@culvert/base';
import { WireError } from '@culvert/wire';
import type { Identification } from '../identification.ts';
import { Exchange, encodeMessage, Flag, type Message } from '../message.ts';
import type { NatFlavour } from '../nat-detection.ts';
import { aliveness, deletion, NotifyType, notify } from '../notification.ts';
import { decodePayloads, encodePayloads, type Payload, PayloadType } from '../payload.ts';
import { ProtocolId } from '../security-association.ts';
import { type PeerAbilities, peerAbilities } from '../vendor-id.ts';
import type { Context } from './context.ts';
import { type IkeFailure, type IkeSaId, later } from './face.ts';
import { Fragments } from './fragments.ts';
import { join, type Phase1Keys } from './keys.ts';
import { LastMessage } from './last-message.ts';
import { Liveness } from './liveness.ts';
import { keyDiffers, type MainMode } from './main-mode.ts';
import { Phase1Life } from './phase1-life.ts';
import { type Opened, Protection } from './protection.ts';
import { quickHash } from './quick-mode.ts';
import { QuickModes } from './quick-modes.ts';
import { Retransmission } from './retransmission.ts';
import { digestOf, samePath } from './same.ts';

const KEEPALIVE = 20_000;
/** A message that leaves for the third time, after three seconds, is probably not liked: one was hardly lost twice. */
const TELLING = 3;

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
  /** The one that has its children, though it may still be there. */
  successor: IkeSa | undefined;
  /** A key exchange or a signature is under way: what comes meanwhile is dropped, and its sender repeats it. */
  working = false;
  readonly life: Phase1Life;
  /** What went to its endpoint alone came back from there: it is where its messages say. Not known any more once it moved. */
  hears = false;
  /** What earlier phase 1 of its peer left is its own, or there was nothing. */
  settled = false;
  /** It said INITIAL-CONTACT. */
  startsAnew = false;
  /** Set by the endpoint. */
  onEstablished: ((keys: Phase1Keys, certificates: readonly Uint8Array[], now: Instant) => void) | undefined;
  onHears: ((now: Instant) => void) | undefined;
  /** Whether there is something that it may only have once it was shown to hear at its endpoint. */
  isClaim: (now: Instant) => boolean = () => false;
  onInformational: ((message: Message, path: Path, now: Instant) => void) | undefined;
  readonly #protection = new Protection();
  readonly #last = new LastMessage();
  #failures = 0;
  #suspected = false;
  #retransmission: Retransmission | undefined;
  #keepaliveAt: Instant | undefined;
  readonly #liveness: Liveness;
  readonly #fragments = new Fragments();

  constructor(context: Context, { id, role, initiatorCookie, responderCookie, path, now }: IkeSaStart) {
    this.context = context;
    this.id = id;
    this.role = role;
    this.initiatorCookie = initiatorCookie;
    this.responderCookie = responderCookie;
    this.path = path;
    this.source = path.remote.address;
    this.#liveness = new Liveness(context.deadPeerDetection, context.options.random, now);
    this.life = new Phase1Life(now, context.limits.negotiation);
    this.quickModes = new QuickModes(this);
  }

  get keys(): Phase1Keys | undefined {
    return this.#protection.keys;
  }

  set keys(keys: Phase1Keys) {
    this.#protection.keys = keys;
  }

  get cookies(): Uint8Array {
    return join(this.initiatorCookie, this.responderCookie);
  }

  /** Who the peer says it is, and by what it says so. */
  get claim(): string {
    const { type = 0, data = new Uint8Array(0) } = this.identity ?? {};
    return `${this.keys?.suite.authentication} ${type} ${Buffer.from(data).toString('base64')}`;
  }

  get heardAt(): Instant {
    return this.#liveness.heardAt;
  }

  /** Whose children are those that its peer makes under it: until that has handed over what it has, it may go on here. */
  get heir(): IkeSa {
    return this.successor?.heir ?? this;
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
  handleMessage(message: Message, datagram: Uint8Array, path: Path, now: Instant): void {
    if (message.firstPayload === PayloadType.fragment) {
      const whole = this.#fragments.take(message);
      if (whole !== undefined) this.handleMessage(whole.message, whole.datagram, path, now);
      return;
    }
    if (message.exchange === Exchange.main) this.#handleMain(message, datagram, path, now);
    else if (message.exchange === Exchange.informational) this.onInformational?.(message, path, now);
    else if (message.exchange === Exchange.quick) this.quickModes.handle(message, digestOf(datagram), path, now);
    else this.context.stats.unknown++;
  }

  handleTimeout(now: Instant): void {
    if (this.closed) return;
    this.wear(now);
    if (now >= this.life.hardAt) {
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
      this.life.hardAt,
      this.life.softAt,
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
    const rest = encrypted ? this.#protection.sealMain(plain) : plain;
    const header = this.#header(Exchange.main, encrypted ? Flag.encrypted : 0, 0);
    const datagram = encodeMessage(header, payloads[0]?.type ?? 0, rest);
    this.#last.answer(datagram);
    this.#retransmission = kind === 'request' ? new Retransmission(datagram, this.path, now) : undefined;
    this.context.schedule(this);
    this.transmit(datagram);
  }

  /** Encrypts a message of phase 2; returns it and the IV of the next one in its exchange. */
  seal(exchange: number, messageId: number, iv: Uint8Array | undefined, hash: Uint8Array, rest: readonly Payload[]) {
    const { ciphertext, iv: next } = this.#protection.seal(messageId, iv, hash, rest);
    const header = this.#header(exchange, Flag.encrypted, messageId);
    return { datagram: encodeMessage(header, PayloadType.hash, ciphertext), iv: next };
  }

  /** Opens a message of phase 2, whose hash its caller checks. Undefined when it is not of our keys. */
  open(message: Message, iv?: Uint8Array): Opened | undefined {
    return this.#protection.open(message, iv);
  }

  /** An informational exchange under our keys: one message, no answer (RFC 2409, section 5.7). */
  inform(payload: Payload): void {
    const messageId = this.newMessageId();
    const hash = quickHash(this, messageId, encodePayloads([payload]));
    this.transmit(this.seal(Exchange.informational, messageId, undefined, hash, [payload]).datagram);
  }

  /** In the clear, and hence believed by nobody: for people who read logs at the other end. */
  informInClear(payload: Payload): void {
    const header = this.#header(Exchange.informational, 0, this.newMessageId());
    this.transmit(encodeMessage(header, payload.type, encodePayloads([payload])));
  }

  transmit(datagram: Uint8Array, path: Path = this.path): void {
    const pieces = this.vendor.fragmentation ? this.#fragments.split(datagram) : [datagram];
    for (const piece of pieces) this.context.transmit(piece, path);
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
    this.hears = false;
    this.context.children.place(this.id, path, false);
    this.context.emit({ kind: 'moved', ikeSa: this.id, path });
    // Shown anew, so that its next phase 1 may go on with what it has.
    this.askNow(now);
  }

  /** What came back can only have come to the peer's endpoint. */
  handleEcho(now: Instant): void {
    this.hears = true;
    this.context.children.place(this.id, this.path, true);
    this.onHears?.(now);
  }

  /** The peer says that it lives, in answer to this question. */
  handleAnswer(sequence: number | undefined, now: Instant): void {
    if (this.#liveness.proves(sequence, this.path)) this.handleEcho(now);
  }

  /** Ask the peer whether it lives without waiting for it to be silent. */
  askNow(now: Instant): void {
    if (!this.#mayProbe) return;
    this.#liveness.hurry(now);
    this.#watch(now);
  }

  beginLife(now: Instant): void {
    this.life.begin(this.role, this.context.lifetimes, this.#protection.bytes, this.context.draw(), now);
  }

  /** What went under its keys may end it. */
  wear(now: Instant): void {
    this.life.wear(this.#protection.bytes, now);
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
    this.#tellSuspicion();
  }

  /** Of a key or a certificate: who dials should look at them now. */
  #tellSuspicion(): void {
    const { code, detail } = this.mainMode?.suspicion ?? { code: 'timeout', detail: '' };
    if (this.role !== 'initiator' || this.#suspected || code === 'timeout') return;
    this.#suspected = true;
    this.context.emit({ kind: 'suspected', ikeSa: this.id, code, detail });
  }

  /** There is no room for its negotiation, or for work that this takes. */
  giveWay(detail: string): void {
    this.close('busy', 'error', detail);
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
    cause: 'lost' | 'refused' | 'peer' | 'operator' | 'idle' | 'protocol' | 'replaced' | 'error',
    detail: string,
  ): void {
    if (this.closed) return;
    this.closed = true;
    this.context.halfOpen.leave(this);
    this.quickModes.close();
    this.context.children.orphan(this.id, this.heardAt);
    this.context.ended.push(this);
    const { id, role, path } = this;
    this.context.emit({ kind: 'closed', ikeSa: id, role, path, code, reason: { cause, detail } });
  }

  // Details.

  #handleMain(message: Message, datagram: Uint8Array, path: Path, now: Instant): void {
    const digest = digestOf(datagram);
    if (this.#last.isRepeated(digest)) {
      this.#answerAgain(path);
      return;
    }
    // Our cookie proves this one address, and the key was chosen by it. Another port is a NAT's (RFC 3947, section 4).
    const elsewhere = path.remote.address !== this.source;
    if (this.mainMode === undefined || this.working || message.messageId !== 0 || elsewhere || this.#isDeaf) {
      this.context.stats.unknown++;
      return;
    }
    const encrypted = (message.flags & Flag.encrypted) !== 0;
    if (encrypted !== (this.keys !== undefined))
      throw new WireError('CULVERT_WIRE_VALUE', 'encrypted too early, or not at all');
    const payloads = encrypted
      ? this.#protection.openMain(message)
      : decodePayloads(message.firstPayload, message.rest);
    if (payloads === undefined) {
      this.#undecryptable(now);
      return;
    }
    const accept = () => {
      this.#last.take(digest);
      this.#retransmission = undefined;
      if (encrypted) this.#protection.acceptMain(message);
      this.path = path;
    };
    this.mainMode.handle(payloads.list, accept, path, now);
  }

  /** Whatever is wrong, the cost was one decryption; how often is bounded. */
  #undecryptable(now: Instant): void {
    this.context.stats.unauthenticated++;
    const preShared = this.keys?.suite.authentication === 'pre-shared-key';
    this.suspect('wrong-key', preShared ? keyDiffers : 'the message does not decrypt');
    if (this.role === 'responder' && this.#failures === 0) {
      this.context.warnOfKey(this.source, `${keyDiffers}: compare it at both ends`, now);
      this.informInClear(notify(NotifyType.payloadMalformed, ProtocolId.isakmp));
    }
    this.countFailure();
  }

  countFailure(): void {
    this.#failures++;
    if (this.role === 'initiator' && this.#isDeaf) this.fail();
  }

  /** Too much of what it got was not of its peer. A responder's place is kept: each that is free costs another key exchange. */
  get #isDeaf(): boolean {
    return this.#failures >= this.context.limits.failures && !this.established;
  }

  #answerAgain(path: Path): void {
    this.context.stats.duplicates++;
    if (this.role !== 'responder' || path.remote.address !== this.path.remote.address) return;
    const reply = this.#last.again();
    if (reply === undefined) return;
    this.context.stats.retransmits++;
    this.transmit(reply, path);
  }

  get #mayProbe(): boolean {
    return this.established && this.vendor.deadPeerDetection && !this.life.ceded;
  }

  #watch(now: Instant): void {
    const due = this.#mayProbe ? this.#liveness.due(now, this.path) : undefined;
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
    if (this.#retransmission.sent >= TELLING) this.#tellSuspicion();
  }

  #expire(): void {
    if (this.established) {
      this.inform(deletion(ProtocolId.isakmp, this.cookies));
      if (this.life.ceded) this.close('closed', 'replaced', 'a new phase 1 took its place');
      else this.close('expired', 'idle', 'the life of phase 1 is over');
      return;
    }
    this.fail();
  }

  #header(exchange: number, flags: number, messageId: number) {
    const { initiatorCookie, responderCookie } = this;
    return { initiatorCookie, responderCookie, exchange, flags, messageId };
  }
}
