/**
 * CCP's one option that we have: MPPE (RFC 1962; RFC 3078, section 2.1). Compressors are rejected.
 *
 *   option   | 18 | 6 | supported bits 4 |       H stateless, M 56 bits, S 128, L 40, D obsolete, C MPPC (compression)
 *
 * Each end asks for what it wants to receive. We ask for all strengths that are allowed, and the peer naks all but one; pppd ends the link
 * over one that it has not. RRAS rejects the option instead, so each is then asked for alone, the best first. Peers that offer several, or
 * none with H alone, get a Nak with the exact one (Windows and RRAS open on PPTP with H and C).
 */
import { number, word } from './bytes.ts';
import type { ConfigOption } from './packet.ts';
import { type Judgement, type OptionPolicy, sumUp } from './policy.ts';
import { PppProtocol } from './protocol.ts';

const MPPE = 18;

const Bit = {
  stateless: 0x0100_0000,
  strength56: 0x80,
  strength128: 0x40,
  strength40: 0x20,
  obsolete: 0x10,
  compression: 0x01,
} as const;

/** Chosen by us: so often a peer may ask for state that is not allowed. One of RFC 1661's Max-Failure takes what we ask for by then, or rejects it. */
const MOST_STATE_NAKS = 6;

export type MppeStrength = 128 | 56 | 40;

const strengthBits: Readonly<Record<MppeStrength, number>> = {
  128: Bit.strength128,
  56: Bit.strength56,
  40: Bit.strength40,
};

export interface MppeWish {
  /** Without it the link ends, or goes on in the clear. */
  readonly need: 'required' | 'optional';
  /** Allowed ones, the best first. */
  readonly strengths: readonly MppeStrength[];
  /**
   * Whether a key that changes only every 256 packets is allowed too (RFC 3078, section 7.2), for a peer that wants it so: it is weak, and
   * loses packets. `preferred`: we ask for it ourselves, of peers that have nothing else and do not say so.
   */
  readonly stateful: boolean | 'preferred';
}

/** How one direction is encrypted. */
export interface MppeTerms {
  readonly strength: MppeStrength;
  readonly stateless: boolean;
}

export class CcpPolicy implements OptionPolicy {
  readonly protocol = PppProtocol.ccp;
  readonly name = 'CCP';
  /** What we send to the peer is encrypted so; undefined: not at all. */
  send: MppeTerms | undefined;
  readonly #wish: MppeWish;
  /** The peer was asked once to receive with state, and asks for none again: so be it. */
  #insisted = false;
  /** How often the peer would have us receive with state, which is not allowed. */
  #stateNaks = 0;
  /** The strengths that we ask for, the best first, and the rest of it; undefined: we ask for nothing. */
  #ask: { readonly strengths: readonly MppeStrength[]; readonly stateless: boolean } | undefined;
  /** Those to be asked for alone, should the peer reject what we ask for now. */
  #alone: readonly MppeStrength[] = [];

  constructor(wish: MppeWish) {
    if (wish.strengths.length === 0) throw new RangeError('MPPE needs a strength');
    this.#wish = wish;
    this.reset();
  }

  /** What the peer sends to us is encrypted so, once CCP is open. A peer that takes several, as it must not, has taken the best. */
  get receive(): MppeTerms | undefined {
    const [strength] = this.#ask?.strengths ?? [];
    return this.#ask && strength && { strength, stateless: this.#ask.stateless };
  }

  reset(): void {
    this.#insisted = false;
    this.#stateNaks = 0;
    const { strengths, stateful } = this.#wish;
    this.#ask = { strengths, stateless: stateful !== 'preferred' };
    this.#alone = strengths.length > 1 ? strengths : [];
  }

  request(): ConfigOption[] {
    return this.#ask === undefined ? [] : [encodeMppe(this.#ask.strengths, this.#ask.stateless)];
  }

