/** One pair of SAs, in transport mode for UDP or in tunnel mode: its keys, its sequence numbers, its replay window. */
import type { Instant, PacketBatch } from '@culvert/base';
import { createEspKey, ESP_INNER_IP, type EspFraming, type EspKey, EspReplayWindow } from '@culvert/cipher';
import type { ChildSa } from '../child-sa.ts';
import type { ChildId } from '../ike/v1/machine/face.ts';
import { UDP_PROTOCOL } from './datagram.ts';
import type { SaChain } from './sa-chain.ts';

/** No packet has a higher sequence number (RFC 4303, section 3.3.3). */
const LAST_SEQUENCE = 0xffff_ffff;
/** A quarter of the numbers is left then. */
const WORN = 0xc000_0000;

export interface SaPairOptions {
  readonly child: ChildId;
  readonly sa: ChildSa;
  readonly chain: SaChain;
  readonly implementation?: 'native' | 'portable' | undefined;
  /** Sequence numbers that were used. @default 0 */
  readonly sent?: number;
  /** Its sequence numbers run out, later are spent: it needs one in its place. */
  onWear(state: 'worn' | 'spent'): void;
}

export class SaPair {
  readonly child: ChildId;
  readonly sa: ChildSa;
  readonly chain: SaChain;
  readonly #inbound: EspKey;
  readonly #outbound: EspKey;
  readonly #replay: EspReplayWindow;
  readonly #nextHeader: number;
  readonly #onWear: SaPairOptions['onWear'];
  /** The peer can receive by it. */
  ready = false;
  /** Deleted: it receives what is on its way until then, and sends nothing. */
  until: Instant | undefined;
  #sent: number;
  #spent = false;

  constructor({ child, sa, chain, implementation, sent = 0, onWear }: SaPairOptions) {
    this.#sent = sent;
    this.#onWear = onWear;
    this.child = child;
    this.sa = sa;
    this.chain = chain;
    const { algorithms, esn, mode } = sa;
    this.#nextHeader = mode === 'tunnel' ? ESP_INNER_IP : UDP_PROTOCOL;
    const common = { algorithms, esn, ...(implementation !== undefined && { implementation }) };
    this.#replay = new EspReplayWindow({ esn });
    this.#inbound = createEspKey({ ...common, keys: sa.inbound });
    this.#outbound = createEspKey({ ...common, keys: sa.outbound });
  }

  get implementation(): 'native' | 'portable' {
    return this.#inbound.implementation;
  }

  /** The highest sequence number that came. */
  get highest(): number {
    return this.#replay.highest;
  }

  /** Opens packets of its SPI; see `EspKey.open`. What comes out is UDP, or IP packets, whose selectors are not checked yet. */
  open(src: PacketBatch, first: number, count: number, dst: PacketBatch, report: Uint32Array): number {
    return this.#inbound.open(src, first, count, dst, this.#replay, this.#nextHeader, report);
  }

  /** As `open`, for IP packets behind headers that include UDP's; see `EspKey.openFramed`. */
  openFramed(
    src: PacketBatch,
    first: number,
    count: number,
    dst: PacketBatch,
    others: PacketBatch,
    report: Uint32Array,
    framing: EspFraming,
    join: number,
  ): number {
    return this.#inbound.openFramed(src, first, count, dst, others, this.#replay, UDP_PROTOCOL, report, framing, join);
  }

  /** Seals UDP, or IP packets; see `EspKey.seal`. Once its sequence numbers are spent it takes nothing. */
  seal(src: PacketBatch, first: number, dst: PacketBatch): number {
    if (this.#isSpent(src.count - first)) return first;
    const slots = dst.count;
    const next = this.#outbound.seal(src, first, dst, this.#sent + 1, this.#nextHeader);
    this.#handleSent(dst.count - slots);
    return next;
  }

  /** As `seal`, for IP packets that get headers with UDP's among them; see `EspKey.sealFramed`. */
  sealFramed(src: PacketBatch, first: number, dst: PacketBatch, framing: EspFraming): number {
    const slots = dst.count;
    if (this.#isSpent(src.virtio === true ? dst.offsets.length - slots : src.count - first)) return first;
    const next = this.#outbound.sealFramed(src, first, dst, this.#sent + 1, UDP_PROTOCOL, framing);
    this.#handleSent(dst.count - slots);
    return next;
  }

  close(): void {
    this.#inbound.close();
    this.#outbound.close();
  }

  /** Whether so many packets might not have a number. */
  #isSpent(packets: number): boolean {
    if (this.#sent + packets <= LAST_SEQUENCE) return false;
    if (!this.#spent) this.#onWear('spent');
    this.#spent = true;
    return true;
  }

  #handleSent(packets: number): void {
    const before = this.#sent;
    this.#sent += packets;
    if (before < WORN && this.#sent >= WORN) this.#onWear('worn');
  }
}
