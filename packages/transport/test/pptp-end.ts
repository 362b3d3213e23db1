/**
 * One end of a PPTP call in memory and in a time that is told: control connection, PPP and data path, joined as `Call` joins them to
 * sockets. What it says waits in `stream` and `packets`.
 */
import { type CloseReason, createPacketBatch, type Instant, type PacketBatch } from '@culvert/base';
import { createDatagramBatch } from '@culvert/netio';
import type { PppEvent, PppSession, PppTerms } from '@culvert/ppp';
import type { ControlConnection, ControlEvent } from '@culvert/pptp';
import { packetsOf } from '@culvert/testkit';
import { DataPath, type DataPathOptions } from '../src/pptp/data-path.ts';
import { RawIpOutbox } from '../src/raw-ip-port.ts';

const OUT_SLOTS = 64;
const OUT_BYTES = 64 * 1_024;
const INNER_SLOTS = 48;
const INNER_BYTES = 64 * 1_024;

export interface PptpEndOptions {
  readonly control: ControlConnection;
  readonly ppp: PppSession;
  readonly settings: DataPathOptions['settings'];
  /** Each event, in order, when it is taken. */
  onEvent(event: ControlEvent | PppEvent): void;
  /** Inner packets that are not PPP's own. Lent. */
  onPackets(batch: PacketBatch): void;
  /** Before PPP gets it. Lent. */
  onRouterMessage(packet: Uint8Array): void;
}

export class PptpEnd {
  readonly control: ControlConnection;
  readonly ppp: PppSession;
  /** Once there is a call. */
  data: DataPath | undefined;
  /** Messages of the control connection, and GRE packets, which nobody took yet. */
  readonly stream: Uint8Array[] = [];
  readonly packets: Uint8Array[] = [];
  readonly #options: PptpEndOptions;
  readonly #out = createDatagramBatch(OUT_SLOTS, OUT_BYTES);
  #callId: number | undefined;
  /** Of the input under way. */
  #now = 0 as Instant;

  constructor(options: PptpEndOptions) {
    this.#options = options;
    this.control = options.control;
    this.ppp = options.ppp;
  }

  handleStream(bytes: Uint8Array, now: Instant): void {
    this.control.handleStream(bytes, now);
    this.drain(now);
  }

  /** GRE packets of the peer's address under our call id, read at once. */
  handlePackets(batch: PacketBatch, now: Instant): void {
    this.#now = now;
    this.data?.handleBatch(batch, 0, batch.count, now);
    if (this.data?.takeHeard() === true) this.ppp.heard(now);
    if (this.data?.takeWaits() === true) this.ppp.requestEncryptionReset(now);
    this.drain(now);
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    this.control.handleTimeout(now);
    this.ppp.handleTimeout(now);
    this.data?.handleTimeout(now);
    this.drain(now);
  }

  pollTimeout(): Instant | undefined {
    const all = [this.control.pollTimeout(), this.ppp.pollTimeout(), this.data?.tunnel.pollTimeout()];
    const known = all.filter((at) => at !== undefined);
    return known.length === 0 ? undefined : (Math.min(...known) as Instant);
  }

  drain(now: Instant): void {
    this.#drainControl(now);
    this.#drainPpp(now);
    this.data?.sendAcknowledgement();
    this.#flush();
  }

  /** PPP says goodbye; the control connection does when PPP has ended. */
  close(reason: CloseReason, now: Instant): void {
    this.ppp.close(reason, now);
    this.drain(now);
  }

  #drainControl(now: Instant): void {
    const { control } = this;
    for (let m = control.pollTransmit(); m !== undefined; m = control.pollTransmit()) this.stream.push(m);
    for (let e = control.pollEvent(); e !== undefined; e = control.pollEvent()) {
      // A connection may have further calls; PPP is the first one's.
      if (e.kind === 'call' && this.#callId === undefined) this.#begin(e, now);
      this.#options.onEvent(e);
      if (e.kind === 'ended' && e.callId === this.#callId) {
        this.ppp.carrierLost(now);
        this.data?.close();
        this.data = undefined;
      }
    }
  }

  #drainPpp(now: Instant): void {
    const { ppp } = this;
    for (let f = ppp.pollTransmit(); f !== undefined; f = ppp.pollTransmit()) this.data?.sendFrame(f, now);
    for (let e = ppp.pollEvent(); e !== undefined; e = ppp.pollEvent()) {
      if (e.kind === 'up') this.#secure(e.terms);
      if (e.kind === 'encryption-reset') this.data?.flush();
      this.#options.onEvent(e);
      if (e.kind !== 'down') continue;
      if (this.#callId === undefined) this.control.close(e.reason, now);
      else this.control.closeCall(this.#callId, e.reason, now);
      this.#drainControl(now);
    }
    for (let p = ppp.pollPacket(); p !== undefined; p = ppp.pollPacket()) this.data?.sendPacket(p, now);
  }

  #secure(terms: PppTerms): void {
    const { send, receive } = terms.mppe;
    if (send === undefined || receive === undefined) throw new Error('up without encryption');
    this.data?.secure(terms, send, receive);
  }

  #begin({ callId, peerCallId, peerWindow }: Extract<ControlEvent, { kind: 'call' }>, now: Instant): void {
    this.#callId = callId;
    const { settings, onPackets, onRouterMessage } = this.#options;
    const virtio = (settings.join ?? 0) !== 0;
    const port = { commit: () => {}, makeRoom: () => this.#flush() };
    this.data = new DataPath({
      peerCallId,
      peerWindow,
      settings,
      inner: createPacketBatch(INNER_SLOTS, INNER_BYTES, { virtio }),
      outbox: new RawIpOutbox(this.#out, new Uint32Array(0), port),
      onControlFrame: (frame) => this.ppp.handleFrame(frame.slice(), this.#now),
      onRouterMessage: (packet) => {
        onRouterMessage(packet);
        this.ppp.handlePacket(packet.slice(), this.#now);
      },
      onPackets,
      onLostPlace: () => this.ppp.close({ cause: 'lost', detail: 'nothing can be decrypted' }, this.#now),
    });
    this.ppp.open(now);
  }

  #flush(): boolean {
    const batch = this.#out;
    this.packets.push(...packetsOf(batch));
    batch.count = 0;
    batch.used = 0;
    return true;
  }
}
