/** What may come out of a security association in tunnel mode (RFC 4301, section 5.2, step 4). Read where it lies. */
import { parseNetwork } from '@culvert/wire';
import type { ChildSa, TrafficSelector } from '../child-sa.ts';

interface Selector {
  readonly version: 4 | 6;
  readonly bytes: Uint8Array;
  readonly prefix: number;
  readonly protocol: number;
  readonly port: number;
}

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP = 6;
const UDP = 17;

/** The selectors of a pair, made ready for many packets. */
export class TunnelSelectors {
  readonly #local: Selector;
  readonly #remote: Selector;

  /** Throws WireError for a network that is none. */
  constructor({ local, remote }: Pick<ChildSa, 'local' | 'remote'>) {
    this.#local = selectorOf(local);
    this.#remote = selectorOf(remote);
  }

  /**
   * Whether the IP packet of `length` bytes at `at` comes from the peer's network and goes to ours, with the protocol and ports that were
   * agreed. Where ports count, fragments and packets with extension headers do not pass: theirs cannot be told.
   */
  matches(view: DataView, at: number, length: number): boolean {
    const version = length > 0 ? view.getUint8(at) >> 4 : 0;
    if (version !== this.#local.version || version !== this.#remote.version) return false;
    return version === 4 ? this.#matchesIpv4(view, at, length) : this.#matchesIpv6(view, at, length);
  }

  #matchesIpv4(view: DataView, at: number, length: number): boolean {
    if (length < IPV4_BYTES) return false;
    const header = 4 * (view.getUint8(at) & 15);
    if (header < IPV4_BYTES || header > length || view.getUint16(at + 2) > length) return false;
    if (!isWithin(this.#remote, view, at + 12) || !isWithin(this.#local, view, at + 16)) return false;
    const isFragment = (view.getUint16(at + 6) & 0x3fff) !== 0;
    return this.#matchesUpper(view, at + header, length - header, view.getUint8(at + 9), isFragment);
  }

  #matchesIpv6(view: DataView, at: number, length: number): boolean {
    if (length < IPV6_BYTES || IPV6_BYTES + view.getUint16(at + 4) > length) return false;
    if (!isWithin(this.#remote, view, at + 8) || !isWithin(this.#local, view, at + 24)) return false;
    return this.#matchesUpper(view, at + IPV6_BYTES, length - IPV6_BYTES, view.getUint8(at + 6), false);
  }

  #matchesUpper(view: DataView, at: number, length: number, protocol: number, isFragment: boolean): boolean {
    const [local, remote] = [this.#local, this.#remote];
    for (const { protocol: wanted } of [local, remote]) if (wanted !== 0 && wanted !== protocol) return false;
    if (local.port === 0 && remote.port === 0) return true;
    if (isFragment || length < 4 || (protocol !== TCP && protocol !== UDP)) return false;
    const [source, destination] = [view.getUint16(at), view.getUint16(at + 2)];
    return (remote.port === 0 || remote.port === source) && (local.port === 0 || local.port === destination);
  }
}

function selectorOf({ network, protocol, port }: TrafficSelector): Selector {
  const { address, prefix } = parseNetwork(network);
  return { version: address.version, bytes: address.bytes, prefix, protocol, port };
}

/** Whether the address at `at` lies in the selector's network. */
function isWithin({ bytes, prefix }: Selector, view: DataView, at: number): boolean {
  for (let bit = 0; bit < prefix; bit += 8) {
    const mask = prefix - bit >= 8 ? 0xff : (0xff << (8 - (prefix - bit))) & 0xff;
    if (((view.getUint8(at + bit / 8) ^ (bytes[bit / 8] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}
