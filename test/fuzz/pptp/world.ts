/** A call under test and an honest peer that brings it to a state, in virtual time; a driver that holds it to what it may do. */
import type { Instant, Millis, PacketBatch } from '@culvert/base';
import { type MppeWish, type PppEvent, PppSession } from '@culvert/ppp';
import { CallTable, type ControlEvent, callIdOf, isGre, PacConnection, PnsConnection } from '@culvert/pptp';
import { batchOf, packetsOf, seededRandom } from '@culvert/testkit';
import { MppePeer, StatefulMppePeer } from '../../../packages/cipher/test/mppe-peer.ts';
import { idsFrom } from '../../../packages/pptp/test/stream-ends.ts';
import { PptpEnd, type PptpEndOptions } from '../../../packages/transport/test/pptp-end.ts';
import { clientMethod, judge, type Method, serverMethod } from '../ppp/methods.ts';
import { network, type Role } from '../ppp/world.ts';
import { countAt, Deliveries } from './deliveries.ts';
import { callIds } from './messages.ts';

/** starting, started: no call yet. Then the phases of PPP; terminate and closing: PPP's goodbye, and the control connection's. */
export const states = [
  'starting',
  'started',
  'establish',
  'authenticate',
  'network',
  'up',
  'terminate',
  'closing',
  'closed',
] as const;
export type State = (typeof states)[number];

export interface Variant {
  readonly role: Role;
  readonly method: Extract<Method, 'mschapv2' | 'eap-mschapv2'>;
  readonly settings: PptpEndOptions['settings'];
  /** MPPE with state, both ways. */
  readonly stateful: boolean;
}

/** What one call may leave behind: messages on the stream, their length, and GRE packets. */
const MOST_MESSAGES = 66;
const LONGEST_MESSAGE = 168;
const MOST_PACKETS = 24;
/** GRE's header, what PPP says of itself, and what it is longer than its question (test/fuzz/ppp). */
const HEADER = 16;
const OWN_BYTES = 200;
const QUOTE_BYTES = 9;
const MOST_CALLS = 4_000;
/** A frame that came too early may wait so long, and is answered then. */
const HELD: Millis = 300;
/** Key changes that gaps may cost a call: at once, for each millisecond, and for each frame. */
const CHANGES = { atOnce: 200_000, aMilli: 10, aFrame: 1 };
/** Addresses of a peer and of us, as the port compares them. */
const REMOTE = 0x0a00_0002;
const LOCAL = 0x0a00_0001;
const mppe = { need: 'required', strengths: [128] } as const;

