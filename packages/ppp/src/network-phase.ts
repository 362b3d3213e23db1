/**
 * The network phase: CCP, IPV6CP and IPCP beside each other, then router advertisements (RFC 1661, section 3.6).
 *
 * Owns when each begins, and when the link can carry data. Where MPPE is wanted CCP goes first, because Linux drops what comes to the others
 * before; a peer that begins one of them itself (Windows sends all three at once) is answered.
 */
import type { CloseCause, Instant, Millis } from '@culvert/base';
import { State } from './automaton.ts';
import { CcpPolicy, type MppeWish } from './ccp-policy.ts';
import type { ControlEvent } from './control-face.ts';
import { ControlProtocol } from './control-protocol.ts';
import type { IpcpPolicy } from './ipcp-policy.ts';
import type { Ipv6cpPolicy } from './ipv6cp-policy.ts';
import type { ControlPacket } from './packet.ts';
import type { OptionPolicy } from './policy.ts';
import { PppProtocol } from './protocol.ts';

// Fixed by RFC 1962, sections 2 and 2.1.
const RESET_REQUEST = 14;
const RESET_ACK = 15;

// Chosen by us.
/** A Reset-Request without answer is asked again, once so much time has passed. */
const RESET_WAIT: Millis = 1_000;
/** CCP alone may take so long where encryption is optional: then the others begin too. */
const CCP_ALONE: Millis = 3_000;
/** With one network protocol open, the other one is waited for so long. */
const OTHER_PROTOCOL: Millis = 5_000;

/**
 * So often our CCP request goes out before we acknowledge the peer's without an answer: 5 s, which, while one packet in ten is lost each way,
 * do for all but one in a hundred, and 2 s for a server, so that two ends of ours that wait for each other do not wait long.
 */
const CLIENT_PATIENCE = 3;
const SERVER_PATIENCE = 2;

export interface NetworkPhaseOptions {
  readonly role: 'server' | 'client';
  /** The peer is pppd or of its kin, by what it asked for in LCP. */
  readonly isPppd: boolean;
  /** Undefined: no encryption. CCP is then rejected. */
  readonly mppe: MppeWish | undefined;
  /** Undefined: not for this peer. */
  readonly ipcp: IpcpPolicy | undefined;
  readonly ipv6cp: Ipv6cpPolicy | undefined;
  /** The longest packet that the peer takes. */
  readonly longest: number;
}

export type NetworkEvent =
  /** What is open, and what it says, may be other than before. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'encryption-reset' }
  | { readonly kind: 'failed'; readonly cause: CloseCause; readonly reason: string }
  | Extract<ControlEvent, { readonly kind: 'note' }>;

interface Layer {
  readonly control: ControlProtocol;
  readonly policy: OptionPolicy;
  status: 'waiting' | 'begun' | 'open' | 'gone';
}

/** Why a protocol will not be open. */
interface Gone {
  /** Undefined: the peer ended it. */
  readonly reason: string | undefined;
  /** Nobody said so: our requests stayed without an answer. */
  readonly unanswered: boolean;
}

export class NetworkPhase {
  readonly ccp: CcpPolicy | undefined;
  readonly #options: NetworkPhaseOptions;
  /** In the order in which they begin. */
  readonly #layers = new Map<number, Layer>();
  readonly #transmits: { readonly protocol: number; readonly packet: Uint8Array }[] = [];
  readonly #events: NetworkEvent[] = [];
  #ccpAlone: Instant | undefined;
  /** Until then the peer has time to answer our Reset-Request `id`. */
  #reset: { readonly id: number; readonly until: Instant } | undefined;
  #otherProtocol: Instant | undefined;
  #waited = false;
  #up = false;

  constructor(options: NetworkPhaseOptions, now: Instant) {
    this.#options = options;
    const { mppe, ipcp, ipv6cp } = options;
    this.ccp = mppe === undefined ? undefined : new CcpPolicy(mppe);
    for (const policy of [this.ccp, ipv6cp, ipcp]) {
      if (policy !== undefined) this.#layers.set(policy.protocol, this.#createLayer(policy));
    }
    if (ipcp === undefined && ipv6cp === undefined) this.#fail('error', 'no network protocol is configured');
    if (this.ccp === undefined) this.#beginAll(now);
    else {
      this.#begin(PppProtocol.ccp, now);
      if (mppe?.need === 'optional') this.#ccpAlone = (now + CCP_ALONE) as Instant;
    }
  }

