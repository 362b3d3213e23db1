/**
 * LCP's options: what each end can take, and how the peer shall prove itself (RFC 1661, section 6; RFC 1662, section 7).
 *
 * The peer's request says what it takes, and what we shall prove; ours likewise. Everything else, callback (13), multilink (17, 18, 19),
 * 22 and 23 among it, is rejected: Windows then goes on without.
 */
import type { RandomSource } from '@culvert/base';
import { AuthDemands, nameOfAuthentication } from './auth/demands.ts';
import { hex, number, sameBytes, word } from './bytes.ts';
import type { ConfigOption } from './packet.ts';
import { type Judgement, type OptionPolicy, sumUp } from './policy.ts';
import { PppProtocol } from './protocol.ts';

const Option = {
  mru: 1,
  asyncMap: 2,
  authentication: 3,
  magic: 5,
  protocolCompression: 7,
  addressCompression: 8,
} as const;

const names: Readonly<Record<number, string>> = {
  1: 'mru',
  2: 'asyncmap',
  3: 'authentication',
  4: 'quality',
  5: 'magic',
  7: 'pfc',
  8: 'acfc',
  9: 'fcs-alternatives',
  13: 'callback',
  17: 'mrru',
  18: 'short-sequence',
  19: 'endpoint',
  23: 'link-discriminator',
};

// Fixed by RFC 1661, section 6.1.
export const DEFAULT_MRU = 1_500;
/** Every control character is escaped (RFC 1662, section 7.1). */
export const DEFAULT_ASYNC_MAP = 0xffff_ffff;
// Chosen by us.
/** Below it a link carries nothing useful (pppd's MINMRU). */
const SMALLEST_MRU = 128;
/** The same magic number so often is our own voice. By chance it is once in 2^32. */
const MOST_LOOPS = 5;
const MAGIC_BYTES = 4;

/** An authentication protocol as LCP's option 3 names it. */
export interface AuthName {
  /** For people: "mschapv2". */
  readonly name: string;
  readonly protocol: number;
  /** CHAP's algorithm: 5 MD5, 0x81 MS-CHAPv2. */
  readonly algorithm?: number | undefined;
}

export interface LcpPolicyOptions {
  readonly random: RandomSource;
  /** The largest packet that we take, in bytes. */
  readonly mru: number;
  /** Ask for frames without address, control and the protocol's first byte. */
  readonly compressFields: boolean;
  /** Of an asynchronous line: the control characters that the peer must escape. */
  readonly asyncMap?: number | undefined;
  /** The peer shall prove itself by one of these, the first that it can. Empty: it need not. */
  readonly require: readonly AuthName[];
  /** By these we can prove ourselves, the best first. */
  readonly prove: readonly AuthName[];
}

/** What one end asked for and the other acknowledged. */
export interface LcpTerms {
  readonly mru: number;
  readonly asyncMap: number;
  readonly authentication: AuthName | undefined;
  readonly protocolCompression: boolean;
  readonly addressCompression: boolean;
}

const nothing: LcpTerms = {
  mru: DEFAULT_MRU,
  asyncMap: DEFAULT_ASYNC_MAP,
  authentication: undefined,
  protocolCompression: false,
  addressCompression: false,
};

export class LcpPolicy implements OptionPolicy {
  readonly protocol = PppProtocol.lcp;
  readonly name = 'LCP';
  /** What the peer takes, and how we shall prove ourselves. */
  peer: LcpTerms = nothing;
  /** In our own packets; 0 where the peer has no magic numbers. */
  magic = 0;
  /** How the peer would have us prove ourselves, and we do not. */
  readonly demands: AuthDemands;
  readonly #options: LcpPolicyOptions;
  readonly #dropped = new Set<number>();
  #mru: number;
  #left: readonly AuthName[] = [];
  #loops = 0;

  constructor(options: LcpPolicyOptions) {
    this.#options = options;
    this.#mru = options.mru;
    const { prove } = options;
    const allowed = prove.map((auth) => nameOfAuthentication(encodeAuth(auth)));
    this.demands = new AuthDemands(prove.length > 0 ? 'the server' : 'the peer', allowed);
    this.reset();
  }

  /** How the peer shall prove itself. */
  get required(): AuthName | undefined {
    return this.#left[0];
  }

  /** The largest packet that the peer may send. */
  get mru(): number {
    return this.#dropped.has(Option.mru) ? DEFAULT_MRU : this.#mru;
  }

  reset(): void {
    this.#dropped.clear();
    this.#mru = this.#options.mru;
    this.#left = this.#options.require;
    this.#newMagic();
  }

