/**
 * IPCP's options: addresses, and servers of names (RFC 1332; RFC 1877). A gateway gives them, a client asks. Van Jacobson compression (2)
 * is rejected, as it gains nothing under encryption.
 *
 * Addresses are four bytes here.
 */
import { formatAddress } from '@culvert/wire';
import { hex, sameBytes } from './bytes.ts';
import type { ConfigOption } from './packet.ts';
import { type Judgement, type OptionPolicy, sumUp } from './policy.ts';
import { PppProtocol } from './protocol.ts';

const Option = { address: 3, dns1: 129, nbns1: 130, dns2: 131, nbns2: 132 } as const;
const names: Readonly<Record<number, string>> = {
  1: 'addresses',
  2: 'compression',
  3: 'address',
  129: 'dns',
  130: 'nbns',
  131: 'dns',
  132: 'nbns',
};
const ADDRESS_BYTES = 4;
const none = new Uint8Array(ADDRESS_BYTES);

export interface Ipv4Terms {
  readonly local: Uint8Array;
  /** A client may not be told the gateway's address. */
  readonly peer: Uint8Array | undefined;
  readonly dns: readonly Uint8Array[];
  readonly nbns: readonly Uint8Array[];
}

/** A policy that also says what was agreed, once IPCP is open. */
export interface IpcpPolicy extends OptionPolicy {
  readonly terms: Ipv4Terms;
}

/** Gives the peer `terms.peer` and the servers; its own address is `terms.local`. */
export class IpcpServerPolicy implements IpcpPolicy {
  readonly protocol = PppProtocol.ipcp;
  readonly name = 'IPCP';
  readonly terms: Ipv4Terms & { readonly peer: Uint8Array };
  readonly #given: ReadonlyMap<number, Uint8Array>;
  #tellsOwn = true;

  constructor(terms: Ipv4Terms & { readonly peer: Uint8Array }) {
    this.terms = terms;
    const { peer, dns, nbns } = terms;
    const all: [number, Uint8Array | undefined][] = [
      [Option.address, peer],
      [Option.dns1, dns[0]],
      [Option.nbns1, nbns[0]],
      [Option.dns2, dns[1]],
      [Option.nbns2, nbns[1]],
    ];
    this.#given = new Map(all.filter((entry): entry is [number, Uint8Array] => entry[1] !== undefined));
  }

  reset(): void {
    this.#tellsOwn = true;
  }

  /** Our address alone: macOS rejects name servers in a server's request. */
  request(): ConfigOption[] {
    return this.#tellsOwn ? [{ type: Option.address, data: this.terms.local }] : [];
  }

  judge(options: readonly ConfigOption[], mayNak: boolean): Judgement {
    const rejected: ConfigOption[] = [];
    const nakked: ConfigOption[] = [];
    for (const option of options) {
      const given = option.data.length === ADDRESS_BYTES ? this.#given.get(option.type) : undefined;
      if (given === undefined) rejected.push(option);
      else if (!sameBytes(given, option.data)) {
        if (mayNak) nakked.push({ type: option.type, data: given });
        // To reject its address tells Windows that it gets none.
        else if (option.type === Option.address)
          return { kind: 'impossible', reason: `the peer insists on the address ${text(option)}` };
        else rejected.push(option);
      }
    }
    const asksAddress = options.some(({ type }) => type === Option.address);
    if (!asksAddress && mayNak) nakked.push({ type: Option.address, data: this.terms.peer });
    return sumUp(rejected, nakked);
  }

  /** Our address is what it is. */
  handleNak(): undefined {
    return undefined;
  }

  handleReject(): undefined {
    this.#tellsOwn = false;
    return undefined;
  }

  describe(options: readonly ConfigOption[]): string {
    return describe(options);
  }
}

export interface IpcpClientWish {
  /** The one that we had before. @default whatever the server gives */
  readonly address?: Uint8Array | undefined;
  readonly dns: boolean;
  readonly nbns: boolean;
}

/** Takes what the server gives. */
export class IpcpClientPolicy implements IpcpPolicy {
  readonly protocol = PppProtocol.ipcp;
  readonly name = 'IPCP';
  readonly #wish: IpcpClientWish;
  readonly #asks = new Map<number, Uint8Array>();
  #peer: Uint8Array | undefined;

  constructor(wish: IpcpClientWish) {
    this.#wish = wish;
    this.reset();
  }

  get terms(): Ipv4Terms {
    const told = (...types: number[]) =>
      types
        .map((type) => this.#asks.get(type))
        .filter((server): server is Uint8Array => server !== undefined && isHost(server));
    return {
      local: this.#asks.get(Option.address) ?? none,
      peer: this.#peer,
      dns: told(Option.dns1, Option.dns2),
      nbns: told(Option.nbns1, Option.nbns2),
    };
  }

  reset(): void {
    const { address = none, dns, nbns } = this.#wish;
    this.#asks.clear();
    this.#asks.set(Option.address, address);
    if (dns) this.#asks.set(Option.dns1, none);
    if (nbns) this.#asks.set(Option.nbns1, none);
    if (dns) this.#asks.set(Option.dns2, none);
    if (nbns) this.#asks.set(Option.nbns2, none);
  }

  request(): ConfigOption[] {
    return [...this.#asks].map(([type, data]) => ({ type, data }));
  }

  judge(options: readonly ConfigOption[], _mayNak: boolean): Judgement {
    const isItsAddress = ({ type, data }: ConfigOption) =>
      type === Option.address && data.length === ADDRESS_BYTES && isHost(data);
    const rejected = options.filter((option) => !isItsAddress(option));
    const judgement = sumUp(rejected, []);
    if (judgement.kind === 'ack') this.#peer = options.find(isItsAddress)?.data.slice();
    return judgement;
  }

  handleNak(options: readonly ConfigOption[]): string | undefined {
    for (const option of options) {
      const { type, data } = option;
      if (!this.#asks.has(type) || data.length !== ADDRESS_BYTES) continue;
      if (isHost(data)) this.#asks.set(type, data.slice());
      else if (type === Option.address) return `the server gives ${text(option)} as our address`;
      else this.#asks.delete(type);
    }
    return undefined;
  }

  handleReject(options: readonly ConfigOption[]): string | undefined {
    for (const { type } of options) {
      if (type === Option.address) return 'the server gives no IPv4 address';
      this.#asks.delete(type);
    }
    return undefined;
  }

  describe(options: readonly ConfigOption[]): string {
    return describe(options);
  }
}

/** An address that one host can have: not of 0/8, 127/8, nor multicast and beyond. */
function isHost(address: Uint8Array): boolean {
  const [first = 0] = address;
  return first !== 0 && first !== 127 && first < 224;
}

function describe(options: readonly ConfigOption[]): string {
  return options.map((option) => `${names[option.type] ?? `option ${option.type}`} ${text(option)}`.trim()).join(', ');
}

function text({ data }: ConfigOption): string {
  return data.length === ADDRESS_BYTES ? formatAddress(data) : hex(data);
}
