/**
 * LCP beyond its options: Protocol-Reject, Echo, Discard, Identification, and why the peer says goodbye (RFC 1661, sections 5.7 to 5.9;
 * RFC 1570).
 *
 * Owns the keepalive. Leaves what the other protocols do about a Protocol-Reject, and the phases, to `session.ts`.
 */
import type { Instant, Millis } from '@culvert/base';
import { State } from './automaton.ts';
import { number, word } from './bytes.ts';
import type { ControlEvent } from './control-face.ts';
import { ControlProtocol } from './control-protocol.ts';
import { Keepalive } from './keepalive.ts';
import { LcpPolicy, type LcpPolicyOptions } from './lcp-policy.ts';
import type { ControlPacket } from './packet.ts';
import { decodeGoodbye, type Goodbye } from './terminate.ts';

const LcpCode = {
  protocolReject: 8,
  echoRequest: 9,
  echoReply: 10,
  discardRequest: 11,
  identification: 12,
  timeRemaining: 13,
} as const;

/** Before the data of an Echo, Discard or Identification lies the sender's magic number. */
const MAGIC_BYTES = 4;
const HEADER_BYTES = 4;

export interface LcpOptions extends LcpPolicyOptions {
  /** A question goes out after so much silence of a link that is open. */
  readonly echoInterval: Millis;
  /** So many questions without an answer, and the peer is gone. */
  readonly echoFailures: number;
}

export type LcpEvent =
  | Exclude<ControlEvent, { readonly kind: 'packet' | 'terminated' }>
  | { readonly kind: 'terminated'; readonly goodbye: Goodbye }
  /** The peer does not have this protocol. */
  | { readonly kind: 'protocol-rejected'; readonly protocol: number }
  | { readonly kind: 'silent' };

export class Lcp {
  readonly policy: LcpPolicy;
  readonly #control: ControlProtocol;
  readonly #keepalive: Keepalive;
  readonly #events: LcpEvent[] = [];

  constructor(options: LcpOptions) {
    this.policy = new LcpPolicy(options);
    this.#keepalive = new Keepalive({ interval: options.echoInterval, failures: options.echoFailures });
    this.#control = new ControlProtocol({
      policy: this.policy,
      longest: () => this.policy.peer.mru,
      knows: (code) => code >= LcpCode.protocolReject && code <= LcpCode.timeRemaining,
    });
  }

  get isOpen(): boolean {
    return this.#control.isOpen;
  }
  get stats() {
    return this.#control.stats;
  }
  get state(): State {
    return this.#control.state;
  }

  // In: what happened.
  open(now: Instant): void {
    this.#control.open(now);
    this.#control.lowerUp(now);
  }
  close(now: Instant, goodbye: string): void {
    this.#control.close(now, new TextEncoder().encode(goodbye));
    this.#takeEvents(now);
  }
  lowerDown(now: Instant): void {
    this.#control.lowerDown(now);
    this.#takeEvents(now);
  }
  handlePacket(packet: Uint8Array, now: Instant): void {
    this.heard(now);
    this.#control.handlePacket(packet, now);
    this.#takeEvents(now);
  }
  handleTimeout(now: Instant): void {
    this.#control.handleTimeout(now);
    this.#takeEvents(now);
    const due = this.#keepalive.handleTimeout(now);
    if (due === 'ask') this.#control.send(LcpCode.echoRequest, word(this.policy.magic));
    else if (due === 'silent') this.#events.push({ kind: 'silent' });
  }
  /** The peer lives: something of it came. */
  heard(now: Instant): void {
    this.#keepalive.heard(now);
  }
  /** The peer's packet `rejected` is of a protocol that we do not have. */
  rejectProtocol(protocol: number, rejected: Uint8Array): void {
    const body = new Uint8Array(Math.max(2, Math.min(2 + rejected.length, this.policy.peer.mru - HEADER_BYTES)));
    body[0] = protocol >>> 8;
    body[1] = protocol;
    body.set(rejected.subarray(0, body.length - 2), 2);
    this.#control.send(LcpCode.protocolReject, body);
  }

  // Out: what to do next.
  pollTransmit(): Uint8Array | undefined {
    return this.#control.pollTransmit();
  }
  pollEvent(): LcpEvent | undefined {
    return this.#events.shift();
  }
  pollTimeout(): Instant | undefined {
    const restart = this.#control.pollTimeout();
    const echo = this.#keepalive.pollTimeout();
    if (restart === undefined || echo === undefined) return restart ?? echo;
    return Math.min(restart, echo) as Instant;
  }

  #takeEvents(now: Instant): void {
    for (let event = this.#control.pollEvent(); event !== undefined; event = this.#control.pollEvent()) {
      if (event.kind === 'packet') this.#handleCode(event.packet, now);
      else if (event.kind === 'terminated') {
        this.#events.push({ kind: 'terminated', goodbye: decodeGoodbye(event.body) });
      } else {
        if (event.kind === 'up') this.#keepalive.start(now);
        if (event.kind === 'down') this.#keepalive.stop();
        this.#events.push(event);
      }
    }
  }

  #handleCode({ code, id, body }: ControlPacket, now: Instant): void {
    switch (code) {
      case LcpCode.protocolReject:
        this.#handleProtocolReject(body, now);
        return;
      case LcpCode.echoRequest:
        this.#answerEcho(id, body);
        return;
      default:
        // An answer to our echo counts as any packet does. Discard, Identification and Time-Remaining want nothing of us.
        return;
    }
  }

  #handleProtocolReject(body: Uint8Array, now: Instant): void {
    if (!this.isOpen) return; // RFC 1661, section 5.7: anything else is dropped
    if (body.length < 2) {
      this.stats.malformed++;
      return;
    }
    const protocol = number(body.subarray(0, 2));
    if (protocol === this.policy.protocol) this.#control.handleProtocolReject(now);
    else this.#events.push({ kind: 'protocol-rejected', protocol });
  }

  /** Also before LCP is open, where the RFC would drop it: peers ask there already. */
  #answerEcho(id: number, body: Uint8Array): void {
    if (this.#control.state < State.reqSent) return;
    if (body.length < MAGIC_BYTES) {
      this.stats.malformed++;
      return;
    }
    const magic = number(body);
    if (magic !== 0 && magic === this.policy.magic) {
      this.#events.push({ kind: 'failed', reason: 'the line is looped back' });
      return;
    }
    const answer = body.slice(0, Math.max(MAGIC_BYTES, this.policy.peer.mru - HEADER_BYTES));
    answer.set(word(this.policy.magic));
    this.#control.answer(LcpCode.echoReply, id, answer);
  }
}
