/**
 * The receiving half of the control channel's reliability: order, duplicates, and the acknowledgements that we owe (openvpn reliable.c).
 */
import type { Opcode } from './opcode.ts';

// Fixed by openvpn.
/** Packets ahead of the next in order that are kept (ssl_pkt.h TLS_RELIABLE_N_REC_BUFFERS). */
const WINDOW = 12;
/** SoftEther takes no more in a packet that carries data, and eight in an ACK_V1. */
const ACKS_ON_DATA = 4;
const ACKS_ALONE = 8;

export interface IncomingPacket {
  readonly opcode: Opcode;
  readonly payload: Uint8Array;
}

export class ReliableReceiver {
  duplicates = 0;
  #nextId: number;
  readonly #early = new Map<number, IncomingPacket>();
  /** Owed, in order of arrival. */
  #owed: number[] = [];
  /** Sent lately, newest first: they ride again where there is room, since an acknowledgement may be lost. */
  #recent: number[] = [];

  /** @param firstId 1 where packet 0 was taken without us. */
  constructor(firstId = 0) {
    this.#nextId = firstId;
  }

  /**
   * Take a packet. The payload of the next in order is borrowed: poll it before anything else; that of a later one is copied.
   * Beyond the window it is neither kept nor acknowledged, so that the peer sends it again.
   */
  accept(id: number, packet: IncomingPacket): 'new' | 'duplicate' | 'outside' {
    if (id >= this.#nextId + WINDOW) return 'outside';
    this.owe(id);
    if (id < this.#nextId || this.#early.has(id)) {
      this.duplicates++;
      return 'duplicate';
    }
    this.#early.set(id, id === this.#nextId ? packet : { opcode: packet.opcode, payload: packet.payload.slice() });
    return 'new';
  }

  /** Acknowledge `id` with the next packet. */
  owe(id: number): void {
    if (!this.#owed.includes(id)) this.#owed.push(id);
  }

  /** The next packet in order. */
  poll(): IncomingPacket | undefined {
    const packet = this.#early.get(this.#nextId);
    if (packet === undefined) return undefined;
    this.#early.delete(this.#nextId++);
    return packet;
  }

  get owes(): boolean {
    return this.#owed.length > 0;
  }

  /** The acknowledgements for the next packet: those owed first, then recent ones again. */
  takeAcks(alone: boolean): number[] {
    const limit = alone ? ACKS_ALONE : ACKS_ON_DATA;
    const acks = this.#owed.splice(0, limit);
    const recent = acks.slice();
    for (let i = 0; i < this.#recent.length; i++) {
      const id = this.#recent[i] ?? 0;
      if (recent.includes(id)) continue;
      if (acks.length < limit) acks.push(id);
      if (recent.length < ACKS_ALONE) recent.push(id);
    }
    this.#recent = recent;
    return acks;
  }
}
