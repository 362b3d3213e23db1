/** The authenticator of EAP (RFC 3748, pass-through to nobody): identity, then one method; a peer may refuse it and name another. */
import type { Instant, RandomSource } from '@culvert/base';
import { encodeControlPacket } from '../packet.ts';
import { PppProtocol } from '../protocol.ts';
import type { EapServerMethod, EapServerStep } from './eap-method.ts';
import { decodeEap, EapCode, EapType, encodeEap } from './eap-packet.ts';
import { Exchange } from './exchange.ts';
import type { AuthEvent, AuthMachine, AuthMaterial, AuthVerdict } from './machine.ts';
import { decodeName } from './text.ts';

/** Chosen by us: more than the fragments of the largest TLS handshake that the engine takes. */
const MOST_ROUNDS = 200;

/** A method, and how to begin it. */
export interface EapServerOffer {
  readonly type: number;
  /** @param identity what the peer calls itself, unproven */
  create(identity: string): EapServerMethod;
}

export interface EapServerOptions {
  readonly random: RandomSource;
  /** The best first. */
  readonly methods: readonly EapServerOffer[];
}

export class EapServer implements AuthMachine {
  readonly protocol = PppProtocol.eap;
  readonly #exchange = new Exchange();
  #methods: readonly EapServerOffer[];
  #method: EapServerMethod | undefined;
  #identity = '';
  #id: number;
  #rounds = 0;
  /** The peer has taken up the method, and cannot refuse it any more. */
  #isTaken = false;
  #claims = 0;
  #isWaiting = false;
  /** The last word, for a peer that did not hear it. */
  #final: Uint8Array | undefined;

  constructor(options: EapServerOptions) {
    this.#methods = options.methods;
    this.#id = options.random.bytes(1)[0] ?? 0;
  }

  start(now: Instant): void {
    const request = encodeEap(EapCode.request, this.#id, EapType.identity, new Uint8Array(0));
    this.#exchange.repeat(() => request, now);
  }
  handlePacket(bytes: Uint8Array, now: Instant): void {
    const packet = decodeEap(bytes);
    if (packet?.code !== EapCode.response || packet.id !== this.#id || this.#isWaiting) return;
    if (this.#final !== undefined) this.#exchange.send(this.#final);
    else if (this.#method === undefined) this.#handleIdentity(packet.type, packet.data, now);
    else if (packet.type === EapType.nak && !this.#isTaken) this.#handleNak(packet.data, now);
    else if (packet.type === this.#method.type) this.#follow(this.#method.handleResponse(packet.data), now);
  }
  handleTimeout(now: Instant): void {
    if (this.#exchange.handleTimeout(now) || this.#final !== undefined) return;
    this.#fail({ kind: 'failed', reason: 'the peer stopped answering EAP', unanswered: true });
  }
  handleVerdict(claim: number, verdict: AuthVerdict, now: Instant): void {
    if (!this.#isWaiting || claim !== this.#claims || this.#method === undefined) return;
    this.#isWaiting = false;
    this.#follow(this.#method.handleVerdict(verdict), now);
  }
  handleNetworkBegun(): void {
    if (this.#final !== undefined) this.#exchange.settle();
  }
  dispose(): void {
    this.#method?.dispose?.();
    this.#method = undefined;
    this.#exchange.settle();
  }
  pollTransmit(): Uint8Array | undefined {
    return this.#exchange.pollTransmit();
  }
  pollEvent(): AuthEvent | undefined {
    return this.#exchange.pollEvent();
  }
  pollTimeout(): Instant | undefined {
    return this.#exchange.pollTimeout();
  }

  #handleIdentity(type: number, data: Uint8Array, now: Instant): void {
    const identity = type === EapType.identity ? decodeName(data) : undefined;
    if (identity === undefined) return;
    this.#identity = identity;
    this.#begin(this.#methods[0], now);
  }

  /** What was refused is not offered again, so this ends. */
  #handleNak(wishes: Uint8Array, now: Instant): void {
    const refused = this.#method?.type;
    this.#method?.dispose?.();
    this.#methods = this.#methods.filter(({ type }) => type !== refused);
    this.#begin(
      this.#methods.find(({ type }) => wishes.includes(type)),
      now,
    );
  }

  #begin(offer: EapServerOffer | undefined, now: Instant): void {
    if (offer === undefined) {
      this.#fail({ kind: 'failed', reason: 'the peer knows no method of EAP that is allowed here' });
      return;
    }
    this.#method = offer.create(this.#identity);
    this.#ask(this.#method, this.#method.begin((this.#id + 1) & 0xff), now);
  }

  #ask({ type }: EapServerMethod, data: Uint8Array, now: Instant): void {
    this.#id = (this.#id + 1) & 0xff;
    const request = encodeEap(EapCode.request, this.#id, type, data);
    this.#exchange.repeat(() => request, now);
  }

  #follow(step: EapServerStep | undefined, now: Instant): void {
    if (step === undefined || this.#method === undefined) return;
    this.#isTaken = true;
    if (step.kind === 'failed') this.#fail(step);
    else if (step.kind === 'succeeded') this.#succeed(step.material, now);
    else if (step.kind === 'ask') {
      if (++this.#rounds > MOST_ROUNDS) this.#fail({ kind: 'failed', reason: 'EAP comes to no end' });
      else this.#ask(this.#method, step.data, now);
    } else {
      this.#exchange.settle();
      this.#isWaiting = true;
      this.#identity = step.identity;
      this.#exchange.tell({ kind: 'claim', id: ++this.#claims, claim: step.claim });
    }
  }

  /**
   * RFC 3748, section 4.2, has the Success sent once and the peer take the network phase for it. pppd does not: it waits (its eap.c), and
   * throws away what would show it.
   */
  #succeed(material: AuthMaterial | undefined, now: Instant): void {
    const final = this.#end(EapCode.success);
    this.#exchange.repeat(() => final, now);
    this.#exchange.tell({ kind: 'succeeded', identity: this.#identity, material });
  }

  #fail(event: AuthEvent & { readonly kind: 'failed' }): void {
    this.#exchange.send(this.#end(EapCode.failure));
    this.#exchange.tell(event);
  }

  /** Success and Failure carry the identifier of the response that they answer (RFC 3748, section 4.2). */
  #end(code: number): Uint8Array {
    this.#exchange.settle();
    this.#final = encodeControlPacket(code, this.#id, new Uint8Array(0));
    return this.#final;
  }
}
