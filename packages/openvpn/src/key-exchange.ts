/**
 * One key exchange: a TLS session over the reliable control channel, and in it key method 2. There is one for each key id.
 *
 *   client                                                server
 *     HARD_RESET_CLIENT or SOFT_RESET, packet 0     <->     HARD_RESET_SERVER or SOFT_RESET, packet 0
 *     CONTROL_V1: TLS handshake                     <->     CONTROL_V1
 *     key method 2                                   ->
 *                                                   <-      key method 2
 *     commands                                      <->     commands
 *
 * Owns order, retransmission and the TLS engine. Leaves wrapping to the session, and what the messages mean.
 */
import assert from 'node:assert/strict';
import { CulvertError, type Instant, type Millis, type PeerCertificate, type RandomSource } from '@culvert/base';
import type { TlsEngine, TlsEvent } from '@culvert/tls';
import type { ControlBody } from './control-packet.ts';
import { wantsWrappedKey } from './early-negotiation.ts';
import { DATA_KEYS_LABEL, deriveByPrf, KEY2_BYTES } from './key-derivation.ts';
import {
  createKeySource,
  decodeKeyMethod2,
  encodeKeyMethod2,
  type KeyMethod2,
  type KeySource,
} from './key-method-2.ts';
import { Opcode } from './opcode.ts';
import { type IncomingPacket, ReliableReceiver } from './reliable-receiver.ts';
import { ReliableSender } from './reliable-sender.ts';

export type ExchangeEvent =
  | { readonly kind: 'secure'; readonly protocol: string; readonly cipher: string }
  /** The peer's key method 2 is here. */
  | { readonly kind: 'key-method'; readonly message: KeyMethod2; readonly certificate: PeerCertificate | undefined }
  /** A record of commands. */
  | { readonly kind: 'record'; readonly bytes: Uint8Array }
  /** The peer's TLS session ended in order. */
  | { readonly kind: 'ended' }
  /** Nothing more will come of it. What is queued (our alert) should still be sent. */
  | {
      readonly kind: 'failed';
      readonly alert: { readonly from: 'us' | 'peer'; readonly number: number } | undefined;
      readonly reason: string;
    };

/** A packet to wrap and send. */
export interface ExchangePacket {
  readonly opcode: Opcode;
  readonly acks: readonly number[];
  /** Undefined: an ACK_V1. */
  readonly packetId: number | undefined;
  readonly payload: Uint8Array;
}

export interface ExchangeOptions {
  readonly keyId: number;
  readonly role: 'server' | 'client';
  /** What opens it from our side; undefined: our reset, packet 0, was sent before (by the acceptor), and the peer's was taken. */
  readonly opening: Opcode | undefined;
  readonly random: RandomSource;
  readonly createTls: () => TlsEngine;
  /** TLS bytes that fit a packet with this opcode. */
  readonly payloadBytes: (opcode: Opcode) => number;
  /** Undefined over a stream. */
  readonly tlsTimeout: Millis | undefined;
  readonly now: Instant;
}

/** Events that wait to be polled: the session takes them at once, so more than this is a peer's flood. */
const MOST_EVENTS = 256;
const NOTHING = new Uint8Array(0);

export class KeyExchange {
  readonly keyId: number;
  readonly startedAt: Instant;
  readonly #options: ExchangeOptions;
  readonly #sender: ReliableSender;
  readonly #receiver: ReliableReceiver;
  #tls: TlsEngine | undefined;
  #events: ExchangeEvent[] = [];
  #certificate: PeerCertificate | undefined;
  #peerOpened: boolean;
  #state: 'opening' | 'handshake' | 'secure' | 'failed' = 'opening';
  readonly #ownSource: KeySource;
  #peerSource: KeySource | undefined;
  #sentKeyMethod = false;
  /** The server asked for our wrapped key with the next packet. */
  #resendWrappedKey = false;

