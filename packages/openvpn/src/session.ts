/**
 * One peer, from its first packet to goodbye: what both roles share.
 *
 *   handshake ──key method 2 went over──► claimed ──configured──► up ──► closing ──► closed
 *                                                                └─ rekey: a second KeyExchange beside the first, which it replaces
 *
 * Owns wraps, key exchanges, the data channel, keepalive, rekeying and deadlines. Leaves admission and configuration to
 * `server-session.ts` and `client-session.ts`.
 */
import type {
  CloseReason,
  Instant,
  Machine,
  Millis,
  PacketBatch,
  Path,
  PeerCertificate,
  Transmit,
} from '@culvert/base';
import { ControlChannel } from './control-channel.ts';
import { type ControlMessage, decodeControlMessages } from './control-message.ts';
import { DataChannel, type OpenedCounts } from './data-channel.ts';
import type { AeadName, SessionEvent, SessionOptions, SessionStats } from './face.ts';
import type { Framing } from './framing.ts';
import { Keepalive } from './keepalive.ts';
import { type ExchangeEvent, KeyExchange } from './key-exchange.ts';
import type { KeyMethod2 } from './key-method-2.ts';
import { occExitMessage, pingMessage } from './magic.ts';
import type { Features } from './negotiation.ts';
import { Opcode } from './opcode.ts';
import { RekeySchedule } from './rekey-schedule.ts';
import { emptyStats, type SessionSettings, settingsOf } from './session-settings.ts';
import { encodeText, sanitize } from './text.ts';
import type { ControlWrap } from './wrap/control-wrap.ts';
import { DYNAMIC_TLS_CRYPT_LABEL } from './wrap/dynamic.ts';
import { STATIC_KEY_BYTES } from './wrap/tls-crypt.ts';

// Chosen by us.
/** Our last words are sent again for so long while nobody acknowledges them. */
const LINGER: Millis = 3_000;

/** TLS alerts about the certificate or the right to connect: admission was refused, the protocol was kept (RFC 8446, section 6.2). */
const refusalAlerts: ReadonlySet<number> = new Set([42, 43, 44, 45, 46, 48, 49, 116]);

export interface SessionInit {
  readonly role: 'server' | 'client';
  readonly ownSessionId: Uint8Array;
  readonly peerSessionId: Uint8Array | undefined;
  readonly wrap: ControlWrap;
  /** What a dynamic wrap is mixed with. */
  readonly staticKey: Uint8Array | undefined;
  /** What opens the first exchange; undefined: the acceptor did. */
  readonly opening: Opcode | undefined;
}

export abstract class Session implements Machine<SessionEvent> {
  readonly stats: SessionStats = emptyStats();
  /** What the two ends agreed on, for status and logs. */
  readonly facts: Record<string, string> = {};

  /** What the last `open` did. */
  readonly opened: OpenedCounts = { accepted: 0, packets: 0, bytes: 0 };

  protected readonly options: SessionOptions;
  protected readonly settings: SessionSettings;
  protected phase: 'handshake' | 'claimed' | 'up' | 'closing' | 'closed' = 'handshake';
  /** When the present phase must be over. */
  protected deadline: Instant | undefined;
  protected features: Features | undefined;
  protected active: KeyExchange;
  protected next: KeyExchange | undefined;

  readonly #role: 'server' | 'client';
  readonly #control: ControlChannel;
  readonly #rekeys: RekeySchedule;
  #data: DataChannel | undefined;
  #keepalive: Keepalive | undefined;
  #reason: CloseReason | undefined;
  #events: SessionEvent[] = [];
  #outbox: Transmit[] = [];
  /** Counts of exchanges that are gone. */
  #pastRetransmits = 0;
  #pastDuplicates = 0;

  constructor(options: SessionOptions, init: SessionInit) {
    this.options = options;
    this.settings = settingsOf(options);
    this.#role = init.role;
    const { path, protocol } = options;
    this.#control = new ControlChannel({ ...init, path, protocol, stats: this.stats });
    this.#rekeys = new RekeySchedule(init.role, this.settings.renegotiateAfter, options.random, options.now);
    this.deadline = (options.now + this.settings.handshakeWindow) as Instant;
    this.facts['wrap'] = init.wrap.name;
    this.active = this.#createExchange(0, init.opening, options.now);
  }

