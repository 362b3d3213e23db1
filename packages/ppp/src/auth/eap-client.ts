/**
 * The peer of EAP (RFC 3748): answers what the authenticator asks, refuses methods that are not allowed, and believes a Success only
 * once its method is content.
 *
 * An authenticator may ask for the identity once more at any time, also of a link that is up, and all begins anew (section 2). The keys of
 * the link stay those of the first time. Whoever can forge a request can make us answer; where nothing comes of it we forget it.
 */
import type { Instant } from '@culvert/base';
import { sameBytes } from '../bytes.ts';
import { PppProtocol } from '../protocol.ts';
import { AuthDemands, nameOfEapMethod } from './demands.ts';
import type { EapClientMethod, EapClientStep } from './eap-method.ts';
import { decodeEap, EapCode, type EapPacket, EapType, encodeEap } from './eap-packet.ts';
import { Exchange } from './exchange.ts';
import type { AuthEvent, AuthMachine } from './machine.ts';
import { encodeText } from './text.ts';

// Chosen by us.
const PATIENCE = 30_000;
const MOST_ROUNDS = 200;
/** Requests that are told from new ones when they come late. */
const REMEMBERED = 8;

/** A method, and how to begin it. */
export interface EapClientOffer {
  readonly type: number;
  create(): EapClientMethod;
}

export interface EapClientOptions {
  /** What we call ourselves, in the clear. */
  readonly identity: string;
  /** The best first. */
  readonly methods: readonly EapClientOffer[];
}

export class EapClient implements AuthMachine {
  readonly protocol = PppProtocol.eap;
  readonly #options: EapClientOptions;
  readonly #exchange = new Exchange();
  #method: EapClientMethod | undefined;
  #last: { readonly request: Uint8Array; readonly response: Uint8Array } | undefined;
  /** Those before the last one. */
  readonly #earlier: Uint8Array[] = [];
  readonly #demands: AuthDemands;
  #rounds = 0;
  /** It may be believed, or not yet. */
  #heardSuccess = false;
  #succeeded = false;
  /** A conversation is under way, the first one or another. */
  #isOpen = true;

  constructor(options: EapClientOptions) {
    this.#options = options;
    this.#demands = new AuthDemands(
      'the server',
      options.methods.map(({ type }) => nameOfEapMethod(type)),
    );
  }

  get refusal(): string | undefined {
    return this.#demands.sentence ?? (this.#heardSuccess ? this.#method?.missing : undefined);
  }

  start(now: Instant): void {
    this.#exchange.wait((now + PATIENCE) as Instant);
  }
  handlePacket(bytes: Uint8Array, now: Instant): void {
    const packet = decodeEap(bytes);
    if (packet === undefined || this.#exchange.isOver) return;
    if (packet.code === EapCode.request) this.#handleRequest(packet, bytes, now);
    else if (!this.#isOpen) return;
    else if (packet.code === EapCode.success) this.#handleSuccess();
    else if (packet.code === EapCode.failure) this.#fail(this.refusal ?? 'the server refused us');
  }
  /** Some servers send no Success, and theirs may be lost: it is sent once. Without more than that we would wait for ever. */
  handleNetworkBegun(): void {
    if (this.#succeeded || this.#exchange.isOver) return;
    const missing = this.#method?.missing;
    if (missing === undefined) this.#handleSuccess();
    else this.#fail(missing);
  }
  handleTimeout(now: Instant): void {
    if (this.#exchange.handleTimeout(now)) return;
    if (this.#succeeded) this.#isOpen = false;
    else this.#exchange.tell({ kind: 'failed', reason: 'the server stopped talking EAP', unanswered: true });
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

  #handleRequest(packet: EapPacket, bytes: Uint8Array, now: Instant): void {
    // The same request again: the server did not hear our answer (RFC 3748, section 4.1).
    if (this.#last !== undefined && sameBytes(this.#last.request, bytes)) {
      this.#exchange.send(this.#last.response);
      return;
    }
    if (this.#earlier.some((one) => sameBytes(one, bytes))) return;
    if (!this.#isOpen && packet.type !== EapType.identity) return;
    if (this.#succeeded && packet.type === EapType.identity) this.#beginAnew();
    if (++this.#rounds > MOST_ROUNDS) {
      this.#fail('EAP comes to no end');
      return;
    }
    if (packet.type === EapType.identity) this.#answer(packet, bytes, encodeText(this.#options.identity), now);
    else if (packet.type === EapType.notification) this.#answer(packet, bytes, new Uint8Array(0), now);
    else this.#handleMethod(packet, bytes, now);
  }

  #beginAnew(): void {
    this.#method?.dispose?.();
    this.#method = undefined;
    this.#rounds = 1;
    this.#heardSuccess = false;
    this.#isOpen = true;
  }

  #handleMethod(packet: EapPacket, bytes: Uint8Array, now: Instant): void {
    if (this.#method !== undefined && this.#method.type !== packet.type) return; // one method a conversation (section 2.1)
    const offer = this.#options.methods.find(({ type }) => type === packet.type);
    if (offer === undefined) {
      this.#demands.refuse(nameOfEapMethod(packet.type));
      const types = this.#options.methods.map(({ type }) => type);
      this.#answer({ ...packet, type: EapType.nak }, bytes, Uint8Array.from(types.length > 0 ? types : [0]), now);
      return;
    }
    this.#demands.accept();
    this.#method ??= offer.create();
    const step: EapClientStep | undefined = this.#method.handleRequest(packet.data, packet.id);
    if (step?.kind === 'answer') this.#answer(packet, bytes, step.data, now);
    const failed = step?.kind === 'answer' ? step.failed : step;
    if (failed !== undefined) this.#exchange.tell(failed);
  }

  #answer({ id, type }: EapPacket, request: Uint8Array, data: Uint8Array, now: Instant): void {
    const response = encodeEap(EapCode.response, id, type, data);
    if (this.#last !== undefined && this.#earlier.push(this.#last.request) > REMEMBERED) this.#earlier.shift();
    this.#last = { request: request.slice(), response };
    // A Success is sent once. Where it is all that is missing our last word, said again, brings it again.
    if (this.#method?.outcome !== undefined) this.#exchange.repeat(() => response, now);
    else {
      this.#exchange.wait((now + PATIENCE) as Instant);
      this.#exchange.send(response);
    }
  }

  /** Its identifier should be that of our response, and is not with every server; it proves nothing anyway. */
  #handleSuccess(): void {
    const outcome = this.#method?.outcome;
    this.#heardSuccess = true;
    if (outcome === undefined) return;
    this.#isOpen = false;
    this.#exchange.settle();
    if (this.#succeeded) return;
    this.#succeeded = true;
    this.#exchange.tell({ kind: 'succeeded', identity: this.#options.identity, material: outcome.material });
  }

  #fail(reason: string): void {
    this.#exchange.tell({ kind: 'failed', reason });
  }
}