  judge(options: readonly ConfigOption[], mayNak: boolean): Judgement {
    const rejected = options.filter((option) => !isMppe(option));
    const listed = options.filter(isMppe);
    const offer = listed.reduce((bits, { data }) => bits | number(data), 0);
    // Listed more than once, as it must not be (RFC 1661, section 6), it may say two things: an Ack would say yes to both.
    const offered = listed.length > 1 ? undefined : this.#accepted(offer);
    // Where state is preferred, a peer that asks to receive without is asked for it as long as it may be.
    const prefersOther =
      this.#wish.stateful === 'preferred' && offered?.stateless === true && mayNak && !this.#insisted;
    const terms = prefersOther ? undefined : offered;
    const isCompressionAlone = (offer & ~(Bit.compression | Bit.obsolete)) === 0;
    const required = this.#wish.need === 'required';
    const nakked: ConfigOption[] = [];
    if (terms === undefined) {
      if (listed.length > 0 && isCompressionAlone) rejected.push(...listed);
      else if (mayNak && (listed.length > 0 || required)) {
        nakked.push(encodeMppe([this.#betterThan(offer)], !prefersOther));
        this.#insisted = prefersOther;
      } else if (required) return { kind: 'impossible', reason: 'the peer refuses what is allowed' };
      else rejected.push(...listed);
    }
    const judgement = sumUp(rejected, nakked);
    if (judgement.kind === 'ack') this.send = terms;
    return judgement;
  }

  handleNak(options: readonly ConfigOption[]): string | undefined {
    const mppe = options.find(isMppe);
    if (mppe === undefined) return undefined;
    const bits = number(mppe.data);
    const wish = this.#accepted(bits);
    const strength = this.#strengthOf(bits);
    if (wish !== undefined) this.#ask = { strengths: [wish.strength], stateless: wish.stateless };
    // A Nak is what the peer would rather have (RFC 1661, section 5.3). It is asked again, and may do without.
    else if (strength !== undefined && ++this.#stateNaks < MOST_STATE_NAKS)
      this.#ask = { strengths: [strength], stateless: true };
    else if (this.#wish.need === 'required') return `the peer offers what is not allowed, ${this.describe([mppe])}`;
    else this.#ask = undefined;
    return undefined;
  }

  handleReject(): string | undefined {
    const [next, ...rest] = this.#alone;
    if (this.#ask !== undefined && next !== undefined) {
      this.#alone = rest;
      this.#ask = { strengths: [next], stateless: this.#ask.stateless };
      return undefined;
    }
    if (this.#wish.need === 'required') return 'the peer has none';
    this.#ask = undefined;
    return undefined;
  }

  describe(options: readonly ConfigOption[]): string {
    return options
      .map((option) => (isMppe(option) ? describeMppe(number(option.data)) : `option ${option.type}`))
      .join(', ');
  }

  /** The terms that the bits say, if they say one thing and it is allowed. */
  #accepted(bits: number): MppeTerms | undefined {
    const stateless = (bits & Bit.stateless) !== 0;
    const strength = this.#strengthOf(bits);
    return strength === undefined || !(stateless || this.#wish.stateful) ? undefined : { strength, stateless };
  }

  /** The one allowed strength that the bits name, with or without state. */
  #strengthOf(bits: number): MppeStrength | undefined {
    return this.#wish.strengths.find((one) => (bits & ~Bit.stateless) === strengthBits[one]);
  }

  /** Our best that the peer has; where it names no strength of ours, our best. */
  #betterThan(bits: number): MppeStrength {
    const { strengths } = this.#wish;
    return strengths.find((one) => (bits & strengthBits[one]) !== 0) ?? strengths[0] ?? 128;
  }
}

function isMppe({ type, data }: ConfigOption): boolean {
  return type === MPPE && data.length === 4;
}

function encodeMppe(strengths: readonly MppeStrength[], stateless: boolean): ConfigOption {
  const bits = strengths.reduce((sum, one) => sum | strengthBits[one], stateless ? Bit.stateless : 0);
  return { type: MPPE, data: word(bits) };
}

function describeMppe(bits: number): string {
  const words = [
    (bits & Bit.stateless) !== 0 ? 'stateless' : 'stateful',
    (bits & Bit.strength128) !== 0 ? '128' : '',
    (bits & Bit.strength56) !== 0 ? '56' : '',
    (bits & Bit.strength40) !== 0 ? '40' : '',
    (bits & Bit.compression) !== 0 ? 'compression' : '',
  ];
  return `mppe ${words.filter((one) => one !== '').join(' ')}`;
}
