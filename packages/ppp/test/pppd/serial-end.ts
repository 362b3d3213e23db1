/** A session on a serial line, in real time: HDLC, MPPE, and a host behind it that answers pings and sends some. */
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { createPacketBatch, type Instant, type Millis } from '@culvert/base';
import { createMppeKey, type MppeKey, MppeReport, mppeKeyLength } from '@culvert/cipher';
import { batchOf, eventually, packetsOf } from '@culvert/testkit';
import {
  type AuthClaim,
  decodeFrame,
  EVERY_CONTROL,
  encodeHdlc,
  HdlcDecoder,
  isRouterMessage,
  type MppeDirection,
  type PppEvent,
  PppProtocol,
  PppSession,
  type PppSessionOptions,
  type PppTerms,
  type PppVerdict,
} from '../../src/index.ts';
import { decodeEcho, encodeEcho } from './echo.ts';

/** Frames of the peer, in bytes; ours ask for less. */
const LONGEST = 4_096;
const PING_INTERVAL: Millis = 300;
/** A guest on a busy machine stands still for seconds. */
const PATIENCE: Millis = 30_000;

export class SerialEnd {
  readonly session: PppSession;
  readonly events: PppEvent[] = [];
  /** Protocols of the peer's frames, as they came. */
  readonly heard: number[] = [];
  terms: PppTerms | undefined;
  down: Extract<PppEvent, { kind: 'down' }> | undefined;
  readonly decoder = new HdlcDecoder(LONGEST);
  readonly #line: Duplex;
  readonly #judge: (claim: AuthClaim) => PppVerdict;
  readonly #replies: string[] = [];
  #keys: { readonly send: MppeKey; readonly receive: MppeKey } | undefined;
  /** Encrypted frames that get lost on the way from now on. */
  readonly lose = { in: 0, out: 0 };
  /** Frames that could not be read because one before them was lost, and Reset-Requests of the peer. */
  readonly resets = { waited: 0, asked: 0 };
  #timer: NodeJS.Timeout | undefined;
  #pings = 0;
  #failure: unknown;
  readonly #early: Uint8Array[] = [];
  #isOpen = false;
  readonly #onData = (bytes: Uint8Array): void => {
    if (this.#isOpen) this.#handleBytes(bytes);
    else this.#early.push(bytes);
  };

