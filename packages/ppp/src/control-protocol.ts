/**
 * One control protocol, LCP or an NCP: the automaton with its packets, restart timer and counters (RFC 1661, sections 4 and 5).
 *
 * Owns identifiers, retransmission and the codes 1 to 7. Leaves options to an `OptionPolicy`, further codes to whoever takes the `packet`
 * event. Packets are from the code byte on. An end may be opened again after it has finished.
 *
 * Beyond the RFC: a request is sent again, before the answer, when the peer's first request arrives and ours is unanswered (what came
 * before a peer was ready is lost); an answer counts once; and the peer's request that we have acknowledged is acknowledged again where
 * it repeats itself, instead of starting anew (its copy was late, or our Ack was lost).
 */
import type { Instant, Millis } from '@culvert/base';
import { type AutomatonEvent, hasTimer, State, transition } from './automaton.ts';
import { sameBytes } from './bytes.ts';
import {
  type ConfigOption,
  type ControlPacket,
  decodeControlPacket,
  decodeOptions,
  encodeControlPacket,
  encodeOptions,
} from './packet.ts';
import type { OptionPolicy } from './policy.ts';

// Fixed by RFC 1661, section 5.
export const Code = {
  configureRequest: 1,
  configureAck: 2,
  configureNak: 3,
  configureReject: 4,
  terminateRequest: 5,
  terminateAck: 6,
  codeReject: 7,
} as const;

/** Code, identifier and length. */
const ACK_HEADER = 4;

// The RFC's defaults (section 4.6).
const MAX_CONFIGURE = 10;
const MAX_TERMINATE = 2;
const MAX_FAILURE = 5;

// Chosen by us.
/** The first request is often lost, because the peer has no PPP yet: the RFC's 3 s come after shorter ones. */
const FIRST_RESTART: Millis = 750;
const LONGEST_RESTART: Millis = 3_000;
/** Goodbyes are not lost to a peer that is not there yet. */
const TERMINATE_RESTART: Millis = 1_000;
/** Naks and Rejects of our requests, in one negotiation: a peer that wants more has no end. */
const MOST_REFUSALS = 12;
/** How often an acknowledged request may repeat itself before it means that the peer has begun anew. */
const MOST_REPEATS = 3;
/** Of our request: 5 s, while one packet in ten is lost each way, do for all but one in a hundred. */
const MOST_PATIENT_SENDS = 3;

export interface ControlProtocolOptions {
  readonly policy: OptionPolicy;
  /** The longest packet that the peer takes, in bytes. */
  readonly longest?: () => number;
  /**
   * Acknowledge the peer's request only once it has acknowledged ours, as long as ours has been sent but a few times. A peer that would be
   * open by our Ack, and gets our request again because its own Ack was lost, would have to begin anew; pppd ends the link instead.
   * For one end alone: two that wait for each other lose those seconds.
   * @default false
   */
  readonly acknowledgesLast?: boolean;
  /** Codes above 7 that the owner knows. */
  readonly knows?: (code: number) => boolean;
}

export type ControlEvent =
  | { readonly kind: 'up' }
  | { readonly kind: 'down' }
  | { readonly kind: 'finished' }
  /** No agreement is possible; the owner closes. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The peer said goodbye; the body borrows from its packet. */
  | { readonly kind: 'terminated'; readonly body: Uint8Array }
  /** A packet with a code that the owner knows. Its body borrows from the input. */
  | { readonly kind: 'packet'; readonly packet: ControlPacket }
  | { readonly kind: 'note'; readonly message: string; readonly fields: Readonly<Record<string, unknown>> };

/** Our Configure-Request that the peer has not answered. */
interface Outstanding {
  readonly id: number;
  readonly options: readonly ConfigOption[];
  readonly body: Uint8Array;
  readonly since: Instant;
}

export class ControlProtocol {
  readonly stats = { malformed: 0, unexpected: 0, retransmits: 0 };
  readonly #options: ControlProtocolOptions;
  readonly #policy: OptionPolicy;
  readonly #transmits: Uint8Array[] = [];
  readonly #events: ControlEvent[] = [];
  #state: State = State.initial;
  #id = 0;
  #outstanding: Outstanding | undefined;
  #restarts = 0;
  #interval: Millis = FIRST_RESTART;
  #deadline: Instant | undefined;
  #failures = 0;
  #refusals = 0;
  #heardRequest = false;
  /** The body of the peer's request that we acknowledged last. */
  #acknowledged: Uint8Array | undefined;
  #repeats = 0;
  /** The Ack that waits for the peer's. */
  #heldAck: Uint8Array | undefined;
  #goodbye: Uint8Array = new Uint8Array(0);

