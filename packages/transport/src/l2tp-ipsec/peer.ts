/** One peer's conversation over IPsec: its SAs, where it is, and what it is sent by. L2TP takes it for its carrier. */
import type { CloseReason, Instant, PacketBatch } from '@culvert/base';
import type { EspFraming } from '@culvert/cipher';
import { type LinkStats, ShareUse } from '@culvert/core';
import type { SaChain } from '@culvert/ipsec';
import type { Outbox } from '../outbox.ts';
import { type UdpPath, UdpPort } from '../udp-port.ts';

/** What phase 1 told of it, as text: for facts and logs. */
export interface Phase1Facts {
  readonly ike: string;
  readonly identity: string;
  readonly nat: boolean;
}

/** Takes the inner packets of one call straight from ESP. */
export interface InnerReceiver {
  /** What its packets begin with. */
  readonly headers: EspFraming;
  /** Where they are opened to. Others use it, too, so it is filled and given in one go. */
  readonly batch: PacketBatch;
  /** Bits of cipher's `Join`. */
  readonly join: number;
  /** So many packets of so many bytes are in `batch`. */
  receive(packets: number, bytes: number): void;
  /** So many were lost unopened, as more than the peer's share of what came. */
  lose(packets: number): void;
}

export class IpsecPeer {
  readonly chain: SaChain;
  readonly facts: Phase1Facts;
  /** What came from it of late. */
  readonly inbound = new ShareUse();
  /** The peer can be sent to, or was. */
  ready = false;
  /** Why it ends, where that is known before its SAs are gone. */
  reason: CloseReason | undefined;
  /** Changes of its keys that come to nothing before are not told of. */
  tellAt = Number.NEGATIVE_INFINITY as Instant;
  /** Undefined: everything goes through L2TP. */
  receiver: InnerReceiver | undefined;
  /** Its address before NAT, as its latest NAT-OA said it (RFC 3947, section 5.2), where it said one. */
  original: string | undefined;
  readonly #onSent: (child: number, bytes: number) => void;
  /** For ESP in UDP, and as IP protocol 50 where that can be sent. */
  readonly #inUdp = UdpPort.outboxFor(() => this.#path);
  readonly #bare: Outbox | undefined;
  #path: UdpPath;

  constructor(options: {
    readonly chain: SaChain;
    readonly facts: Phase1Facts;
    readonly path: UdpPath;
    /** For ESP outside of UDP. */
    readonly bare: Outbox | undefined;
    /** So many bytes of ESP left by this child. */
    readonly onSent: (child: number, bytes: number) => void;
  }) {
    this.chain = options.chain;
    this.facts = options.facts;
    this.#path = options.path;
    this.#bare = options.bare;
    this.#onSent = options.onSent;
  }

  /** Where its ESP goes. */
  get path(): UdpPath {
    return this.#path;
  }

  move(path: UdpPath): void {
    this.#path = path;
  }

  /** Seals the UDP packets of `batch`. Returns how many were taken; the rest is dropped. */
  send(batch: PacketBatch): number {
    return this.#send(batch, undefined, undefined);
  }

  /** Seals the inner packets of `batch`, each behind these headers. Packets that are not taken are dropped and counted. */
  sendInner(batch: PacketBatch, headers: EspFraming, stats: LinkStats): void {
    stats.droppedOut += batch.count - this.#send(batch, headers, stats);
  }

  #send(batch: PacketBatch, headers: EspFraming | undefined, stats: LinkStats | undefined): number {
    const pair = this.chain.sending;
    const outbox = pair?.sa.udpEncapsulated === false ? this.#bare : this.#inUdp;
    let first = 0;
    let bytes = 0;
    for (let room = true; pair !== undefined && room && first < batch.count; ) {
      const out = outbox?.open();
      if (outbox === undefined || out === undefined) break;
      const [from, used, before] = [out.count, out.used, first];
      first = headers === undefined ? pair.seal(batch, first, out) : pair.sealFramed(batch, first, out, headers);
      bytes += out.used - used;
      if (stats !== undefined) count(stats, out, from);
      if (out.count > from) outbox.commit(from);
      // What not even an empty batch takes: its sequence numbers are spent.
      else if (from === 0 && first === before) break;
      if (first < batch.count) room = outbox.makeRoom();
    }
    if (pair !== undefined && bytes > 0) this.#onSent(pair.child, bytes);
    return first;
  }
}

/** The tags of what was sealed behind headers are the lengths of the inner packets. */
function count(stats: LinkStats, { tags, count: end }: PacketBatch, from: number): void {
  stats.packetsOut += end - from;
  for (let slot = from; slot < end; slot++) stats.bytesOut += tags[slot] ?? 0;
}