  request(): ConfigOption[] {
    const { compressFields, asyncMap } = this.#options;
    const auth = this.required;
    const all: (ConfigOption | undefined)[] = [
      { type: Option.mru, data: Uint8Array.of(this.#mru >>> 8, this.#mru) },
      asyncMap === undefined ? undefined : { type: Option.asyncMap, data: word(asyncMap) },
      auth === undefined ? undefined : { type: Option.authentication, data: encodeAuth(auth) },
      { type: Option.magic, data: word(this.magic) },
      compressFields ? { type: Option.protocolCompression, data: new Uint8Array(0) } : undefined,
      compressFields ? { type: Option.addressCompression, data: new Uint8Array(0) } : undefined,
    ];
    return all.filter((option) => option !== undefined && !this.#dropped.has(option.type)) as ConfigOption[];
  }

  judge(options: readonly ConfigOption[], mayNak: boolean): Judgement {
    const rejected: ConfigOption[] = [];
    const nakked: ConfigOption[] = [];
    const terms: { -readonly [Term in keyof LcpTerms]: LcpTerms[Term] } = { ...nothing };
    const nakOrReject = (option: ConfigOption, better: Uint8Array): void => {
      if (mayNak) nakked.push({ type: option.type, data: better });
      else rejected.push(option);
    };
    if (this.magic !== 0 && options.some((option) => isMagic(option) && number(option.data) === this.magic)) {
      return this.#judgeOwnVoice();
    }
    for (const option of options) {
      const { type, data } = option;
      const value = number(data);
      if (type === Option.mru && data.length === 2) {
        if (value < SMALLEST_MRU) nakOrReject(option, Uint8Array.of(DEFAULT_MRU >>> 8, DEFAULT_MRU & 0xff));
        else terms.mru = value;
      } else if (type === Option.asyncMap && data.length === 4) {
        terms.asyncMap = value;
      } else if (type === Option.authentication && data.length >= 2) {
        terms.authentication = this.#judgeDemand(data);
        const [best] = this.#options.prove;
        if (best === undefined) rejected.push(option);
        else if (terms.authentication === undefined) nakOrReject(option, encodeAuth(best));
      } else if (isMagic(option)) {
        if (value === 0) nakOrReject(option, this.#randomMagic());
      } else if (type === Option.protocolCompression && data.length === 0) {
        terms.protocolCompression = true;
      } else if (type === Option.addressCompression && data.length === 0) {
        terms.addressCompression = true;
      } else {
        rejected.push(option);
      }
    }
    const judgement = sumUp(rejected, nakked);
    if (judgement.kind === 'ack') this.peer = terms;
    return judgement;
  }

  handleNak(options: readonly ConfigOption[]): string | undefined {
    for (const { type, data } of options) {
      if (type === Option.mru && data.length === 2) this.#changeMru(number(data));
      else if (type === Option.magic) this.#newMagic();
      else if (type === Option.authentication && this.required !== undefined) {
        const reason = this.#changeAuth(data);
        if (reason !== undefined) return reason;
      }
      // Other values are what they are, and options that we do not ask for stay out.
    }
    return undefined;
  }

  handleReject(options: readonly ConfigOption[]): string | undefined {
    for (const { type } of options) {
      if (type === Option.authentication) return 'the peer refuses to authenticate itself';
      if (type === Option.magic) this.magic = 0;
      this.#dropped.add(type);
    }
    return undefined;
  }

  describe(options: readonly ConfigOption[]): string {
    return options.map(describeOption).join(', ');
  }

  /** Whatever else we hear is ours too, and not to be judged. */
  #judgeOwnVoice(): Judgement {
    if (++this.#loops >= MOST_LOOPS) return { kind: 'impossible', reason: 'the line is looped back' };
    return { kind: 'nak', options: [{ type: Option.magic, data: this.#randomMagic() }] };
  }

  /** How we prove ourselves where the peer asks for `demand`; undefined: not so. */
  #judgeDemand(demand: Uint8Array): AuthName | undefined {
    const found = this.#options.prove.find((auth) => sameBytes(encodeAuth(auth), demand));
    if (found === undefined) this.demands.refuse(nameOfAuthentication(demand));
    else this.demands.accept();
    return found;
  }

  /** We must be able to take 1,500 bytes in any case (RFC 1661, section 6.1), so a peer that wants that gets it (RRAS does). */
  #changeMru(mru: number): void {
    if (mru >= SMALLEST_MRU && mru <= Math.max(DEFAULT_MRU, this.#options.mru)) this.#mru = mru;
  }

  /** What the peer would rather have, if we allow it; else our next. What was refused is not asked for again. */
  #changeAuth(wish: Uint8Array): string | undefined {
    const others = this.#left.slice(1);
    const wished = others.find((auth) => sameBytes(encodeAuth(auth), wish));
    this.#left = wished === undefined ? others : [wished, ...others.filter((auth) => auth !== wished)];
    if (this.#left.length > 0) return undefined;
    return `the peer knows no way to authenticate itself that is allowed here: it would have ${nameOfAuthentication(wish)}`;
  }

  #newMagic(): void {
    this.magic = number(this.#randomMagic());
  }

  /** Neither zero nor our own. */
  #randomMagic(): Uint8Array {
    let value = number(this.#options.random.bytes(MAGIC_BYTES));
    while (value === 0 || value === this.magic) value = (value + 1) % 2 ** 32;
    return word(value);
  }
}

function isMagic({ type, data }: ConfigOption): boolean {
  return type === Option.magic && data.length === MAGIC_BYTES;
}

function encodeAuth({ protocol, algorithm }: AuthName): Uint8Array {
  const name = [protocol >>> 8, protocol & 0xff];
  return Uint8Array.from(algorithm === undefined ? name : [...name, algorithm]);
}

function describeOption({ type, data }: ConfigOption): string {
  const name = names[type] ?? `option ${type}`;
  if (data.length === 0) return name;
  if (type === Option.mru || type === 17) return `${name} ${number(data)}`;
  if (type === Option.magic) return name;
  return `${name} ${hex(data)}`;
}
