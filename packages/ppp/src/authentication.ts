/**
 * The authentication that LCP agreed on: one machine, and what came of it.
 *
 * Owns that a verdict answers the claim that waits, and the method's name. Leaves the protocol to its `AuthMachine`.
 */
import type { Instant } from '@culvert/base';
import type { AuthClaim, AuthMachine, AuthMaterial } from './auth/machine.ts';
import type { AuthOffer, PppVerdict } from './face.ts';

type Event =
  | { readonly kind: 'claim'; readonly id: number; readonly claim: AuthClaim }
  | { readonly kind: 'succeeded' }
  /** `unanswered`: nobody judged anything. */
  | { readonly kind: 'failed'; readonly reason: string; readonly unanswered: boolean };

export class Authentication {
  readonly method: string;
  readonly #machine: AuthMachine;
  #waiting: number | undefined;
  #identity: string | undefined;
  #material: AuthMaterial | undefined;

  constructor(offer: AuthOffer) {
    this.method = offer.name;
    this.#machine = offer.create();
  }

  get protocol(): number {
    return this.#machine.protocol;
  }
  /** Once it has succeeded. */
  get identity(): string | undefined {
    return this.#identity;
  }
  get material(): AuthMaterial | undefined {
    return this.#material;
  }
  /** What the server asks of us and does not get. */
  get refusal(): string | undefined {
    return this.#machine.refusal;
  }

  // In: what happened.
  start(now: Instant): void {
    this.#machine.start(now);
  }
  handlePacket(packet: Uint8Array, now: Instant): void {
    this.#machine.handlePacket(packet, now);
  }
  handleNetworkBegun(): void {
    this.#machine.handleNetworkBegun?.();
  }
  handleTimeout(now: Instant): void {
    const deadline = this.#machine.pollTimeout();
    if (deadline !== undefined && now >= deadline) this.#machine.handleTimeout(now);
  }
  /** False: nobody waits for it. */
  handleVerdict(id: number, verdict: PppVerdict, now: Instant): boolean {
    if (this.#waiting !== id || this.#machine.handleVerdict === undefined) return false;
    this.#waiting = undefined;
    this.#machine.handleVerdict(id, verdict, now);
    return true;
  }
  dispose(): void {
    this.#machine.dispose();
  }

  // Out: what to do next.
  pollTransmit(): Uint8Array | undefined {
    return this.#machine.pollTransmit();
  }
  pollEvent(): Event | undefined {
    const event = this.#machine.pollEvent();
    if (event === undefined) return undefined;
    if (event.kind === 'claim') {
      this.#waiting = event.id;
      return event;
    }
    if (event.kind === 'failed') return { kind: 'failed', reason: event.reason, unanswered: event.unanswered === true };
    this.#identity = event.identity;
    this.#material = event.material;
    return { kind: 'succeeded' };
  }
  pollTimeout(): Instant | undefined {
    return this.#machine.pollTimeout();
  }
}