  constructor(options: ControlProtocolOptions) {
    this.#options = options;
    this.#policy = options.policy;
  }

  get state(): State {
    return this.#state;
  }
  get isOpen(): boolean {
    return this.#state === State.opened;
  }

  // In: what happened.
  open(now: Instant): void {
    this.#step('Open', now);
  }
  /** `goodbye` is the data of our Terminate-Requests. */
  close(now: Instant, goodbye?: Uint8Array): void {
    if (goodbye !== undefined) this.#goodbye = goodbye;
    this.#step('Close', now);
  }
  lowerUp(now: Instant): void {
    this.#step('Up', now);
  }
  lowerDown(now: Instant): void {
    this.#step('Down', now);
  }
  /** The peer does not have this protocol (RFC 1661, section 5.7). */
  handleProtocolReject(now: Instant): void {
    this.#tellUnknown();
    this.#step('RXJ-', now);
  }

  handleTimeout(now: Instant): void {
    if (this.#deadline === undefined || now < this.#deadline) return;
    this.stats.retransmits += this.#restarts > 0 ? 1 : 0;
    this.#step(this.#restarts > 0 ? 'TO+' : 'TO-', now);
  }

  handlePacket(bytes: Uint8Array, now: Instant): void {
    const packet = decodeControlPacket(bytes);
    if (packet === undefined) {
      this.stats.malformed++;
      return;
    }
    if (this.#state <= State.starting) {
      this.stats.unexpected++;
      return;
    }
    switch (packet.code) {
      case Code.configureRequest:
        this.#handleRequest(packet, now);
        return;
      case Code.configureAck:
      case Code.configureNak:
      case Code.configureReject:
        this.#handleAnswer(packet, now);
        return;
      case Code.terminateRequest:
        this.#step('RTR', now, packet);
        this.#tell({ kind: 'terminated', body: packet.body });
        return;
      case Code.terminateAck:
        this.#step('RTA', now);
        return;
      case Code.codeReject:
        this.#handleCodeReject(packet, now);
        return;
      default:
        if (this.#options.knows?.(packet.code) === true) this.#tell({ kind: 'packet', packet });
        else this.#step('RUC', now, bytes);
    }
  }

  /** Sends a packet of a further code, with an identifier of its own, which is the result. */
  send(code: number, body: Uint8Array): number {
    const id = this.#nextId();
    this.answer(code, id, body);
    return id;
  }
  /** Sends a packet of a further code under the identifier that it answers. */
  answer(code: number, id: number, body: Uint8Array): void {
    this.#transmits.push(encodeControlPacket(code, id, body));
  }

  // Out: what to do next.
  pollTransmit(): Uint8Array | undefined {
    return this.#transmits.shift();
  }
  pollEvent(): ControlEvent | undefined {
    return this.#events.shift();
  }
  pollTimeout(): Instant | undefined {
    return this.#deadline;
  }

  #handleRequest(packet: ControlPacket, now: Instant): void {
    const options = decodeOptions(packet.body);
    if (options === undefined) {
      this.stats.malformed++;
      return;
    }
    if (this.#repeatsItself(packet)) return;
    this.#sendAgainForTheFirst(now);
    const judgement = this.#judge(options);
    const peer = this.#policy.describe(options);
    const answer =
      judgement.kind === 'ack' || judgement.kind === 'impossible' ? '' : this.#policy.describe(judgement.options);
    this.#note('the peer asks', { options: peer, answer: `${judgement.kind} ${answer}`.trim() });
    if (judgement.kind === 'impossible') {
      this.#tell({ kind: 'failed', reason: judgement.reason });
      return;
    }
    this.#heldAck = undefined;
    if (judgement.kind === 'ack') {
      const ack = encodeControlPacket(Code.configureAck, packet.id, packet.body);
      if (this.#waitsForTheirs()) this.#heldAck = ack;
      else this.#acknowledge(ack, now);
      return;
    }
    const code = judgement.kind === 'nak' ? Code.configureNak : Code.configureReject;
    this.#step('RCR-', now, encodeControlPacket(code, packet.id, encodeOptions(judgement.options)));
  }

  #waitsForTheirs(): boolean {
    const sent = MAX_CONFIGURE - this.#restarts;
    return this.#options.acknowledgesLast === true && this.#state === State.reqSent && sent <= MOST_PATIENT_SENDS;
  }

  #acknowledge(ack: Uint8Array, now: Instant): void {
    this.#step('RCR+', now, ack);
    this.#acknowledged = ack.slice(ACK_HEADER);
  }

  #judge(options: readonly ConfigOption[]) {
    // Where nothing is negotiated the automaton has one answer for every request, and the policy's peer values stay as they are.
    if (this.#state === State.closed || this.#state === State.closing || this.#state === State.stopping)
      return { kind: 'ack' } as const;
    const judgement = this.#policy.judge(options, this.#failures < MAX_FAILURE);
    if (judgement.kind === 'nak') this.#failures++;
    else if (judgement.kind === 'ack') this.#failures = 0;
    return judgement;
  }

  #repeatsItself({ id, body }: ControlPacket): boolean {
    const known = this.#acknowledged;
    if (this.#state !== State.opened || known === undefined || !sameBytes(known, body)) return false;
    if (this.#repeats >= MOST_REPEATS) return false;
    this.#repeats++;
    this.#transmits.push(encodeControlPacket(Code.configureAck, id, body));
    return true;
  }

  #sendAgainForTheFirst(now: Instant): void {
    const asked = this.#outstanding;
    if (this.#state === State.reqSent && !this.#heardRequest && asked !== undefined && asked.since < now) {
      this.#transmits.push(encodeControlPacket(Code.configureRequest, asked.id, asked.body));
    }
    this.#heardRequest = true;
  }

  /** An answer to our last request, the first to it; any other is dropped. */
  #handleAnswer(packet: ControlPacket, now: Instant): void {
    const asked = this.#outstanding;
    if (asked === undefined) {
      // In Closed and Stopped a Terminate-Ack tells the peer that nobody negotiates here.
      this.stats.unexpected++;
      if (this.#state <= State.stopped) this.#step(packet.code === Code.configureAck ? 'RCA' : 'RCN', now, packet);
      return;
    }
    if (packet.id !== asked.id) {
      this.stats.unexpected++;
      return;
    }
    if (packet.code === Code.configureAck) {
      this.#handleAck(packet, asked, now);
      return;
    }
    const options = decodeOptions(packet.body);
    const isReject = packet.code === Code.configureReject;
    const fits =
      options !== undefined &&
      options.length > 0 &&
      (!isReject || options.every(({ type }) => asked.options.some((own) => own.type === type)));
    if (!fits) {
      this.stats.malformed++;
      return;
    }
    this.#outstanding = undefined;
    const asks = this.#policy.describe(asked.options);
    const answer = `${isReject ? 'reject' : 'nak'} ${this.#policy.describe(options)}`;
    this.#note('we ask', { options: asks, answer });
    const reason = isReject ? this.#policy.handleReject(options) : this.#policy.handleNak(options);
    if (reason !== undefined) {
      this.#tell({ kind: 'failed', reason });
      return;
    }
    if (++this.#refusals >= MOST_REFUSALS) {
      this.#tell({ kind: 'failed', reason: `${this.#policy.name}: the peer refuses whatever we ask for` });
      return;
    }
    this.#step('RCN', now, packet);
  }

  #handleAck(packet: ControlPacket, asked: Outstanding, now: Instant): void {
    if (!sameBytes(packet.body, asked.body)) {
      this.stats.malformed++;
      return;
    }
    this.#outstanding = undefined;
    this.#note('we ask', { options: this.#policy.describe(asked.options), answer: 'ack' });
    this.#step('RCA', now, packet);
    const held = this.#heldAck;
    this.#heldAck = undefined;
    if (held !== undefined) this.#acknowledge(held, now);
  }