  constructor(options: ExchangeOptions) {
    const { keyId, opening, tlsTimeout, now } = options;
    this.#options = options;
    this.#ownSource = createKeySource(options.random, options.role);
    this.keyId = keyId;
    this.startedAt = now;
    const firstId = opening === undefined ? 1 : 0;
    this.#sender = new ReliableSender(tlsTimeout, firstId);
    this.#receiver = new ReliableReceiver(firstId);
    this.#peerOpened = opening === undefined;
    if (opening !== undefined) this.#sender.push(opening, NOTHING, now);
    // The peer's reset was taken without us, but it may not know that.
    else this.#receiver.owe(0);
  }

  get retransmits(): number {
    return this.#sender.retransmits;
  }
  get duplicates(): number {
    return this.#receiver.duplicates;
  }
  /** The peer has shown that it is there, by its first packet. */
  get peerOpened(): boolean {
    return this.#peerOpened;
  }
  get state(): 'opening' | 'handshake' | 'secure' | 'failed' {
    return this.#state;
  }
  /** Both key method messages went over. */
  get established(): boolean {
    return this.#sentKeyMethod && this.#peerSource !== undefined && this.#state === 'secure';
  }
  /** The peer has acknowledged all that we sent. */
  get idle(): boolean {
    return this.#sender.idle;
  }
  get timeout(): Instant | undefined {
    return this.#sender.timeout;
  }

  /** Take an authentic packet of this exchange. */
  handlePacket(opcode: Opcode, body: ControlBody, now: Instant): void {
    this.#sender.acknowledge(body.acks, now);
    if (body.packetId !== undefined) this.#receiver.accept(body.packetId, { opcode, payload: body.payload });
    this.pump(now);
  }