  /** Where the peer is now. */
  get path(): Path {
    return this.#control.path;
  }
  /** The peer's session id, as `peekControl` reads it; undefined until a client has its server's. */
  get peerSessionId(): bigint | undefined {
    const id = this.#control.peerSessionId;
    return id === undefined ? undefined : new DataView(id.buffer, id.byteOffset).getBigUint64(0);
  }

  // In.

  /**
   * Control packets only (the opcode is not DATA_*). Over a stream: one packet without its length. Never throws for what it holds.
   * `more`: another of this peer follows at once, and acknowledgements may wait for it.
   */
  handleDatagram(datagram: Uint8Array, path: Path, now: Instant, more = false): void {
    if (this.phase === 'closed') return;
    this.#takeControl(datagram, path, now);
    this.settle(now, more);
  }

  handleTimeout(now: Instant): void {
    if (this.phase === 'closed') return;
    if (this.#rekeys.take(now)) this.renegotiate(now);
    this.#data?.handleTimeout(now);
    this.#checkKeepalive(now);
    this.#checkDeadlines(now);
    this.handleRoleTimeout(now);
    this.settle(now);
  }

  /** Start a new key exchange; nothing happens while one is under way or before the session is up. */
  renegotiate(now: Instant): void {
    if (this.phase !== 'up' || this.next !== undefined || !this.active.established) return;
    this.#startRekey(now);
    this.settle(now);
  }

  /** Authenticated data came from a new path: send there from now on. */
  handleRoam(path: Path, _now: Instant): void {
    this.#control.move(path);
  }

  /** Say goodbye and end; the `closed` event follows when the peer has acknowledged it, or after a short while. */
  close(reason: CloseReason, now: Instant): void {
    if (this.phase === 'closing' || this.phase === 'closed') return;
    if (this.active.established) this.sayGoodbye(reason, now);
    this.endWith(reason, now);
    this.settle(now);
  }

  /** End at once without a word: free the keys and TLS engines. Idempotent. `closed` does not follow. */
  dispose(): void {
    this.phase = 'closed';
    this.active.close();
    this.next?.close();
    this.#data?.close();
  }

  // Data path.

  /**
   * Appends one datagram for each packet of `src` from index `first` on (skipping lengths 0) to `dst`, and one for each segment of a
   * train. Returns the index of the first packet not consumed: less than `src.count` when `dst` is out of room. Packets that cannot
   * be sent at all are consumed, and counted in `stats.droppedOut`.
   */
  seal(src: PacketBatch, first: number, dst: PacketBatch, now: Instant): number {
    const data = this.phase === 'up' ? this.#data : undefined;
    if (data === undefined) {
      for (let i = first; i < src.count; i++) if ((src.lengths[i] ?? 0) > 0) this.stats.droppedOut++;
      return src.count;
    }
    const before = dst.count;
    const next = data.seal(src, first, dst);
    if (dst.count > before) this.#keepalive?.sent(now);
    this.#checkWear(data, now);
    return next;
  }

  /**
   * Opens the DATA datagrams `src[first .. first+count)` and appends the inner packets to `dst`: joined to trains where `dst.virtio`
   * is set, single otherwise. Slots of length 0 held something meant for us. `opened` then tells how many datagrams were authentic
   * and new, and what they held. Returns the index of the first datagram not consumed: less than the end when `dst` is out of room.
   */
  open(src: PacketBatch, first: number, count: number, dst: PacketBatch, now: Instant): number {
    const { opened } = this;
    opened.accepted = 0;
    opened.packets = 0;
    opened.bytes = 0;
    if (this.phase !== 'up' || this.#data === undefined) {
      this.stats.dataNoKey += count;
      return first + count;
    }
    const next = this.#data.open(src, first, count, dst, opened);
    if (opened.accepted === 0) return next;
    this.#keepalive?.received(now);
    this.#checkWear(this.#data, now);
    if (this.#data.exitSeen) {
      this.finish({ cause: 'peer', detail: 'the peer said goodbye' });
    }
    return next;
  }

  // Out. Drain in this order.

  /** Whether there is something to drain. */
  get hasOutput(): boolean {
    return this.#outbox.length > 0 || this.#events.length > 0;
  }

  pollTransmit(): Transmit | undefined {
    return this.#outbox.shift();
  }

  pollEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  pollTimeout(): Instant | undefined {
    if (this.phase === 'closed') return undefined;
    let due = earlier(this.deadline, this.active.timeout);
    due = earlier(due, this.roleTimeout());
    if (this.next !== undefined) due = earlier(earlier(due, this.next.timeout), this.#rekeyDeadline(this.next));
    if (this.phase !== 'up') return due;
    return earlier(earlier(due, this.#rekeys.next), earlier(this.#keepalive?.next, this.#data?.timeout));
  }

  // What the roles add.

  protected abstract handleSecure(exchange: KeyExchange, now: Instant): void;
  protected abstract handleKeyMethod(
    exchange: KeyExchange,
    message: KeyMethod2,
    certificate: PeerCertificate | undefined,
    now: Instant,
  ): void;
  protected abstract handleMessage(message: ControlMessage, now: Instant): void;
  protected abstract sayGoodbye(reason: CloseReason, now: Instant): void;
  /** Why the present phase did not end in time, with likely causes. */
  protected abstract describeDeadline(): string;
  protected abstract handleRoleTimeout(now: Instant): void;
  protected abstract roleTimeout(): Instant | undefined;

  // What the roles use.

  protected emit(event: SessionEvent): void {
    this.#events.push(event);
  }

  protected note(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.emit({ kind: 'note', message, fields });
  }

  /** Send a command, NUL-terminated. */
  protected sendMessage(text: string, now: Instant): void {
    this.active.write(encodeText(`${text}\0`), now);
  }

  /** Goodbye through the data channel: OCC EXIT, twice since nobody acknowledges it. */
  protected sendExitAsData(now: Instant): void {
    for (let n = 0; n < 2; n++) this.#sendAsData(occExitMessage, now);
  }

  /** Make the data channel, with the keys of the exchange that is there. */
  protected bringUp(
    agreed: {
      readonly cipher: AeadName;
      readonly features: Features;
      readonly peerId: number | undefined;
      readonly framing: Framing;
      readonly keepalive: { readonly interval: Millis; readonly timeout: Millis };
    },
    now: Instant,
  ): void {
    const { cipher, features, peerId, framing, keepalive } = agreed;
    this.features = features;
    const { createDataKey, replayWindow, join } = this.settings;
    const role = this.#role;
    const { stats } = this;
    this.#data = new DataChannel({ role, cipher, peerId, framing, createDataKey, replayWindow, join, stats });
    this.#addDataKey(this.#data, features, now);
    if (features.dynamicTlsCrypt) this.#makeDynamicWrap();
    this.#keepalive = new Keepalive(keepalive, now);
    this.phase = 'up';
    this.deadline = undefined;
    this.#rekeys.restart(now);
    this.facts['cipher'] = cipher;
    this.facts['keys'] = features.tlsKeyExport ? 'TLS exporter' : 'PRF';
    if (framing !== 'none') this.facts['framing'] = framing;
  }

  /** The exchange of a rekey has all it needs: its keys and its TLS session replace the old. */
  protected promote(exchange: KeyExchange, now: Instant): void {
    if (exchange !== this.next || this.#data === undefined || this.features === undefined) return;
    this.#retire(this.active);
    this.active = exchange;
    this.next = undefined;
    this.#addDataKey(this.#data, this.features, now);
    this.#rekeys.restart(now);
    this.emit({ kind: 'rekeyed' });
  }

  /** End with `reason` once what is queued was acknowledged, or after a while. */
  protected endWith(reason: CloseReason, now: Instant): void {
    if (this.phase === 'closing' || this.phase === 'closed') return;
    this.phase = 'closing';
    this.#reason = reason;
    this.deadline = (now + LINGER) as Instant;
  }

  /** End now. What is in the outbox still goes out. */
  protected finish(reason: CloseReason): void {
    if (this.phase === 'closed') return;
    this.#reason ??= reason;
    this.dispose();
    this.emit({ kind: 'closed', reason: this.#reason });
  }

  /** Handle what the exchanges report, then move what is due into the outbox. */
  protected settle(now: Instant, more = false): void {
    if (this.phase === 'closed') return;
    this.#drain(this.active, now);
    if (this.next !== undefined) this.#drain(this.next, now);
    if (this.#role === 'server' && this.phase === 'up' && this.active.idle) this.#data?.confirm();
    this.#flush(this.active, now, more);
    if (this.next !== undefined) this.#flush(this.next, now, more);
    this.#count();
    if (this.phase === 'closing' && this.active.idle && this.#reason !== undefined) this.finish(this.#reason);
  }

  #takeControl(datagram: Uint8Array, path: Path, now: Instant): void {
    const packet = this.#control.open(datagram, path);
    const exchange = packet === undefined ? undefined : this.#exchangeFor(packet.opcode, packet.keyId, now);
    if (packet === undefined || exchange === undefined) return;
    this.#control.learnPeer(datagram);
    exchange.handlePacket(packet.opcode, packet.body, now);
  }

  #exchangeFor(opcode: Opcode, keyId: number, now: Instant): KeyExchange | undefined {
    if (keyId === this.active.keyId) return this.active;
    if (keyId === this.next?.keyId) return this.next;
    const mayRekey = this.phase === 'up' && this.next === undefined && this.active.established;
    if (opcode !== Opcode.softResetV1 || !mayRekey || keyId !== nextKeyId(this.active.keyId)) return undefined;
    if (this.#rekeys.mayPeerBegin(now)) return this.#startRekey(now);
    this.endWith({ cause: 'protocol', detail: 'the peer asks for new keys too often' }, now);
    return undefined;
  }

  #startRekey(now: Instant): KeyExchange {
    this.next = this.#createExchange(nextKeyId(this.active.keyId), Opcode.softResetV1, now);
    return this.next;
  }

  #createExchange(keyId: number, opening: Opcode | undefined, now: Instant): KeyExchange {
    const { createTls, random } = this.options;
    const payloadBytes = (opcode: Opcode) => this.#control.payloadBytes(opcode, keyId, this.settings.maxControlBytes);
    const { tlsTimeout } = this.settings;
    return new KeyExchange({ keyId, role: this.#role, opening, random, createTls, payloadBytes, tlsTimeout, now });
  }

  #drain(exchange: KeyExchange, now: Instant): void {
    for (let event = exchange.pollEvent(); event !== undefined; event = exchange.pollEvent()) {
      if (this.phase === 'closed') return;
      this.#handleExchange(exchange, event, now);
    }
  }

  #handleExchange(exchange: KeyExchange, event: ExchangeEvent, now: Instant): void {
    switch (event.kind) {
      case 'secure':
        this.facts['tls'] = `${event.protocol} ${event.cipher}`;
        this.handleSecure(exchange, now);
        return;
      case 'key-method':
        // Whoever is told goodbye does not come in after all.
        if (this.phase === 'closing') return;
        this.handleKeyMethod(exchange, event.message, event.certificate, now);
        return;
      case 'record':
        this.#handleRecord(exchange, event.bytes, now);
        return;
      case 'ended':
        if (this.phase === 'up') this.note('the peer ended its TLS session');
        else
          this.endWith({ cause: 'peer', detail: 'the peer ended the TLS session before the connection was up' }, now);
        return;
      case 'failed': {
        const refused = event.alert !== undefined && refusalAlerts.has(event.alert.number);
        this.endWith({ cause: refused ? 'refused' : 'protocol', detail: sanitize(event.reason) }, now);
        return;
      }
    }
  }

  #handleRecord(exchange: KeyExchange, bytes: Uint8Array, now: Instant): void {
    if (exchange !== this.active || !exchange.established) return;
    for (const message of decodeControlMessages(bytes)) {
      if (this.phase === 'closing' || this.phase === 'closed') return;
      this.handleMessage(message, now);
    }
  }

  #addDataKey(data: DataChannel, features: Features, now: Instant): void {
    const { ownSessionId, peerSessionId: peer = ownSessionId } = this.#control;
    const [client, server] = this.#role === 'client' ? [ownSessionId, peer] : [peer, ownSessionId];
    const key2 = this.active.deriveDataKeys(features.tlsKeyExport ? 'exporter' : 'prf', client, server);
    const { handshakeWindow, renegotiateAfter, transitionWindow } = this.settings;
    // 2.x does so as well: a peer whose admission takes time drops what comes under the new key until then.
    const wait = renegotiateAfter > 0 ? Math.min(handshakeWindow, renegotiateAfter / 2) : handshakeWindow;
    data.addKey(this.active.keyId, key2, { now, useAt: (now + wait) as Instant, transition: transitionWindow });
    key2.fill(0);
  }

  #makeDynamicWrap(): void {
    const exported = this.active.exportKeyingMaterial(DYNAMIC_TLS_CRYPT_LABEL, STATIC_KEY_BYTES);
    const time = Math.floor(this.options.wallClock.unixMillis() / 1_000);
    this.facts['rekeyWrap'] = this.#control.useDynamicWrap(exported, time);
    exported.fill(0);
  }

  #checkWear(data: DataChannel, now: Instant): void {
    if (this.next !== undefined) return;
    if (data.isWorn(this.settings.renegotiateBytes, this.settings.renegotiatePackets)) this.#rekeys.bringForward(now);
  }

  #checkKeepalive(now: Instant): void {
    if (this.phase !== 'up' || this.#keepalive === undefined) return;
    const due = this.#keepalive.check(now);
    if (due === 'lost') {
      const seconds = Math.round(this.#keepalive.silence / 1_000);
      this.finish({ cause: 'lost', detail: `nothing was heard from the peer for ${seconds} s` });
    } else if (due === 'ping') this.#sendAsData(pingMessage, now);
  }

  #checkDeadlines(now: Instant): void {
    if (this.phase === 'closed') return;
    if (this.deadline !== undefined && now >= this.deadline) {
      this.finish({ cause: 'lost', detail: this.describeDeadline() });
    } else if (this.next !== undefined && now >= this.#rekeyDeadline(this.next)) {
      const seconds = Math.round(this.settings.handshakeWindow / 1_000);
      this.finish({ cause: 'lost', detail: `the peer made no new key with us in ${seconds} s` });
    }
  }

  #rekeyDeadline(exchange: KeyExchange): Instant {
    return (exchange.startedAt + this.settings.handshakeWindow) as Instant;
  }

  #sendAsData(message: Uint8Array, now: Instant): void {
    this.#keepalive?.sent(now);
    const datagram = this.#data?.sealOne(message);
    if (datagram !== undefined) this.#outbox.push({ datagram, path: this.path });
  }

  #flush(exchange: KeyExchange, now: Instant, more: boolean): void {
    if (this.phase === 'closed') return;
    for (let packet = exchange.poll(now, more); packet !== undefined; packet = exchange.poll(now, more)) {
      this.#outbox.push({ datagram: this.#control.seal(packet, exchange.keyId), path: this.path });
    }
  }

  #retire(exchange: KeyExchange): void {
    this.#pastRetransmits += exchange.retransmits;
    this.#pastDuplicates += exchange.duplicates;
    exchange.close();
  }

  #count(): void {
    this.stats.retransmits = this.#pastRetransmits + this.active.retransmits + (this.next?.retransmits ?? 0);
    this.stats.duplicates = this.#pastDuplicates + this.active.duplicates + (this.next?.duplicates ?? 0);
  }
}

/** 1 to 7 and again from 1; 0 is the first key's alone (openvpn ssl.c key_state_init). */
function nextKeyId(keyId: number): number {
  return (keyId % 7) + 1;
}

/** The driver asks after every batch: nothing is allocated. */
function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}