  /** Without one of the first seven codes no control protocol works (RFC 1661, section 4.3, RXJ). */
  #handleCodeReject({ body }: ControlPacket, now: Instant): void {
    const code = body[0];
    if (code === undefined) {
      this.stats.malformed++;
      return;
    }
    const fatal = code <= Code.codeReject;
    this.#note('the peer does not know a code of ours', { code });
    if (fatal) this.#tellUnknown();
    this.#step(fatal ? 'RXJ-' : 'RXJ+', now);
  }

  /**
   * @param about the packet that a Terminate-Ack answers, the answer to send for RCR, or the packet that a Code-Reject quotes
   */
  #step(event: AutomatonEvent, now: Instant, about?: ControlPacket | Uint8Array): void {
    const before = this.#state;
    const step = transition(before, event);
    if (step === undefined) return;
    const isGoodbye = step.actions.includes('str');
    this.#state = step.next;
    for (const action of step.actions) {
      switch (action) {
        case 'tlu':
          this.#repeats = 0;
          this.#tell({ kind: 'up' });
          break;
        case 'tld':
          this.#acknowledged = undefined;
          this.#tell({ kind: 'down' });
          break;
        case 'tlf':
          this.#tell({ kind: 'finished' });
          break;
        case 'tls':
          break;
        case 'irc':
          this.#restarts = isGoodbye ? MAX_TERMINATE : MAX_CONFIGURE;
          this.#interval = isGoodbye ? TERMINATE_RESTART : FIRST_RESTART;
          break;
        case 'zrc':
          this.#restarts = 0;
          this.#deadline = (now + TERMINATE_RESTART) as Instant;
          break;
        case 'scr':
          this.#sendRequest(before, event, now);
          break;
        case 'str':
          this.#transmits.push(encodeControlPacket(Code.terminateRequest, this.#nextId(), this.#goodbye));
          this.#startTimer(TERMINATE_RESTART, now);
          break;
        case 'sca':
        case 'scn':
          if (about instanceof Uint8Array) this.#transmits.push(about);
          break;
        case 'sta':
          this.#sendTerminateAck(about);
          break;
        case 'scj':
          if (about instanceof Uint8Array) this.#sendCodeReject(about);
          break;
        case 'ser': // the owner of codes above 7 answers
          break;
      }
    }
    if (!hasTimer(this.#state)) this.#deadline = undefined;
    if (this.#state < State.reqSent) this.#outstanding = undefined;
  }

  /** A request after a timeout is the same again; any other has what the policy wants by now. */
  #sendRequest(before: State, event: AutomatonEvent, now: Instant): void {
    const again = event === 'TO+';
    if (before < State.reqSent || before === State.opened) this.#begin(event === 'RCR+' || event === 'RCR-');
    if (!again || this.#outstanding === undefined) {
      const options = this.#policy.request();
      this.#outstanding = { id: this.#nextId(), options, body: encodeOptions(options), since: now };
    }
    const { id, body } = this.#outstanding;
    this.#transmits.push(encodeControlPacket(Code.configureRequest, id, body));
    if (again) this.#interval = Math.min(this.#interval * 2, LONGEST_RESTART);
    this.#startTimer(this.#interval, now);
  }

  #begin(forRequest: boolean): void {
    this.#policy.reset();
    this.#heldAck = undefined;
    this.#outstanding = undefined;
    this.#failures = 0;
    this.#refusals = 0;
    this.#heardRequest = forRequest;
    // Where the peer's request brought us here, no counter was set (RCR in Opened).
    this.#restarts = MAX_CONFIGURE;
    this.#interval = FIRST_RESTART;
  }

  #startTimer(after: Millis, now: Instant): void {
    this.#restarts--;
    this.#deadline = (now + after) as Instant;
  }

  #sendTerminateAck(about: ControlPacket | Uint8Array | undefined): void {
    // For a request in Closed, `about` is the answer that is not sent; its identifier is the request's.
    const id = about instanceof Uint8Array ? (about[1] ?? 0) : (about?.id ?? 0);
    this.#transmits.push(encodeControlPacket(Code.terminateAck, id, new Uint8Array(0)));
  }

  #sendCodeReject(rejected: Uint8Array): void {
    const most = Math.max(0, (this.#options.longest?.() ?? 1_500) - 4);
    this.send(Code.codeReject, rejected.subarray(0, most));
  }

  #nextId(): number {
    this.#id = (this.#id + 1) & 0xff;
    return this.#id;
  }

  #tellUnknown(): void {
    if (this.#state >= State.closed)
      this.#tell({ kind: 'failed', reason: `the peer does not have ${this.#policy.name}` });
  }
  #note(what: string, fields: Readonly<Record<string, unknown>>): void {
    this.#tell({ kind: 'note', message: `${this.#policy.name}: ${what}`, fields });
  }
  #tell(event: ControlEvent): void {
    this.#events.push(event);
  }
}