  /** Encrypt `plaintext` as one record. */
  write(plaintext: Uint8Array, now: Instant): void {
    if (this.#tls === undefined || this.#state === 'failed') return;
    try {
      this.#tls.write(plaintext);
    } catch (error) {
      // The engine's queue is full: the peer acknowledges nothing. That is its end, not ours.
      if (!(error instanceof CulvertError)) throw error;
      this.#fail(`what we send is not taken (${error.message})`);
    }
    this.pump(now);
  }

  /** Send our key method 2; `message` lacks only what the keys are made of. Once. */
  sendKeyMethod(message: Omit<KeyMethod2, 'source'>, now: Instant): void {
    if (this.#sentKeyMethod) return;
    this.#sentKeyMethod = true;
    this.write(encodeKeyMethod2({ ...message, source: this.#ownSource }), now);
  }

  /** The 256 bytes of the data channel's keys. Only once established. */
  deriveDataKeys(how: 'exporter' | 'prf', clientSession: Uint8Array, serverSession: Uint8Array): Uint8Array {
    if (how === 'exporter') return this.exportKeyingMaterial(DATA_KEYS_LABEL, KEY2_BYTES);
    assert(this.#peerSource !== undefined, 'keys are derived after both messages');
    const [client, server] =
      this.#options.role === 'client' ? [this.#ownSource, this.#peerSource] : [this.#peerSource, this.#ownSource];
    return deriveByPrf({ client, server, clientSession, serverSession });
  }

  exportKeyingMaterial(label: string, length: number): Uint8Array {
    assert(this.#tls !== undefined, 'the exporter works inside a TLS session');
    return this.#tls.exportKeyingMaterial(label, length);
  }

  /** The next packet to send. `more`: the peer's next is here already, so that what would only acknowledge waits for it. */
  poll(now: Instant, more = false): ExchangePacket | undefined {
    const due = this.#sender.poll(now);
    if (due !== undefined) {
      return { opcode: due.opcode, acks: this.#receiver.takeAcks(false), packetId: due.id, payload: due.payload };
    }
    if (more || !this.#receiver.owes) return undefined;
    return { opcode: Opcode.ackV1, acks: this.#receiver.takeAcks(true), packetId: undefined, payload: NOTHING };
  }

  pollEvent(): ExchangeEvent | undefined {
    return this.#events.shift();
  }

  /** Send close_notify after what is queued. */
  endTls(now: Instant): void {
    if (this.#state !== 'secure') return;
    this.#tls?.end();
    this.pump(now);
  }

  close(): void {
    this.#tls?.close();
    this.#tls = undefined;
    this.#state = 'failed';
  }

  /** Move bytes between the reliable channel and TLS until nothing moves. */
  pump(now: Instant): void {
    for (let packet = this.#receiver.poll(); packet !== undefined; packet = this.#receiver.poll()) this.#take(packet);
    if (this.#state === 'opening' && this.#peerOpened && this.#sender.idle && this.#options.role === 'client')
      this.#start();
    this.#drainTls();
    this.#fill(now);
  }

  #take(packet: IncomingPacket): void {
    if (packet.opcode === Opcode.softResetV1 || isHardReset(packet.opcode)) {
      this.#peerOpened = true;
      if (packet.opcode === Opcode.hardResetServerV2) this.#resendWrappedKey = wantsWrappedKey(packet.payload);
      return;
    }
    if (packet.payload.length === 0 || this.#state === 'failed') return;
    if (this.#state === 'opening') this.#start();
    this.#tls?.handleData(packet.payload);
    this.#drainTls();
  }

  #start(): void {
    this.#state = 'handshake';
    this.#tls = this.#options.createTls();
    this.#tls.start();
  }

  #drainTls(): void {
    for (let event = this.#tls?.pollEvent(); event !== undefined; event = this.#tls?.pollEvent())
      this.#handleTls(event);
  }

  #handleTls(event: TlsEvent): void {
    switch (event.kind) {
      case 'secure':
        this.#state = 'secure';
        this.#certificate = event.peerCertificate;
        this.#emit({ kind: 'secure', protocol: event.protocol, cipher: event.cipher });
        return;
      case 'data':
        this.#handlePlaintext(event.bytes);
        return;
      case 'ended':
        this.#emit({ kind: 'ended' });
        return;
      case 'failed':
        this.#fail(event.reason, event.alert);
        return;
    }
  }

  #handlePlaintext(bytes: Uint8Array): void {
    if (this.#peerSource !== undefined) {
      this.#emit({ kind: 'record', bytes });
      return;
    }
    const from = this.#options.role === 'server' ? 'client' : 'server';
    try {
      const message = decodeKeyMethod2(bytes, from);
      this.#peerSource = message.source;
      this.#emit({ kind: 'key-method', message, certificate: this.#certificate });
    } catch (error) {
      this.#fail(
        `the peer's key exchange message makes no sense (${error instanceof Error ? error.message : String(error)})`,
      );
    }
  }

  #fail(reason: string, alert?: { readonly from: 'us' | 'peer'; readonly number: number }): void {
    if (this.#state === 'failed') return;
    this.#state = 'failed';
    this.#emit({ kind: 'failed', alert, reason });
  }

  #emit(event: ExchangeEvent): void {
    if (this.#events.length < MOST_EVENTS) this.#events.push(event);
  }

  /** TLS bytes become packets as far as the window is open. */
  #fill(now: Instant): void {
    while (this.#tls !== undefined && this.#sender.room > 0) {
      const withKey = this.#resendWrappedKey && this.#sender.nextId === 1;
      const opcode = withKey ? Opcode.controlWkcV1 : Opcode.controlV1;
      const limit = this.#options.payloadBytes(opcode);
      // A wrapped key can fill its packet alone.
      const payload = limit > 0 ? this.#tls.pollTransmit(limit) : NOTHING;
      if (payload === undefined) return;
      this.#sender.push(opcode, payload, now);
    }
  }
}

function isHardReset(opcode: Opcode): boolean {
  return (
    opcode === Opcode.hardResetServerV2 || opcode === Opcode.hardResetClientV2 || opcode === Opcode.hardResetClientV3
  );
}
