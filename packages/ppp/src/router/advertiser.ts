/**
 * The gateway's part of address configuration: it tells its peer the prefix, again and when asked (RFC 4861, section 6.2). The peer makes
 * its addresses of it (SLAAC); this is how Windows, macOS and Linux get a global one, as IPV6CP gives link-local ones alone.
 */
import type { Instant, Millis } from '@culvert/base';
import { type Advertisement, decodeSolicitation, encodeAdvertisement, isLinkLocal } from './message.ts';

// Fixed by RFC 4861, section 10.
const MAX_INITIAL: number = 3;
const INITIAL_INTERVAL: Millis = 16_000;
// Chosen by us, as the RFC lets us.
const INTERVAL: Millis = 600_000;
/** In seconds; three times the interval (section 6.2.1). */
export const ROUTER_LIFETIME = 1_800;
/** Questions within so long of an answer stay without one. */
const SHORTEST_INTERVAL: Millis = 500;

export class RouterAdvertiser {
  readonly stats = { malformed: 0 };
  readonly #own: Uint8Array;
  readonly #advertisement: Advertisement;
  readonly #packets: Uint8Array[] = [];
  #sent = 0;
  #deadline: Instant;
  #answered: Instant | undefined;

  /** @param own our link-local address */
  constructor(own: Uint8Array, advertisement: Advertisement, now: Instant) {
    this.#own = own;
    this.#advertisement = advertisement;
    this.#deadline = now;
    this.handleTimeout(now);
  }

  handlePacket(packet: Uint8Array, now: Instant): void {
    const asker = decodeSolicitation(packet);
    if (asker === undefined) {
      this.stats.malformed++;
      return;
    }
    if (this.#answered !== undefined && now - this.#answered < SHORTEST_INTERVAL) return;
    this.#answered = now;
    const to = isLinkLocal(asker) ? asker : undefined;
    this.#packets.push(encodeAdvertisement(this.#own, this.#advertisement, to));
  }

  handleTimeout(now: Instant): void {
    if (now < this.#deadline) return;
    this.#packets.push(encodeAdvertisement(this.#own, this.#advertisement));
    this.#sent++;
    this.#deadline = (now + (this.#sent < MAX_INITIAL ? INITIAL_INTERVAL : INTERVAL)) as Instant;
  }

  pollPacket(): Uint8Array | undefined {
    return this.#packets.shift();
  }
  pollTimeout(): Instant {
    return this.#deadline;
  }
}
