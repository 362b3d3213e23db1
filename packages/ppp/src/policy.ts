/** What `control-protocol.ts` asks of each protocol: which options it wants, and what it says to those of its peer. Types only. */
import type { ConfigOption } from './packet.ts';

export interface OptionPolicy {
  readonly protocol: number;
  /** For notes and reasons: "LCP". */
  readonly name: string;
  /** Negotiation begins anew: we ask for what we wanted at first. What the peer asked for holds until its next request is judged. */
  reset(): void;
  /** What we ask for now. */
  request(): readonly ConfigOption[];
  /**
   * Our answer to the peer's request; `ack` means that its values hold from now on. `mayNak` is false once Max-Failure is reached: the
   * answer is then no Nak (RFC 1661, section 4.6).
   */
  judge(options: readonly ConfigOption[], mayNak: boolean): Judgement;
  /** The peer would have other values, or lacks options in its own request. The result is why we cannot go on, if so. */
  handleNak(options: readonly ConfigOption[]): string | undefined;
  /** The peer does not have these options of our request. The result is why we cannot go on, if so. */
  handleReject(options: readonly ConfigOption[]): string | undefined;
  /** Options as people read them. */
  describe(options: readonly ConfigOption[]): string;
}

export type Judgement =
  | { readonly kind: 'ack' }
  | { readonly kind: 'nak' | 'reject'; readonly options: readonly ConfigOption[] }
  /** No answer leads to an agreement. `reason` is a sentence for people. */
  | { readonly kind: 'impossible'; readonly reason: string };

/**
 * Rejects go first and alone, then Naks, then the Ack (RFC 1661, sections 5.3 and 5.4). What a peer lists more than once, as it must not
 * (section 6), is nakked once.
 */
export function sumUp(rejected: readonly ConfigOption[], nakked: readonly ConfigOption[]): Judgement {
  if (rejected.length > 0) return { kind: 'reject', options: rejected };
  const once = nakked.filter(({ type }, n) => nakked.findIndex((other) => other.type === type) === n);
  if (once.length > 0) return { kind: 'nak', options: once };
  return { kind: 'ack' };
}
