/**
 * IPV6CP's one option: interface identifiers, of which link-local addresses are made (RFC 5072, section 4). They are eight bytes, not
 * zero, and not the same at both ends.
 */
import type { RandomSource } from '@culvert/base';
import { hex, sameBytes } from './bytes.ts';
import type { ConfigOption } from './packet.ts';
import { type Judgement, type OptionPolicy, sumUp } from './policy.ts';
import { PppProtocol } from './protocol.ts';

const INTERFACE_ID = 1;
const INTERFACE_ID_BYTES = 8;
/** Of the first byte: the identifier is unique in the world. Random ones are not (RFC 5072, section 4.1). */
const UNIVERSAL_BIT = 0x02;

export interface Ipv6cpWish {
  /** @default random */
  readonly local?: Uint8Array | undefined;
  /** The peer shall have this one. @default whatever it wants */
  readonly peer?: Uint8Array | undefined;
}

export class Ipv6cpPolicy implements OptionPolicy {
  readonly protocol = PppProtocol.ipv6cp;
  readonly name = 'IPV6CP';
  local: Uint8Array;
  /** Of the peer, once its request is acknowledged. Zero where it told none. */
  peer: Uint8Array = new Uint8Array(INTERFACE_ID_BYTES);
  readonly #wish: Ipv6cpWish;
  readonly #random: RandomSource;

  constructor(wish: Ipv6cpWish, random: RandomSource) {
    this.#wish = wish;
    this.#random = random;
    this.local = wish.local ?? this.#randomId();
  }

  /** The identifier stays: addresses may have been made of it. */
  reset(): void {}

  request(): ConfigOption[] {
    return [{ type: INTERFACE_ID, data: this.local }];
  }

  judge(options: readonly ConfigOption[], mayNak: boolean): Judgement {
    const isId = ({ type, data }: ConfigOption) => type === INTERFACE_ID && data.length === INTERFACE_ID_BYTES;
    const rejected = options.filter((option) => !isId(option));
    const told = options.find(isId);
    const nakked: ConfigOption[] = [];
    if (told === undefined || !this.#isRight(told.data)) {
      if (mayNak) nakked.push({ type: INTERFACE_ID, data: this.#wish.peer ?? this.#randomId() });
      else if (told !== undefined)
        return { kind: 'impossible', reason: `the peer insists on the interface id ${hex(told.data)}` };
    }
    const judgement = sumUp(rejected, nakked);
    if (judgement.kind === 'ack' && told !== undefined) this.peer = told.data.slice();
    return judgement;
  }

  handleNak(options: readonly ConfigOption[]): string | undefined {
    const wish = options.find(({ type, data }) => type === INTERFACE_ID && data.length === INTERFACE_ID_BYTES)?.data;
    if (wish === undefined) return undefined;
    this.local = isZero(wish) ? this.#randomId() : wish.slice();
    return undefined;
  }

  handleReject(): string | undefined {
    return 'the peer has no interface identifiers';
  }

  describe(options: readonly ConfigOption[]): string {
    return options
      .map(({ type, data }) => `${type === INTERFACE_ID ? 'interface-id' : `option ${type}`} ${hex(data)}`)
      .join(', ');
  }

  #isRight(id: Uint8Array): boolean {
    if (this.#wish.peer !== undefined) return sameBytes(id, this.#wish.peer);
    return !isZero(id) && !sameBytes(id, this.local);
  }

  #randomId(): Uint8Array {
    const id = this.#random.bytes(INTERFACE_ID_BYTES);
    id[0] = (id[0] ?? 0) & ~UNIVERSAL_BIT;
    id[7] = (id[7] ?? 0) | 1;
    return id;
  }
}

function isZero(id: Uint8Array): boolean {
  return id.every((byte) => byte === 0);
}