  get malformed(): number {
    return this.#sum('malformed');
  }
  get unexpected(): number {
    return this.#sum('unexpected');
  }

  isOpen(protocol: number): boolean {
    return this.#layers.get(protocol)?.status === 'open';
  }

  /**
   * Data may flow: encryption is settled, and so are the network protocols, or one is and the other had its time. A client with IPv6 alone
   * goes on waiting: as yet it has no address but a link-local one, and few servers have more.
   */
  get isReady(): boolean {
    const network = this.#networkLayers;
    if (!this.#isSettled(PppProtocol.ccp) || !network.some(({ status }) => status === 'open')) return false;
    const allSettled = network.every(({ status }) => status === 'open' || status === 'gone');
    const hasAddress = this.#options.role === 'server' || this.isOpen(PppProtocol.ipcp);
    return allSettled || (this.#waited && hasAddress);
  }

  // In: what happened.
  /** False: no protocol of ours. */
  handlePacket(protocol: number, packet: Uint8Array, now: Instant): boolean {
    const layer = this.#layers.get(protocol);
    if (layer === undefined) return false;
    // Without encryption once, the link has none: CCP does not come back.
    if (layer.status === 'gone' && this.#isCcp(layer) && layer.control.state !== State.closing) return false;
    this.#begin(protocol, now);
    layer.control.handlePacket(packet, now);
    this.#collect(layer, now);
    return true;
  }

  handleProtocolReject(protocol: number, now: Instant): void {
    const layer = this.#layers.get(protocol);
    if (layer === undefined) return;
    layer.control.handleProtocolReject(now);
    this.#collect(layer, now);
  }

  handleTimeout(now: Instant): void {
    for (const layer of this.#layers.values()) {
      layer.control.handleTimeout(now);
      this.#collect(layer, now);
    }
    if (this.#ccpAlone !== undefined && now >= this.#ccpAlone) this.#beginAll(now);
    if (this.#otherProtocol === undefined || now < this.#otherProtocol) return;
    this.#otherProtocol = undefined;
    this.#waited = true;
    this.#changed();
  }

  /** We lost our place in the peer's stateful MPPE: ask for a flushed packet, unless that is under way. */
  requestReset(now: Instant): void {
    const layer = this.#layers.get(PppProtocol.ccp);
    if (layer?.status !== 'open' || (this.#reset !== undefined && now < this.#reset.until)) return;
    const id = layer.control.send(RESET_REQUEST, new Uint8Array(0));
    this.#reset = { id, until: (now + RESET_WAIT) as Instant };
    this.#collectTransmits(layer);
  }

  /** Data flows from now on: what encrypts it stays. */
  handleUp(): void {
    this.#otherProtocol = undefined;
    this.#up = true;
  }

  // Out: what to do next.
  pollTransmit(): { readonly protocol: number; readonly packet: Uint8Array } | undefined {
    return this.#transmits.shift();
  }
  pollEvent(): NetworkEvent | undefined {
    return this.#events.shift();
  }
  pollTimeout(): Instant | undefined {
    const restarts = [...this.#layers.values()].map(({ control }) => control.pollTimeout());
    const all = [...restarts, this.#ccpAlone, this.#otherProtocol].filter((at) => at !== undefined);
    return all.length === 0 ? undefined : (Math.min(...all) as Instant);
  }

  #createLayer(policy: OptionPolicy): Layer {
    const control = new ControlProtocol({
      policy,
      longest: () => this.#options.longest,
      patience: policy.protocol === PppProtocol.ccp ? this.#patience : 0,
      knows: (code) => policy.protocol === PppProtocol.ccp && (code === RESET_REQUEST || code === RESET_ACK),
    });
    return { control, policy, status: 'waiting' };
  }

  /** pppd ends the link when its CCP is open and our request comes again. */
  get #patience(): number {
    const { role, isPppd } = this.#options;
    if (role === 'client') return CLIENT_PATIENCE;
    return isPppd ? SERVER_PATIENCE : 0;
  }

  #beginAll(now: Instant): void {
    this.#ccpAlone = undefined;
    for (const protocol of this.#layers.keys()) this.#begin(protocol, now);
  }

  #begin(protocol: number, now: Instant): void {
    const layer = this.#layers.get(protocol);
    if (layer?.status !== 'waiting') return;
    layer.status = 'begun';
    layer.control.open(now);
    layer.control.lowerUp(now);
    this.#collect(layer, now);
  }

  #collectTransmits({ control, policy }: Layer): void {
    for (let packet = control.pollTransmit(); packet !== undefined; packet = control.pollTransmit()) {
      this.#transmits.push({ protocol: policy.protocol, packet });
    }
  }

  #collect(layer: Layer, now: Instant): void {
    this.#collectTransmits(layer);
    for (let event = layer.control.pollEvent(); event !== undefined; event = layer.control.pollEvent()) {
      this.#handleEvent(layer, event, now);
    }
  }

  #handleEvent(layer: Layer, event: ControlEvent, now: Instant): void {
    switch (event.kind) {
      case 'note':
        this.#events.push(event);
        return;
      case 'packet':
        this.#handleReset(layer, event.packet);
        return;
      case 'up':
        layer.status = 'open';
        this.#handleSettled(layer, now);
        return;
      case 'down':
        layer.status = 'begun';
        // Never back to clear text, and never old keys under new counts.
        if (this.#up && this.#isCcp(layer)) this.#fail('protocol', 'the peer took the encryption down');
        this.#changed();
        return;
      case 'failed':
        this.#note(event.reason, layer);
        layer.control.close(now);
        this.#collectTransmits(layer);
        this.#handleGone(layer, { reason: event.reason, unanswered: false }, now);
        return;
      case 'finished':
        this.#handleGone(layer, { reason: `the peer does not answer ${layer.policy.name}`, unanswered: true }, now);
        return;
      case 'terminated':
        // A peer that ends it before it is open does not want it (Windows: CCP, for it has IPsec).
        if (layer.status !== 'begun') return;
        this.#note('the peer ends it', layer);
        layer.control.close(now);
        this.#collectTransmits(layer);
        this.#handleGone(layer, { reason: undefined, unanswered: false }, now);
        return;
    }
  }

  /** What comes behind a Reset-Ack is flushed: whoever misses it still may ask at once. */
  #handleReset(layer: Layer, { code, id }: ControlPacket): void {
    if (code === RESET_ACK && id === this.#reset?.id) this.#reset = undefined;
    if (code !== RESET_REQUEST || layer.status !== 'open') return;
    layer.control.answer(RESET_ACK, id, new Uint8Array(0));
    this.#collectTransmits(layer);
    this.#events.push({ kind: 'encryption-reset' });
  }

  /** Silence is no refusal: what was lost on the way may come through the next time. */
  #handleGone(layer: Layer, { reason, unanswered }: Gone, now: Instant): void {
    if (layer.status === 'gone') return;
    layer.status = 'gone';
    const isRequired = this.#isCcp(layer) && this.#options.mppe?.need === 'required';
    if (isRequired) {
      this.#fail(unanswered ? 'lost' : 'refused', `encryption is required: ${reason ?? 'the peer has none'}`);
      return;
    }
    if (this.#networkLayers.every(({ status }) => status === 'gone')) {
      this.#fail(unanswered ? 'lost' : 'protocol', reason ?? 'no network protocol in common');
      return;
    }
    this.#handleSettled(layer, now);
  }

  #handleSettled(layer: Layer, now: Instant): void {
    if (this.#isCcp(layer)) this.#beginAll(now);
    else if (layer.status === 'open' && !this.#waited) this.#otherProtocol ??= (now + OTHER_PROTOCOL) as Instant;
    this.#changed();
  }

  #changed(): void {
    this.#events.push({ kind: 'changed' });
  }
  #isCcp(layer: Layer): boolean {
    return layer.policy.protocol === PppProtocol.ccp;
  }
  get #networkLayers(): Layer[] {
    return [...this.#layers.values()].filter((layer) => !this.#isCcp(layer));
  }

  #isSettled(protocol: number): boolean {
    const status = this.#layers.get(protocol)?.status;
    return status === undefined || status === 'open' || status === 'gone';
  }

  #sum(counter: 'malformed' | 'unexpected'): number {
    return [...this.#layers.values()].reduce((sum, { control }) => sum + control.stats[counter], 0);
  }

  #fail(cause: CloseCause, reason: string): void {
    this.#events.push({ kind: 'failed', cause, reason });
  }
  #note(what: string, { policy }: Layer): void {
    this.#events.push({ kind: 'note', message: `${policy.name}: ${what}`, fields: {} });
  }
}
