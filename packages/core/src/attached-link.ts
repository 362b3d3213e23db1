import type { Instant, PacketBatch } from '@culvert/base';
import type { PacketHeaders } from '@culvert/wire';
import type { InnerAddress, Link } from './contracts.ts';
import { createLinkCounters, type LinkCounters } from './counters.ts';
import type { ElsewhereLink } from './elsewhere.ts';
import { ShareUse } from './fair-share.ts';
import type { LinkFilter } from './link-filter.ts';
import { type AddressWords, addressWords, maskWord, type NetworkWords, networkAround } from './network-words.ts';
import { SecondLimit } from './second-limit.ts';

/** IP and TCP headers without options (RFC 6691). */
const TCP_IPV4_HEADERS = 40;
const TCP_IPV6_HEADERS = 60;

/** Chosen: enough for every flow that starts within a second, too few to serve as an amplifier. */
const ERRORS_A_SECOND = 32;
/** Chosen: of errors about packets that pass all the same, apart from the others. One a batch, so that one flow does not have them all at once. */
const HINTS_A_SECOND = 8;

/** A link's end of one inner network. */
export class InnerEnd {
  readonly address: AddressWords;
  readonly gateway: AddressWords;
  readonly network: NetworkWords;

  /** Throws WireError. */
  constructor(inner: InnerAddress) {
    this.address = addressWords(inner.address);
    this.gateway = addressWords(inner.gateway);
    this.network = networkAround(this.address, inner.prefix);
  }

  /** Whether the destination lies in the inner network, the gateway's own address aside. */
  holdsPeer(h: PacketHeaders): boolean {
    const { network: n, gateway: g } = this;
    const inside =
      ((h.destination0 ^ n.a) & maskWord(n.prefix, 0)) === 0 &&
      ((h.destination1 ^ n.b) & maskWord(n.prefix, 1)) === 0 &&
      ((h.destination2 ^ n.c) & maskWord(n.prefix, 2)) === 0 &&
      ((h.destination3 ^ n.d) & maskWord(n.prefix, 3)) === 0;
    if (!inside) return false;
    return h.destination0 !== g.a || h.destination1 !== g.b || h.destination2 !== g.c || h.destination3 !== g.d;
  }
}

/** A link in the core: what its configuration means for packets, its filter and its counts. */
export class AttachedLink {
  readonly slot: number;
  readonly link: Link;
  readonly counters: LinkCounters = createLinkCounters();
  /** Networks that lead to this link: its own addresses or networks, and what lies behind it. */
  claims: readonly NetworkWords[] = [];
  ipv4: InnerEnd | undefined;
  ipv6: InnerEnd | undefined;
  mtu = 0;
  /** The largest packet that leaves as one outer packet, at most `mtu`. */
  whole = 0;
  maximumSegmentIpv4 = 0;
  maximumSegmentIpv6 = 0;
  filter: LinkFilter | undefined;
  /** The same link, where it is another thread's. It has no filter here and takes packets of any size. */
  elsewhere: ElsewhereLink | undefined;
  /** What came for it from the device of late. */
  readonly share = new ShareUse();
  lastActive: Instant;
  attached = true;
  /** The core asked it to close. */
  closing = false;
  /** Which `LinkGroups` it was last put into, and where there. */
  groups: object | undefined;
  group = 0;
  readonly #errors = new SecondLimit(ERRORS_A_SECOND);
  readonly #hints = new SecondLimit(HINTS_A_SECOND);
  #hintedAt: Instant | undefined;

  constructor(slot: number, link: Link, now: Instant) {
    this.slot = slot;
    this.link = link;
    this.lastActive = now;
  }

  setMtu(mtu: number): void {
    this.mtu = mtu;
    this.measure();
  }

  /** The transport may have learnt what its path takes, which may be another by now. Costs less than a system call and more than a field. */
  measure(): void {
    const whole = Math.min(this.mtu, this.link.unfragmented ?? this.mtu);
    this.whole = whole;
    this.maximumSegmentIpv4 = whole - TCP_IPV4_HEADERS;
    this.maximumSegmentIpv6 = whole - TCP_IPV6_HEADERS;
  }

  end(version: number): InnerEnd | undefined {
    return version === 4 ? this.ipv4 : this.ipv6;
  }

  /** Sends, whatever the transport does: one link's fault must not cost the others their packets. */
  send(batch: PacketBatch): void {
    try {
      this.link.send(batch);
    } catch {
      this.counters.dropped.sendFailed += batch.count;
    }
    this.measure();
  }

  /** Whether one more ICMP error may be sent on this link's account now. */
  mayComplain(now: Instant): boolean {
    return this.#errors.take(now);
  }

  /** Whether one more may be sent about a packet that passes. `now` is the same for all of a batch. */
  mayHint(now: Instant): boolean {
    if (now === this.#hintedAt || !this.#hints.take(now)) return false;
    this.#hintedAt = now;
    return true;
  }
}
