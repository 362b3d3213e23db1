/**
 * The client's part of address configuration: asks for routers, and makes an address of the prefix that one tells (RFC 4861, section
 * 6.3.7; RFC 4862, section 5.5.3). The interface identifier is the one of IPV6CP, whose other end is the only other node of the link:
 * there is no duplicate to detect.
 */
import type { Instant, Millis } from '@culvert/base';
import { sameBytes } from '../bytes.ts';
import { decodeAdvertisement, decodeSolicitation, encodeSolicitation, type Prefix } from './message.ts';

// Fixed by RFC 4861, section 10.
const MAX_SOLICITATIONS = 3;
const SOLICITATION_INTERVAL: Millis = 4_000;
/** Interface identifiers fill the other half (RFC 4862, section 5.5.3 d). */
const PREFIX_BITS = 64;
/** IPv6 has no smaller MTU (RFC 8200, section 5). */
const SMALLEST_MTU = 1_280;

export interface HostConfig {
  readonly address: Uint8Array;
  readonly prefix: number;
  /** Link-local. */
  readonly router: Uint8Array;
  readonly mtu: number | undefined;
  readonly nameServers: readonly Uint8Array[];
}

export class AddressConfiguration {
  readonly stats = { malformed: 0 };
  readonly #own: Uint8Array;
  readonly #packets: Uint8Array[] = [];
  #config: HostConfig | undefined;
  #asked = 0;
  #deadline: Instant | undefined;

  /** @param own our link-local address */
  constructor(own: Uint8Array, now: Instant) {
    this.#own = own;
    this.#deadline = now;
    this.handleTimeout(now);
  }

  /** What the router tells now; undefined: nothing yet, or it took its prefix back. */
  get config(): HostConfig | undefined {
    return this.#config;
  }

  handlePacket(packet: Uint8Array): void {
    const heard = decodeAdvertisement(packet);
    if (heard === undefined) {
      // Hosts at both ends ask.
      if (decodeSolicitation(packet) === undefined) this.stats.malformed++;
      return;
    }
    const { router, advertisement } = heard;
    const prefix = advertisement.prefixes.find(isUsable);
    if (prefix === undefined) {
      if (advertisement.prefixes.some((one) => this.#isTakenBack(one))) this.#config = undefined;
      return;
    }
    this.#deadline = undefined;
    const address = prefix.prefix.slice();
    address.set(this.#own.subarray(8), 8);
    const { mtu, nameServers } = advertisement;
    const usableMtu = mtu !== undefined && mtu >= SMALLEST_MTU ? mtu : undefined;
    this.#config = { address, prefix: PREFIX_BITS, router, mtu: usableMtu, nameServers };
  }

  handleTimeout(now: Instant): void {
    if (this.#deadline === undefined || now < this.#deadline) return;
    this.#packets.push(encodeSolicitation(this.#own));
    this.#asked++;
    this.#deadline = this.#asked < MAX_SOLICITATIONS ? ((now + SOLICITATION_INTERVAL) as Instant) : undefined;
  }

  pollPacket(): Uint8Array | undefined {
    return this.#packets.shift();
  }
  pollTimeout(): Instant | undefined {
    return this.#deadline;
  }

  /**
   * At once: the two hours for which hosts keep the address all the same (RFC 4862, section 5.5.3 e) are against other nodes that speak for
   * the router, and this link has none.
   */
  #isTakenBack({ prefix, bits, valid, autonomous }: Prefix): boolean {
    const ours = this.#config?.address.subarray(0, PREFIX_BITS / 8);
    if (ours === undefined || !autonomous || bits !== PREFIX_BITS || valid > 0) return false;
    return sameBytes(ours, prefix.subarray(0, PREFIX_BITS / 8));
  }
}

/** Global unicast and unique local ones; a lifetime of zero takes a prefix back. */
function isUsable({ prefix, bits, valid, autonomous }: Prefix): boolean {
  const [first = 0] = prefix;
  return autonomous && bits === PREFIX_BITS && valid > 0 && first !== 0 && first < 0xfe;
}
