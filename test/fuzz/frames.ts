/** OpenVPN packets in a stream: each behind its length in two bytes. */

export function frame(packet: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(packet.length >> 8, packet.length & 0xff), packet]);
}

/** Takes a stream apart again. */
export class Frames {
  #bytes: Buffer = Buffer.alloc(0);

  /** Something came. */
  get any(): boolean {
    return this.#bytes.length > 0;
  }

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
  }

  /** The whole packets so far. */
  take(): Uint8Array[] {
    const packets: Uint8Array[] = [];
    let at = 0;
    while (this.#bytes.length >= at + 2) {
      const end = at + 2 + this.#bytes.readUInt16BE(at);
      if (this.#bytes.length < end) break;
      packets.push(Uint8Array.from(this.#bytes.subarray(at + 2, end)));
      at = end;
    }
    this.#bytes = this.#bytes.subarray(at);
    return packets;
  }
}
