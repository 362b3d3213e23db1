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
import type { Instant } from '@culvert/base';
import { type AutomatonEvent, hasTimer, State, transition } from './automaton.ts';
import { sameBytes } from './bytes.ts';
import { Code, type ControlEvent, type ControlProtocolOptions } from './control-face.ts';
import { OwnRequest, type Refusal } from './own-request.ts';
import {
  type ConfigOption,
  type ControlPacket,
  decodeControlPacket,
  decodeOptions,
  encodeControlPacket,
  encodeOptions,
} from './packet.ts';
import type { OptionPolicy } from './policy.ts';
import { RestartTimer } from './restart-timer.ts';

/** Code, identifier and length. */
const ACK_HEADER = 4;

/** The RFC's default (section 4.6). */
const MAX_FAILURE = 5;

// Chosen by us.
/** Naks and Rejects of our requests, in one negotiation: a peer that wants more has no end. */
const MOST_REFUSALS = 12;
/** How often an acknowledged request may repeat itself before it means that the peer has begun anew. */
const MOST_REPEATS = 3;

export class ControlProtocol {
  readonly stats = { malformed: 0, unexpected: 0, retransmits: 0 };
  readonly #options: ControlProtocolOptions;
  readonly #policy: OptionPolicy;
  readonly #transmits: Uint8Array[] = [];
  readonly #events: ControlEvent[] = [];
  #state: State = State.initial;
  #id = 0;
  #outstanding: OwnRequest | undefined;
  readonly #restart = new RestartTimer();
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
    const { deadline, mayRepeat } = this.#restart;
    if (deadline === undefined || now < deadline) return;
    if (mayRepeat) this.stats.retransmits++;
    this.#step(mayRepeat ? 'TO+' : 'TO-', now);
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
    return this.#restart.deadline;
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
    return this.#state === State.reqSent && this.#restart.sendings <= (this.#options.patience ?? 0);
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
      this.#transmits.push(asked.encode());
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
    const answer = asked.read(packet);
    if (answer.kind === 'unexpected' || answer.kind === 'malformed') {
      this.stats[answer.kind]++;
      return;
    }
    this.#outstanding = undefined;
    const asks = this.#policy.describe(asked.options);
    const refused = answer.kind === 'ack' ? '' : this.#policy.describe(answer.options);
    this.#note('we ask', { options: asks, answer: `${answer.kind} ${refused}`.trim() });
    if (answer.kind === 'ack') this.#handleAck(packet, now);
    else this.#handleRefusal(answer, packet, now);
  }

  #handleRefusal(answer: Refusal, packet: ControlPacket, now: Instant): void {
    const { kind, options } = answer;
    const reason = kind === 'reject' ? this.#policy.handleReject(options) : this.#policy.handleNak(options);
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

  #handleAck(packet: ControlPacket, now: Instant): void {
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
          this.#restart.begin(isGoodbye ? 'terminate' : 'configure');
          break;
        case 'zrc':
          this.#restart.zero(now);
          break;
        case 'scr':
          this.#sendRequest(before, event, now);
          break;
        case 'str':
          this.#transmits.push(encodeControlPacket(Code.terminateRequest, this.#nextId(), this.#goodbye));
          this.#restart.sent(now, false);
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
    if (!hasTimer(this.#state)) this.#restart.stop();
    if (this.#state < State.reqSent) this.#outstanding = undefined;
  }

  /** A request after a timeout is the same again; any other has what the policy wants by now. */
  #sendRequest(before: State, event: AutomatonEvent, now: Instant): void {
    const again = event === 'TO+';
    if (before < State.reqSent || before === State.opened) this.#begin(event === 'RCR+' || event === 'RCR-');
    if (!again || this.#outstanding === undefined) {
      this.#outstanding = new OwnRequest(this.#nextId(), this.#policy.request(), now);
    }
    this.#transmits.push(this.#outstanding.encode());
    this.#restart.sent(now, again);
  }

  #begin(forRequest: boolean): void {
    this.#policy.reset();
    this.#heldAck = undefined;
    this.#outstanding = undefined;
    this.#failures = 0;
    this.#refusals = 0;
    this.#heardRequest = forRequest;
    // Where the peer's request brought us here, no counter was set (RCR in Opened).
    this.#restart.begin('configure');
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
