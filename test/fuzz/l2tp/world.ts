/** An endpoint under test, an honest peer that brings it to a state, and a driver that holds it to what it may do. */
import type { Instant, PacketBatch } from '@culvert/base';
import { L2tpEndpoint, type L2tpEvent, type Session } from '@culvert/l2tp';
import { batchOf, seededRandom } from '@culvert/testkit';

export type Role = 'lns' | 'lac';
/** idle: no tunnel. asked: ICRQ was sent and not answered. connecting: ICRP was sent. */
export const states = {
  lns: ['idle', 'starting', 'up', 'connecting', 'session', 'closing', 'lingering'],
  lac: ['starting', 'asked', 'session', 'closing', 'lingering'],
} as const;
export type State = (typeof states)[Role][number];

/** After how many packets of the honest peer the subject is in the state. Ends begin where a session is up. */
const steps: Readonly<Record<Role, Readonly<Partial<Record<State, number>>>>> = {
  lns: { idle: 0, starting: 1, up: 2, connecting: 3, session: 4, closing: 4, lingering: 4 },
  lac: { starting: 0, asked: 1, session: 2, closing: 2, lingering: 2 },
};

const CARRIER = 'the wire';
/** Packets that one call may leave behind: what was said again, and answers. */
const MOST_PACKETS = 24;
/** What it says is no longer. */
const LONGEST = 400;
/** How the AVP begins that tells the subject's tunnel id. */
const ASSIGNED_TUNNEL_ID = Buffer.from('800800000009', 'hex');
const MOST_CALLS = 2_000;
const operator = { cause: 'operator', detail: '' } as const;

export class World {
  readonly subject: L2tpEndpoint;
  now = 10_000 as Instant;
  /** What comes next on the wire to the subject: its tunnel and session ids, and the numbers. */
  readonly next = { tunnelId: 0, sessionId: 0, ns: 0, nr: 0 };
  readonly #peer: L2tpEndpoint;
  readonly #closed = new Set<Session>();
  #frames = 0;

  constructor(role: Role, secret: Uint8Array | undefined, seed: number) {
    const onFrames = (_: Session, batch: PacketBatch, first: number, count: number) => {
      for (let slot = first; slot < first + count; slot++) {
        const [at = 0, length = 0] = [batch.offsets[slot], batch.lengths[slot]];
        if (at + length > batch.arena.length) throw new Error('a frame that does not lie in its packet');
        if (length > 0) this.#frames++;
      }
    };
    const common = { hostName: 'culvert', secret, sessionsPerTunnel: 4, onFrames };
    this.subject = new L2tpEndpoint({ ...common, random: seededRandom(seed), answers: role === 'lns' });
    this.#peer = new L2tpEndpoint({ ...common, random: seededRandom(seed + 1), onFrames: () => {} });
  }

  get frames(): number {
    return this.#frames;
  }

  /** Brings the subject there; throws where there is no way. */
  pilot(role: Role, state: State): void {
    const caller = role === 'lns' ? this.#peer : this.subject;
    const call = caller.dial(CARRIER, this.now);
    const wanted = steps[role][state] ?? 0;
    for (let turn = 0, told = 0; turn < 40 && told < wanted; turn++) {
      for (const packet of this.drain()) this.#tellPeer(packet);
      for (let t = this.#peer.pollTransmit(); t !== undefined && told < wanted; t = this.#peer.pollTransmit()) {
        if (t.datagram.length > 12) told++;
        this.#note(t.datagram);
        this.hit(t.datagram, (packet) => this.#tellPeer(packet));
      }
    }
    if (state === 'closing') this.subject.shutdown(operator, this.now);
    if (state === 'lingering') {
      if (role === 'lns' && call !== undefined) this.#peer.close(call, operator, this.now);
      this.#peer.shutdown(operator, this.now);
      for (let t = this.#peer.pollTransmit(); t !== undefined; t = this.#peer.pollTransmit()) {
        this.#note(t.datagram);
        this.hit(t.datagram, (packet) => this.#tellPeer(packet));
      }
    }
    for (const packet of this.drain()) this.#tellPeer(packet);
    if (this.subject.tunnelCount !== (state === 'idle' ? 0 : 1)) throw new Error(`no way to ${role} ${state}`);
  }

  hit(datagram: Uint8Array, hear: (packet: Uint8Array) => void = () => {}): void {
    const batch = batchOf([datagram]);
    this.subject.handleBatch(batch, 0, batch.count, CARRIER, this.now);
    for (const packet of this.drain()) hear(packet);
  }
  /** Over a carrier on which nobody has a tunnel; no SCCRQ. */
  stray(datagram: Uint8Array): void {
    const batch = batchOf([datagram]);
    this.subject.handleBatch(batch, 0, batch.count, 'elsewhere', this.now);
    if (this.drain().length > 0) throw new Error('a stranger was answered');
  }

  /** A driver's clock: every deadline, for so long. */
  pass(time: number): void {
    const end = (this.now + time) as Instant;
    for (let calls = 0; ; calls++) {
      if (calls > MOST_CALLS) throw new Error('it asks for ever more calls');
      const at = this.subject.pollTimeout();
      if (at === undefined || at > end) break;
      this.now = Math.max(this.now, at) as Instant;
      this.subject.handleTimeout(this.now);
      this.drain();
      const next = this.subject.pollTimeout();
      if (next !== undefined && next <= this.now) throw new Error('a deadline stays in the past');
    }
    this.now = end;
  }

  drain(): Uint8Array[] {
    const packets: Uint8Array[] = [];
    for (let t = this.subject.pollTransmit(); t !== undefined; t = this.subject.pollTransmit()) {
      if (packets.push(t.datagram) > MOST_PACKETS) throw new Error('it answers with a flood');
      if (t.datagram.length > LONGEST) throw new Error(`it says ${t.datagram.length} bytes`);
      const given = Buffer.from(t.datagram).indexOf(ASSIGNED_TUNNEL_ID);
      if (given > 0) this.next.tunnelId = Buffer.from(t.datagram).readUInt16BE(given + 6);
      if (t.datagram.length > 12) this.next.nr = (((t.datagram[8] ?? 0) << 8) | (t.datagram[9] ?? 0)) + 1;
    }
    for (let e = this.subject.pollEvent(); e !== undefined; e = this.subject.pollEvent()) this.#check(e);
    return packets;
  }

  #check(event: L2tpEvent): void {
    if (event.kind === 'note' || event.kind === 'refused') return;
    if (this.#closed.has(event.session)) throw new Error(`${event.kind} after the end of a session`);
    if (event.kind === 'closed') this.#closed.add(event.session);
  }

  #tellPeer(packet: Uint8Array): void {
    const batch = batchOf([packet]);
    this.#peer.handleBatch(batch, 0, batch.count, CARRIER, this.now);
    while (this.#peer.pollEvent() !== undefined);
  }

  /** Remembers the numbers of a packet to the subject. */
  #note(datagram: Uint8Array): void {
    const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
    this.next.tunnelId = view.getUint16(4) || this.next.tunnelId;
    this.next.sessionId = view.getUint16(6) || this.next.sessionId;
    if (datagram.length > 12) this.next.ns = (view.getUint16(8) + 1) & 0xffff;
  }
}
