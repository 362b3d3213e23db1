/**
 * One key exchange of the scripted peer: packet ids, order and a TLS session. It never sends twice: on the loopback interface nothing
 * is lost, and what the end under test drops on purpose is a session that the fuzzer gives up.
 */
import type { TlsContext, TlsEngine } from '@culvert/tls';
import { type Control, Op } from './codec.ts';

/** TLS bytes in a packet: with a wrapped key behind it, it still fits a datagram. */
const PAYLOAD_BYTES = 900;

export class Exchange {
  readonly keyId: number;
  readonly tls: TlsEngine;
  nextId = 0;
  /** Ids of ours that the other end acknowledged. */
  readonly acknowledged = new Set<number>();
  /** Ids of the other end that we owe it. */
  owed: number[] = [];
  secure = false;
  failed = false;
  /** What came inside TLS, in order. */
  readonly records: Uint8Array[] = [];
  #expected = 0;
  readonly #early = new Map<number, Control>();

  constructor(keyId: number, context: TlsContext) {
    this.keyId = keyId;
    this.tls = context.createEngine();
  }

  /** The other end's packets reach TLS in order; its resets carry no TLS. */
  take(packet: Control): void {
    for (const id of packet.acks) this.acknowledged.add(id);
    if (packet.packetId === undefined) return;
    if (!this.owed.includes(packet.packetId)) this.owed.push(packet.packetId);
    if (packet.packetId >= this.#expected) this.#early.set(packet.packetId, packet);
    for (let next = this.#early.get(this.#expected); next !== undefined; next = this.#early.get(this.#expected)) {
      this.#early.delete(this.#expected++);
      const carriesTls = next.op === Op.control || next.op === Op.controlWkc;
      if (carriesTls && next.payload.length > 0 && !this.failed) this.tls.handleData(next.payload);
    }
    this.#drain();
  }

  /** The next TLS bytes to send, if there are any. */
  pollTls(limit = PAYLOAD_BYTES): Uint8Array | undefined {
    return this.failed ? undefined : this.tls.pollTransmit(limit);
  }

  close(): void {
    this.tls.close();
  }

  #drain(): void {
    for (let event = this.tls.pollEvent(); event !== undefined; event = this.tls.pollEvent()) {
      if (event.kind === 'secure') this.secure = true;
      else if (event.kind === 'data') this.records.push(event.bytes);
      else this.failed = true;
    }
  }
}
