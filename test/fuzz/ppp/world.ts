/** A session under test and its peer, in virtual time: brought to a state frame by frame, and hit there. */
import type { Instant } from '@culvert/base';
import { type MppeWish, type NetworkConfig, type PppEvent, PppSession } from '@culvert/ppp';
import { seededRandom } from '@culvert/testkit';
import { clientMethod, judge, type Method, serverMethod } from './methods.ts';

export type Role = 'server' | 'client';
export const states = ['establish', 'authenticate', 'network', 'up', 'terminate', 'closed'] as const;
export type State = (typeof states)[number];

export interface Variant {
  readonly role: Role;
  readonly method: Method;
  readonly mppe: MppeWish['need'] | undefined;
}

const strengths = [128] as const;
export const network: NetworkConfig = {
  ipv4: { local: '10.99.0.1', peer: '10.99.0.7', dns: ['10.99.0.53'] },
  ipv6: { prefix: 'fd00:99:0:7::/64', dns: [] },
};
/** Frames that one call may leave behind. A call answers, and begins what follows. */
const MOST_FRAMES = 12;
/** What a session says of itself is no longer. */
const OWN_BYTES = 128;
/** A fragment of a TLS flight, with its heads (RFC 5216, section 3.1). */
const FRAGMENT_BYTES = 1_040;
/** Any other answer is as long as its question, and these: a whole Protocol-Reject quotes a frame that came without its head. */
const QUOTE_BYTES = 9;
const MOST_CALLS = 2_000;

export class World {
  readonly subject: PppSession;
  readonly variant: Variant;
  readonly events: PppEvent[] = [];
  /** Frames of the peer, in order, and of the subject. */
  readonly peerSaid: Uint8Array[] = [];
  readonly subjectSaid: Uint8Array[] = [];
  now = 10_000 as Instant;
  readonly #peer: PppSession;
  #down = false;

  constructor(variant: Variant, seed: number) {
    this.variant = variant;
    const { role, method, mppe } = variant;
    const wish = mppe && { need: mppe, strengths, stateful: false };
    const common = { mppe: wish, echoInterval: 20_000 };
    const ipv4 = { dns: true };
    const server = { ...common, role: 'server', auth: serverMethod(method, seed), random: seededRandom(seed) } as const;
    const client = {
      ...common,
      role: 'client',
      auth: clientMethod(method, seed + 1),
      random: seededRandom(seed + 1),
      ipv4,
      ipv6: {},
    } as const;
    this.subject = new PppSession(role === 'server' ? server : client);
    this.#peer = new PppSession(role === 'server' ? client : server);
  }

  /** Brings the subject to `state`; false where it does not get there. */
  pilot(state: State): boolean {
    this.subject.open(this.now);
    this.#peer.open(this.now);
    const target = state === 'terminate' || state === 'closed' ? 'up' : state;
    for (let turn = 0; turn < 200 && this.state !== target; turn++) this.#turn(target);
    if (this.state !== target) return false;
    if (state === 'terminate' || state === 'closed') this.subject.close({ cause: 'operator', detail: '' }, this.now);
    if (state === 'closed') this.subject.carrierLost(this.now);
    this.drain(0);
    return this.state === state;
  }

  get state(): State | 'dead' {
    const { phase } = this.subject;
    return phase === 'network' && this.events.some(({ kind }) => kind === 'up') ? 'up' : phase;
  }

  /** One frame of the peer's hand. */
  hit(frame: Uint8Array): void {
    this.subject.handleFrame(frame.slice(), this.now);
    this.drain(frame.length);
  }

  hitPacket(packet: Uint8Array): void {
    this.subject.handlePacket(packet.slice(), this.now);
    this.drain(packet.length);
  }

  /** A driver's clock: every deadline, for so long. */
  pass(time: number): void {
    const end = (this.now + time) as Instant;
    for (let calls = 0; ; calls++) {
      if (calls > MOST_CALLS) throw new Error('the session asks for ever more calls');
      const at = this.subject.pollTimeout();
      if (at === undefined || at > end) break;
      this.now = Math.max(this.now, at) as Instant;
      this.subject.handleTimeout(this.now);
      this.drain(0);
      const next = this.subject.pollTimeout();
      if (next !== undefined && next <= this.now) throw new Error('a deadline stays in the past');
    }
    this.now = end;
  }

  /** Takes what the subject has, as a driver does, and holds it to what it may do. */
  drain(asked: number): void {
    let frames = 0;
    for (let f = this.subject.pollTransmit(); f !== undefined; f = this.subject.pollTransmit()) {
      if (this.#down && this.state === 'closed' && asked > 0) throw new Error('it speaks after its end');
      if (++frames > MOST_FRAMES) throw new Error('it answers with a flood');
      const own = this.variant.method === 'eap-tls' ? FRAGMENT_BYTES : OWN_BYTES;
      if (f.length > Math.max(own, asked + QUOTE_BYTES))
        throw new Error(`${asked} bytes were answered with ${f.length}`);
      this.subjectSaid.push(f);
      if (this.subjectSaid.length > 200) this.subjectSaid.shift();
    }
    for (let p = this.subject.pollPacket(); p !== undefined; p = this.subject.pollPacket()) {
      if (++frames > MOST_FRAMES) throw new Error('it sends a flood of packets');
    }
    for (let e = this.subject.pollEvent(); e !== undefined; e = this.subject.pollEvent()) this.#check(e);
  }

  #check(event: PppEvent): void {
    if (this.#down) throw new Error(`an event after down: ${event.kind}`);
    if (event.kind === 'down') this.#down = true;
    if (event.kind !== 'note') this.events.push(event);
    if (event.kind !== 'up' && event.kind !== 'changed') return;
    const { ipv4, ipv6, mppe, mtu } = event.terms;
    if (this.variant.mppe === 'required' && (mppe.send === undefined || mppe.receive === undefined))
      throw new Error('up without the encryption that is required');
    if (this.variant.role === 'server' && ipv4 !== undefined && ipv4.peer !== network.ipv4?.peer)
      throw new Error(`the peer has the address ${ipv4.peer}`);
    if (ipv4 === undefined && ipv6 === undefined && event.kind === 'up') throw new Error('up without an address');
    if (mtu < 100) throw new Error(`an MTU of ${mtu}`);
  }

  /** One frame each way, one at a time, so that the subject is stopped where it shall be. */
  #turn(target: State): void {
    for (let f = this.#peer.pollTransmit(); f !== undefined; f = this.#peer.pollTransmit()) {
      this.peerSaid.push(f);
      this.hit(f);
      if (this.state === target) return;
    }
    const before = this.subjectSaid.length;
    this.#admit(target);
    this.drain(0);
    for (const frame of this.subjectSaid.splice(0, before)) this.#hear(frame);
    for (const frame of this.subjectSaid.splice(0)) this.#hear(frame);
    this.now = (this.now + 1) as Instant;
    this.subject.handleTimeout(this.now);
    this.#peer.handleTimeout(this.now);
    this.drain(0);
  }

  #hear(frame: Uint8Array): void {
    this.#peer.handleFrame(frame, this.now);
    for (let e = this.#peer.pollEvent(); e !== undefined; e = this.#peer.pollEvent()) {
      if (e.kind === 'claim') this.#peer.handleVerdict(e.id, judge(e.claim, network), this.now);
    }
  }

  #admit(target: State): void {
    if (target === 'authenticate') return;
    const claim = this.events.findLast((event) => event.kind === 'claim');
    if (claim !== undefined) this.subject.handleVerdict(claim.id, judge(claim.claim, network), this.now);
  }
}
