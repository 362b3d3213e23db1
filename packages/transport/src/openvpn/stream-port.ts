/**
 * One TCP connection of the driver. OpenVPN frames each packet with its length in two bytes, and nothing else.
 *
 *   0           2
 *   | length    | packet (opcode, ...) ...
 */
import type { Socket } from 'node:net';
import { createPacketBatch, type PacketBatch, type Path } from '@culvert/base';
import { type Outbox, resetBatch } from '../outbox.ts';

/** A super-packet of the smallest segments that the kernel makes (36 bytes) has 1,820. */
const SLOTS = 2_048;
const BYTES = 512 * 1024;
const FRAME_HEADER = 2;
/** Bytes that may wait for the wire before packets are dropped: more would only add delay to the inner connections. */
const BACKLOG_BYTES = 256 * 1024;
/**
 * Control packets wait beyond that, since a stream repeats none; a peer that makes us answer and reads nothing is cut off here. It is
 * more than the backlog with a whole batch on top.
 */
const CONTROL_BACKLOG_BYTES = 1024 * 1024;
/** How long a peer may take to read what waits when we close. */
const CLOSE_MILLIS = 5_000;

const OPCODE_SHIFT = 3;
const P_DATA_V1 = 6;
const P_DATA_V2 = 9;

export function isDataOpcode(firstByte: number): boolean {
  const opcode = firstByte >>> OPCODE_SHIFT;
  return opcode === P_DATA_V2 || opcode === P_DATA_V1;
}

/** Batches that all streams of a driver share: each is in use only for the length of a call. */
export interface StreamScratch {
  readonly in: PacketBatch;
  readonly out: PacketBatch;
}

export function createStreamScratch(): StreamScratch {
  return { in: createPacketBatch(SLOTS, BYTES), out: createPacketBatch(SLOTS, BYTES) };
}

export interface StreamHandlers {
  /** Data packets, in order. The batch is lent for the call. */
  onData(batch: PacketBatch): void;
  /** One control packet; the bytes are the receiver's. */
  onControl(packet: Uint8Array): void;
  /** The stream is over; nothing else will come. `error` is undefined when the peer ended it in order. */
  onEnd(error: Error | undefined): void;
  /** A mistake of our own in one of the others. It ends the stream, which `onEnd` tells. */
  onFault(error: unknown): void;
}

export class StreamPort {
  readonly path: Path;
  readonly #socket: Socket;
  readonly #handlers: StreamHandlers;
  readonly #maxPacket: number;
  readonly #in: PacketBatch;
  readonly #out: PacketBatch;
  /** The start of a frame whose rest has not come. */
  #partial: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(socket: Socket, path: Path, maxPacket: number, scratch: StreamScratch, handlers: StreamHandlers) {
    this.#socket = socket;
    this.#in = scratch.in;
    this.#out = scratch.out;
    this.path = path;
    this.#maxPacket = maxPacket;
    this.#handlers = handlers;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.guard(() => this.#take(chunk)));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(undefined));
    socket.on('end', () => this.#end(undefined));
  }

  get outbox(): Outbox {
    return {
      open: () => this.#open(),
      commit: () => this.#write(),
      makeRoom: () => this.#open() !== undefined,
    };
  }

  send(packet: Uint8Array): void {
    if (this.#ended) return;
    if (this.#socket.writableLength > CONTROL_BACKLOG_BYTES) {
      this.#socket.destroy();
      this.#end(new Error(`the peer reads nothing of the ${CONTROL_BACKLOG_BYTES} bytes that wait for it`));
      return;
    }
    const frame = Buffer.allocUnsafe(FRAME_HEADER + packet.length);
    frame.writeUInt16BE(packet.length, 0);
    frame.set(packet, FRAME_HEADER);
    this.#socket.write(frame);
  }

  /** Runs what the stream's bytes lead to. Above it is the event loop: what it throws would end the process, and so ends the stream. */
  guard(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#handlers.onFault(error);
      this.#socket.destroy();
      this.#end(new Error("a fault of culvert's own"));
    }
  }

  /** Nothing goes out any more, and nothing comes. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Sends what waits, then ends the stream: at once for a peer that reads, after a moment for one that does not. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    const deadline = setTimeout(() => this.#socket.destroy(), CLOSE_MILLIS);
    this.#socket.once('close', () => clearTimeout(deadline));
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #open(): PacketBatch | undefined {
    if (this.#ended || this.#socket.writableLength > BACKLOG_BYTES) return undefined;
    resetBatch(this.#out);
    return this.#out;
  }

  /** Frames what was appended since `#open`, in one buffer. */
  #write(): void {
    const batch = this.#out;
    if (batch.count === 0 || this.#ended) return;
    let bytes = 0;
    for (let i = 0; i < batch.count; i++) bytes += FRAME_HEADER + (batch.lengths[i] ?? 0);
    const frames = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (let i = 0; i < batch.count; i++) {
      const offset = batch.offsets[i] ?? 0;
      const length = batch.lengths[i] ?? 0;
      frames.writeUInt16BE(length, at);
      frames.set(batch.arena.subarray(offset, offset + length), at + FRAME_HEADER);
      at += FRAME_HEADER + length;
    }
    resetBatch(batch);
    this.#socket.write(frames);
  }

  #take(chunk: Buffer): void {
    if (this.#ended) return;
    const bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    let at = 0;
    resetBatch(this.#in);
    while (bytes.length - at >= FRAME_HEADER && !this.#ended) {
      const length = bytes.readUInt16BE(at);
      if (length === 0 || length > this.#maxPacket) {
        this.#socket.destroy();
        this.#end(new Error(`the peer announced a packet of ${length} bytes; 1 to ${this.#maxPacket} are possible`));
        return;
      }
      if (bytes.length - at - FRAME_HEADER < length) break;
      at += FRAME_HEADER;
      this.#takePacket(bytes, at, length);
      at += length;
    }
    this.#handData();
    this.#partial = Buffer.from(bytes.subarray(at));
  }

  #takePacket(bytes: Buffer, at: number, length: number): void {
    if (!isDataOpcode(bytes[at] ?? 0)) {
      this.#handData();
      this.#handlers.onControl(Uint8Array.from(bytes.subarray(at, at + length)));
      return;
    }
    const batch = this.#in;
    if (batch.count === SLOTS || batch.used + length > batch.arena.length) this.#handData();
    batch.arena.set(bytes.subarray(at, at + length), batch.used);
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count] = length;
    batch.tags[batch.count] = 0;
    batch.count++;
    batch.used += length;
  }

  #handData(): void {
    if (this.#in.count > 0) this.#handlers.onData(this.#in);
    resetBatch(this.#in);
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    try {
      this.#handlers.onEnd(error);
    } catch (fault) {
      this.#handlers.onFault(fault);
    }
  }
}