  constructor(line: Duplex, options: PppSessionOptions, judge: (claim: AuthClaim) => PppVerdict) {
    this.#line = line;
    this.#judge = judge;
    this.session = new PppSession(options);
    line.on('data', this.#onData);
  }

  /** What the peer has said before is kept for it. */
  open(): void {
    this.session.open(now());
    this.#drain();
    this.#isOpen = true;
    this.#handleBytes(Buffer.concat(this.#early));
  }

  get hasHeard(): boolean {
    return this.#early.length > 0;
  }

  /** Ends it, without a word. */
  dispose(): void {
    this.#line.off('data', this.#onData);
    this.session.carrierLost(now());
    clearTimeout(this.#timer);
    this.#keys?.send.close();
    this.#keys?.receive.close();
  }

  async up(): Promise<PppTerms> {
    return await this.until('the session comes up', () => {
      assert.equal(this.down, undefined, 'the session ended');
      return this.terms;
    });
  }

  async ended(): Promise<Extract<PppEvent, { kind: 'down' }>> {
    return await this.until('the session ends', () => this.down);
  }

  /** As `eventually`, longer, since a guest takes part; fails at once when something wrong came over the line. */
  async until<T>(what: string, probe: () => T | undefined | false): Promise<T> {
    const unlessFailed = () => {
      if (this.#failure !== undefined) throw this.#failure;
      return probe();
    };
    return await eventually(what, unlessFailed, PATIENCE);
  }

  /** The machine moves on: for inputs that the test gives by itself. */
  act(action: (session: PppSession, now: Instant) => void): void {
    action(this.session, now());
    this.#drain();
  }

  /** Resolves when the peer's host has answered: it may have its address a moment after we are up. @param size the packet's, in bytes */
  async ping(from: string, to: string, size = 84): Promise<void> {
    const header = from.includes(':') ? 44 : 24;
    const body = new Uint8Array(size - header).map((_, at) => at * 7);
    body[0] = ++this.#pings;
    const packet = encodeEcho({ kind: 'request', from, to, body });
    const answer = keyOf(to, body);
    let next = now();
    await this.until(`${to} answers`, () => {
      if (now() >= next) {
        this.#sendPacket(packet);
        next = (now() + PING_INTERVAL) as Instant;
      }
      return this.#replies.includes(answer);
    });
  }

  #handleBytes(bytes: Uint8Array): void {
    try {
      for (const frame of this.decoder.push(bytes)) {
        this.#handleFrame(frame);
        this.#drain();
      }
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #handleFrame(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    if (frame !== undefined) this.heard.push(frame.protocol);
    const isClear = frame?.protocol === PppProtocol.ipv4 || frame?.protocol === PppProtocol.ipv6;
    if (isClear && this.terms !== undefined) {
      assert.equal(this.#keys, undefined, 'a packet came in the clear, though encryption was agreed');
      this.#handlePacket(frame.payload);
    } else if (frame?.protocol === PppProtocol.compressed && this.#keys !== undefined) {
      if (this.lose.in > 0) this.lose.in--;
      else this.#handleEncrypted(bytes, this.#keys.receive);
    } else this.session.handleFrame(bytes, now());
  }

  #handleEncrypted(bytes: Uint8Array, key: MppeKey): void {
    const opened = createPacketBatch(1, LONGEST);
    const report = new Uint32Array(MppeReport.words);
    key.openTrain(batchOf([bytes]), 0, 1, opened, report);
    if (report[MppeReport.waiting] === 1) {
      this.resets.waited++;
      this.session.requestEncryptionReset(now());
      return;
    }
    assert.equal(report[MppeReport.accepted], 1, 'an encrypted frame opens');
    for (const packet of packetsOf(opened)) this.#handlePacket(packet);
  }

  #handlePacket(packet: Uint8Array): void {
    if (isRouterMessage(packet, 0, packet.length)) {
      this.session.handlePacket(packet, now());
      return;
    }
    this.session.heard(now());
    const echo = decodeEcho(packet);
    if (echo?.kind === 'reply') this.#replies.push(keyOf(echo.from, echo.body));
    else if (echo !== undefined) {
      this.#sendPacket(encodeEcho({ kind: 'reply', from: echo.to, to: echo.from, body: echo.body }));
    }
  }

  #sendPacket(packet: Uint8Array): void {
    const { terms } = this;
    if (terms === undefined) return;
    assert.ok(packet.length <= terms.mtu, `a packet of ${packet.length} bytes is longer than the link's ${terms.mtu}`);
    if (this.#keys === undefined) {
      const protocol = (packet[0] ?? 0) >>> 4 === 4 ? PppProtocol.ipv4 : PppProtocol.ipv6;
      const front = [
        ...(terms.addressCompression ? [] : [0xff, 3]),
        ...(terms.protocolCompression ? [] : [0]),
        protocol,
      ];
      this.#sendFrame(Buffer.concat([Uint8Array.from(front), packet]), terms.asyncMap);
      return;
    }
    const sealed = createPacketBatch(1, LONGEST);
    this.#keys.send.seal(batchOf([packet]), 0, sealed);
    for (const frame of packetsOf(sealed)) {
      if (this.lose.out > 0) this.lose.out--;
      else this.#sendFrame(frame, terms.asyncMap);
    }
  }

  #sendFrame(frame: Uint8Array, asyncMap: number): void {
    this.#line.write(encodeHdlc(frame, asyncMap));
  }

  #drain(): void {
    const { session } = this;
    for (;;) {
      for (let frame = session.pollTransmit(); frame !== undefined; frame = session.pollTransmit()) {
        this.#sendFrame(frame, EVERY_CONTROL);
      }
      const event = session.pollEvent();
      if (event === undefined) break;
      this.#handleEvent(event);
    }
    for (let packet = session.pollPacket(); packet !== undefined; packet = session.pollPacket()) {
      this.#sendPacket(packet);
    }
    clearTimeout(this.#timer);
    const deadline = session.pollTimeout();
    if (deadline !== undefined) this.#timer = setTimeout(() => this.#handleTimeout(), Math.max(0, deadline - now()));
  }

  #handleTimeout(): void {
    this.session.handleTimeout(now());
    this.#drain();
  }

  #handleEvent(event: PppEvent): void {
    this.events.push(event);
    if (event.kind === 'claim') this.session.handleVerdict(event.id, this.#judge(event.claim), now());
    else if (event.kind === 'down') this.down = event;
    else if (event.kind === 'changed') this.terms = event.terms;
    else if (event.kind === 'encryption-reset') {
      this.resets.asked++;
      this.#keys?.send.flush();
    } else if (event.kind === 'up') {
      this.terms = event.terms;
      this.#secure(event.terms);
    }
  }

  #secure(terms: PppTerms): void {
    const { send, receive } = terms.mppe;
    if (send === undefined || receive === undefined) return;
    const framing = { acfc: terms.addressCompression, pfc: terms.protocolCompression, headroom: 0 };
    const key = ({ strength, stateless, startKey }: MppeDirection) =>
      createMppeKey({
        strength,
        startKey: startKey.subarray(0, mppeKeyLength(strength)),
        framing,
        stateful: !stateless,
      });
    this.#keys = { send: key(send), receive: key(receive) };
  }
}

function now(): Instant {
  return performance.now() as Instant;
}

function keyOf(from: string, body: Uint8Array): string {
  return `${from} ${Buffer.from(body).toString('hex')}`;
}
