/**
 * UDP between two inner ports of one IPsec peer: what an L2TP tunnel is bound to, so that clients with equal ports and ids behind one
 * NAT do not meet.
 */
import { createPacketBatch, type Endpoint, type PacketBatch } from '@culvert/base';
import { UDP_HEADER_BYTES, writeUdpHeader } from '@culvert/ipsec';
import { checksum, type IpAddress, Protocol, parseAddress, sumWords } from '@culvert/wire';
import type { UdpPath } from '../udp-port.ts';
import type { InnerPorts } from './headers.ts';
import type { IpsecPeer } from './peer.ts';

/** The longest control message of L2TP, and a frame of PPP's own. */
const OWN_BYTES = 4_096;
const CHECKSUM_AT = 6;

export class Carrier {
  readonly peer: IpsecPeer;
  readonly ports: InnerPorts;
  readonly #own = createPacketBatch(1, OWN_BYTES);
  #summedFor: { readonly path: UdpPath; readonly original: string | undefined } | undefined;
  #sum: number | undefined;

  constructor(peer: IpsecPeer, ports: InnerPorts) {
    this.peer = peer;
    this.ports = ports;
  }

  /**
   * Writes UDP's header before each payload, where its batch has UDP_HEADER_BYTES that are nobody's, and sends them. Returns how many
   * were taken; the rest is dropped. Offsets and lengths are used up.
   */
  send(batch: PacketBatch): number {
    const { view, offsets, lengths } = batch;
    const pseudoHeader = this.#pseudoHeader();
    for (let slot = 0; slot < batch.count; slot++) {
      const at = (offsets[slot] ?? 0) - UDP_HEADER_BYTES;
      const length = (lengths[slot] ?? 0) + UDP_HEADER_BYTES;
      writeUdpHeader(view, at, length, this.ports);
      if (pseudoHeader !== undefined)
        view.setUint16(at + CHECKSUM_AT, checksum(view, at, length, pseudoHeader + length) || 0xffff);
      offsets[slot] = at;
      lengths[slot] = length;
    }
    return this.peer.send(batch);
  }

  /** Each packet has a checksum of its own to be made: IPv6 asks for it (RFC 8200, section 8.1). */
  get needsChecksum(): boolean {
    return this.#pseudoHeader() !== undefined;
  }

  /**
   * The sum of the pseudo-header, but for the length. Undefined: IPv4 does without a checksum.
   *
   * Of the addresses that we tell in our own NAT-OA: ours as we have it, the peer's as it has it. By these a peer behind a NAT repairs the
   * checksum, or finds it right as it is (RFC 3948, section 3.1.2).
   */
  #pseudoHeader(): number | undefined {
    const { path, original } = this.peer;
    if (path === this.#summedFor?.path && original === this.#summedFor.original) return this.#sum;
    this.#summedFor = { path, original };
    const local = addressOf(path.local);
    const [seen, own] = [addressOf(path.remote), addressOf({ address: original ?? path.remote.address })];
    const remote = own.version === seen.version ? own : seen;
    const addresses = Buffer.concat([local.bytes, remote.bytes]);
    const view = new DataView(addresses.buffer, addresses.byteOffset, addresses.length);
    this.#sum = remote.version === 6 ? sumWords(view, 0, addresses.length, Protocol.udp) : undefined;
    return this.#sum;
  }

  /** One message of L2TP. */
  sendMessage(message: Uint8Array): void {
    if (message.length > OWN_BYTES - UDP_HEADER_BYTES) return;
    const batch = this.#own;
    batch.arena.set(message, UDP_HEADER_BYTES);
    batch.offsets[0] = UDP_HEADER_BYTES;
    batch.lengths[0] = message.length;
    batch.count = 1;
    this.send(batch);
  }
}

function addressOf({ address }: Pick<Endpoint, 'address'>): IpAddress {
  return parseAddress(address.split('%')[0] ?? '');
}