export class World {
  readonly subject: PptpEnd;
  readonly variant: Variant;
  now = 10_000 as Instant;
  /** Of the peer's next GRE packet, and of the subject's last one. */
  sequence = 0;
  acknowledgement = -1;
  /** Where the peer's MPPE is; undefined before there are keys. */
  sealing: MppePeer | StatefulMppePeer | undefined;
  deliveries: Deliveries | undefined;
  /** Frames of the subject's PPP. */
  readonly subjectSaid: Uint8Array[] = [];
  /** Packets that came out of the data path, router messages included, and have been looked at. */
  delivered = 0;
  readonly #peer: PptpEnd;
  readonly #calls = new CallTable<PptpEnd>({
    bytes: () => Uint8Array.of(callIds.subject >>> 8, callIds.subject & 255),
  });
  readonly #told = new Set<ControlEvent['kind'] | PppEvent['kind'] | 'goodbye'>();
  #started = false;
  #claim: Extract<PppEvent, { kind: 'claim' }> | undefined;
  /** Encrypted frames that the honest peer sent. */
  #sealed = 0;
  #receiveKey: Uint8Array | undefined;
  #piloting = true;
  /** When gaps cost something first. */
  #changedSince: Instant | undefined;
  /** The longest packet that came lately, and when. */
  #longest = 0;
  #longestAt = 0 as Instant;

  constructor(variant: Variant, seed: number) {
    this.variant = variant;
    const { role, method, settings } = variant;
    const other = role === 'server' ? 'client' : 'server';
    this.subject = new PptpEnd({
      ...this.#machines(role, method, seed, callIds.subject),
      settings,
      onEvent: (event) => this.#check(event),
      onPackets: (batch) => this.#deliver(batch),
      onRouterMessage: (packet) => this.deliveries?.take(packet.slice()),
    });
    this.#peer = new PptpEnd({
      ...this.#machines(other, method, seed + 1, callIds.peer),
      settings: {},
      onEvent: (event) => {
        if (event.kind === 'claim') this.#peer.ppp.handleVerdict(event.id, judge(event.claim, network), this.now);
      },
      onPackets: () => {},
      onRouterMessage: () => {},
    });
    this.#calls.take();
  }

  get state(): State {
    if (this.#told.has('closed')) return 'closed';
    const { phase } = this.subject.ppp;
    if (this.#told.has('goodbye') || this.#told.has('ended') || phase === 'closed') return 'closing';
    if (!this.#told.has('call')) return this.#started ? 'started' : 'starting';
    if (phase === 'dead') throw new Error('a call without PPP');
    return phase === 'network' && this.#told.has('up') ? 'up' : phase;
  }

  /** Brings the subject to `state`; throws where there is no way. */
  pilot(state: State): void {
    const isEnd = state === 'terminate' || state === 'closing' || state === 'closed';
    const target = isEnd ? 'up' : state;
    this.subject.drain(this.now);
    this.#take(0);
    for (let turn = 0; turn < 200 && this.state !== target; turn++) this.#turn(target);
    // The peer hears what is left, and says no more.
    this.#hear();
    const receive = this.#receiveKey;
    if (receive !== undefined) {
      const stateless = this.variant.stateful ? undefined : new MppePeer(receive).skip(this.#sealed);
      this.sealing = stateless ?? this.#statefulPeer(receive);
      this.deliveries = new Deliveries(stateless, this.#sealed - 1);
    }
    if (isEnd) this.subject.close({ cause: 'operator', detail: '' }, this.now);
    // PPP's goodbye had its time.
    if (state === 'closing') this.subject.control.close({ cause: 'operator', detail: '' }, this.now);
    if (state === 'closed') this.subject.control.handleEnd(undefined);
    this.#piloting = false;
    this.subject.drain(this.now);
    this.#take(0);
    if (this.state !== state) throw new Error(`no way to ${state}: it is ${this.state}`);
  }

  /** Bytes on the control connection, in one piece. */
  hitStream(bytes: Uint8Array): void {
    const isOver = this.state === 'closed';
    this.subject.handleStream(bytes, this.now);
    if (isOver && this.subject.stream.length + this.subject.packets.length > 0)
      throw new Error('it speaks after its end');
    this.#take(bytes.length);
  }

  /** GRE packets from the peer's address, which the port reads at once. Returns how many were the call's. */
  hitGre(packets: readonly Uint8Array[]): number {
    const own = packets.filter((packet) => this.#belongs(packet));
    const asked = own.reduce((most, packet) => Math.max(most, packet.length), this.#asked(0));
    this.#longest = asked;
    this.#longestAt = this.now;
    const batch = batchOf(own.map((packet) => packet.slice()));
    this.subject.handlePackets(batch, this.now);
    this.#take(asked);
    this.#checkCost();
    return own.length;
  }

  /** Whoever writes GRE's sequence numbers chooses how far the key has to go. */
  #checkCost(): void {
    const { data } = this.subject;
    if (data === undefined || data.keyChanges === 0) return;
    this.#changedSince ??= this.now;
    const { atOnce, aMilli, aFrame } = CHANGES;
    const most = atOnce + aMilli * (this.now - this.#changedSince) + aFrame * data.tunnel.stats.framesIn;
    if (data.keyChanges > most) throw new Error(`${data.keyChanges} key changes where there may be ${most}`);
  }

  /** A driver's clock: every deadline, for so long. */
  pass(time: number): void {
    const end = (this.now + time) as Instant;
    for (let calls = 0; ; calls++) {
      if (calls > MOST_CALLS) throw new Error('the call asks for ever more calls');
      const at = this.subject.pollTimeout();
      if (at === undefined || at > end) break;
      this.now = Math.max(this.now, at) as Instant;
      this.subject.handleTimeout(this.now);
      this.#take(this.#asked(0));
      const next = this.subject.pollTimeout();
      if (next !== undefined && next <= this.now) throw new Error('a deadline stays in the past');
    }
    this.now = end;
  }

  /** The honest peer's frames are behind it; the keystream begins anew with the first one of ours. */
  #statefulPeer(startKey: Uint8Array): StatefulMppePeer {
    const peer = new StatefulMppePeer(startKey);
    while (peer.next < this.#sealed) peer.frame(new Uint8Array(0), { flushed: true });
    return peer;
  }

  /** What is answered now: `length` bytes, or what waited for its turn. */
  #asked(length: number): number {
    return this.now <= this.#longestAt + HELD ? Math.max(length, this.#longest) : length;
  }

  #machines(role: Role, method: Method, seed: number, callId: number) {
    const stateful: MppeWish['stateful'] = this.variant.stateful ? 'preferred' : false;
    const common = {
      mppe: { ...mppe, stateful },
      mru: 1_400,
      echoInterval: 30_000,
      echoFailures: 3,
      handshakeWindow: 30_000,
    };
    const random = seededRandom(seed);
    const { now } = this;
    if (role === 'server') {
      const auth = serverMethod(method, seed);
      return {
        control: new PacConnection({ nextCallId: idsFrom(callId), now }),
        ppp: new PppSession({ ...common, role, auth, random }),
      };
    }
    const auth = clientMethod(method, seed);
    return {
      control: new PnsConnection({ callId, serial: 7, now }),
      ppp: new PppSession({ ...common, role, auth, random, ipv4: { dns: true }, ipv6: {} }),
    };
  }

  #check(event: ControlEvent | PppEvent): void {
    const last = isPpp(event) ? 'down' : 'closed';
    if (event.kind !== 'note' && this.#told.has(last)) throw new Error(`an event after the last one: ${event.kind}`);
    if (event.kind === 'claim') this.#claim = event;
    // Further calls of a hostile peer are bounded by the connection, and carry nothing here.
    if ((event.kind === 'call' || event.kind === 'ended') && event.callId !== callIds.subject) return;
    if (event.kind === 'call') this.#calls.connect(callIds.subject, this.subject, REMOTE, LOCAL);
    if (event.kind === 'ended') this.#calls.give(callIds.subject);
    if (event.kind === 'up') this.#receiveKey = event.terms.mppe.receive?.startKey;
    if (event.kind !== 'note') this.#told.add(event.kind);
  }

  #deliver(batch: PacketBatch): void {
    if (!this.#told.has('up')) throw new Error('data before the link is up');
    for (let slot = 0; slot < batch.count; slot++) {
      const [at = 0, length = 0] = [batch.offsets[slot], batch.lengths[slot]];
      if (at + length > batch.arena.length) throw new Error('a packet that does not lie in its batch');
    }
    // What was joined is not what was sent: it is counted, not compared.
    if ((this.variant.settings.join ?? 0) !== 0) return;
    for (const packet of packetsOf(batch)) this.deliveries?.take(packet);
  }

  #belongs(packet: Uint8Array): boolean {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
    if (!isGre(view, 0, packet.length)) return false;
    return this.#calls.find(callIdOf(view, 0), REMOTE, LOCAL) !== undefined;
  }

  /** Takes what the subject says, and holds it to what it may say. */
  #take(asked: number): void {
    const { stream, packets } = this.subject;
    if (stream.length > MOST_MESSAGES || packets.length > MOST_PACKETS) throw new Error('it answers with a flood');
    for (const message of stream) {
      if (message.length > LONGEST_MESSAGE) throw new Error(`a message of ${message.length} bytes`);
      const type = message[9];
      if (type === 7 || (type === 2 && message[14] === 1)) this.#started = true;
      if (type === 3 || type === 12 || type === 13) this.#told.add('goodbye');
    }
    for (const packet of packets) {
      if (packet.length > HEADER + Math.max(OWN_BYTES, asked + QUOTE_BYTES))
        throw new Error(`${asked} bytes were answered with ${packet.length}: ${Buffer.from(packet).toString('hex')}`);
      this.#note(packet);
    }
    this.delivered += this.deliveries?.settle() ?? 0;
    if (this.#piloting) return;
    stream.length = 0;
    packets.length = 0;
  }

  #note(packet: Uint8Array): void {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
    if ((view.getUint16(0) & 0x1000) === 0) return;
    this.acknowledgement = view.getInt32(8);
    this.subjectSaid.push(packet.subarray((view.getUint16(0) & 0x80) === 0 ? 12 : 16));
    if (this.subjectSaid.length > 200) this.subjectSaid.shift();
  }

  /** A message or packet each way, one at a time, so that the subject is stopped where it shall be. */
  #turn(target: State): void {
    this.#peer.drain(this.now);
    for (const message of this.#peer.stream.splice(0)) {
      this.subject.handleStream(message, this.now);
      this.#take(message.length);
      if (this.state === target) return;
    }
    for (const packet of this.#peer.packets.splice(0)) {
      if ((packet[0] ?? 0) & 0x10) this.sequence++;
      if (isEncryptedPacket(packet)) this.#sealed++;
      this.hitGre([packet]);
      if (this.state === target) return;
    }
    if (target !== 'authenticate' && this.#claim !== undefined) {
      this.subject.ppp.handleVerdict(this.#claim.id, judge(this.#claim.claim, network), this.now);
      this.#claim = undefined;
      this.subject.drain(this.now);
      this.#take(0);
      if (this.state === target) return;
    }
    this.#hear();
    this.now = (this.now + 1) as Instant;
    this.subject.handleTimeout(this.now);
    this.#take(this.#asked(0));
    this.#peer.handleTimeout(this.now);
  }

  #hear(): void {
    for (const message of this.subject.stream.splice(0)) this.#peer.handleStream(message, this.now);
    const packets = this.subject.packets.splice(0);
    if (packets.length > 0) this.#peer.handlePackets(batchOf(packets), this.now);
  }
}

function isPpp({ kind }: ControlEvent | PppEvent): boolean {
  return kind !== 'call' && kind !== 'ended' && kind !== 'closed';
}

function isEncryptedPacket(packet: Uint8Array): boolean {
  const front = ((packet[0] ?? 0) & 0x10) === 0 ? packet.length : (packet[1] ?? 0) & 0x80 ? 16 : 12;
  return countAt(packet.subarray(front)) !== undefined;
}
