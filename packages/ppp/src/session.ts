/**
 * A PPP session, either role: the phases of RFC 1661, section 3, over a carrier that moves whole frames.
 *
 *   dead ── open ──► establish (LCP) ──► authenticate ──► network (CCP, IPCP, IPV6CP) ──► terminate ──► closed
 *
 * Owns the order of the phases and the reason of the end. It takes control frames; packets of the network protocols pass by it, save
 * router advertisements (`isRouterMessage`). Sans-IO: call an input, then drain `pollTransmit`, `pollPacket`, `pollEvent`, `pollTimeout`.
 */
import type { CloseCause, CloseReason, Instant, Millis } from '@culvert/base';
import { Authentication } from './authentication.ts';
import { State } from './automaton.ts';
import type { PppEvent, PppSessionOptions, PppStats, PppVerdict } from './face.ts';
import { decodeFrame } from './frame.ts';
import { Lcp, type LcpEvent } from './lcp.ts';
import type { AuthName } from './lcp-policy.ts';
import { NetworkPlan, type PlanEvent } from './network-plan.ts';
import { Outlet } from './outlet.ts';
import { PppProtocol } from './protocol.ts';
import { handshakeWindowOf, lcpOptionsOf } from './session-options.ts';
import { goodbyes, lateness, noProof } from './session-words.ts';
import { type Goodbye, isRefusal } from './terminate.ts';

// Chosen by us.
/** Before it has shown itself a peer may begin LCP anew so often. */
const MOST_BEGINNINGS = 5;
/** What a peer may begin and never ends, ends by then. */
const TERMINATE_WINDOW: Millis = 5_000;

type Phase = 'dead' | 'establish' | 'authenticate' | 'network' | 'terminate' | 'closed';

export class PppSession {
  readonly #options: PppSessionOptions;
  readonly #lcp: Lcp;
  readonly #plan: NetworkPlan;
  readonly #out = new Outlet();
  readonly #counts = { malformed: 0, unexpected: 0, unknown: 0 };
  #phase: Phase = 'dead';
  #authentication: Authentication | undefined;
  /** What the server asked for in the authentication that has ended, and did not get. */
  #refusal: string | undefined;
  /** Somebody outside acts on what was agreed: admission, or the data path. LCP cannot begin anew any more. */
  #committed = false;
  #beginnings = 0;
  #reason: CloseReason | undefined;
  #goodbye: Goodbye | undefined;
  #window: Instant | undefined;

  constructor(options: PppSessionOptions) {
    this.#options = options;
    this.#lcp = new Lcp(lcpOptionsOf(options));
    this.#plan = new NetworkPlan(options);
  }

  get phase(): Phase {
    return this.#phase;
  }

  get stats(): PppStats {
    const { malformed, unexpected } = this.#counts;
    const [lcp, plan] = [this.#lcp.stats, this.#plan];
    return {
      ...this.#counts,
      dropped: this.#out.dropped,
      malformed: malformed + lcp.malformed + plan.malformed,
      unexpected: unexpected + lcp.unexpected + plan.unexpected,
    };
  }

  // In: what happened.
  /** The carrier is up. */
  open(now: Instant): void {
    if (this.#phase !== 'dead') return;
    this.#phase = 'establish';
    this.#window = (now + handshakeWindowOf(this.#options)) as Instant;
    this.#lcp.open(now);
    this.#drainLcp(now);
  }

  /** Say goodbye and end; `down` follows when the peer has answered, or soon. The peer is told the cause and not the detail. */
  close(reason: CloseReason, now: Instant): void {
    this.#terminate(reason, goodbyes[reason.cause], now);
  }

  /** The carrier is gone: nothing can be said any more. */
  carrierLost(now: Instant): void {
    if (this.#phase === 'closed') return;
    this.#lcp.lowerDown(now);
    this.#end(this.#because({ cause: 'lost', detail: 'the connection below PPP ended' }));
  }

  /** One frame of the peer, with or without address and control. What is not understood is counted. */
  handleFrame(bytes: Uint8Array, now: Instant): void {
    if (this.#phase === 'dead' || this.#phase === 'closed') return;
    const frame = decodeFrame(bytes);
    if (frame === undefined) {
      this.#counts.malformed++;
      return;
    }
    const { protocol, payload } = frame;
    this.#lcp.heard(now);
    if (protocol === PppProtocol.lcp) this.#lcp.handlePacket(payload, now);
    else if (protocol === PppProtocol.pap || protocol === PppProtocol.chap || protocol === PppProtocol.eap)
      this.#handleAuth(protocol, payload, now);
    else {
      this.#handleNetworkBegun(now);
      if (this.#phase === 'network' && !isData(protocol)) this.#handleNetwork(protocol, payload, now);
      else this.#counts.unexpected++;
    }
    this.#drain(now);
  }

  /** A router message that came over the data path: `isRouterMessage` says which. */
  handlePacket(packet: Uint8Array, now: Instant): void {
    if (!this.#plan.isUp || this.#phase !== 'network') return;
    this.#plan.handlePacket(packet, now);
    this.#drain(now);
  }

  /** Something authentic of the peer came over the data path: it lives. */
  heard(now: Instant): void {
    this.#lcp.heard(now);
  }

  /** A server: what admission says to the claim `id`. */
  handleVerdict(id: number, verdict: PppVerdict, now: Instant): void {
    if (this.#phase !== 'authenticate' && this.#phase !== 'network') return;
    if (this.#authentication?.handleVerdict(id, verdict, now) !== true) return;
    const network = verdict.kind === 'admitted' ? verdict.network : undefined;
    if (network !== undefined && this.#phase === 'authenticate') this.#plan.give(network);
    this.#drain(now);
  }

  /** We lost our place in the peer's stateful MPPE. Call it for each packet that cannot be read: the peer is asked once a second. */
  requestEncryptionReset(now: Instant): void {
    this.#plan.requestReset(now);
    this.#drain(now);
  }

  handleTimeout(now: Instant): void {
    if (this.#phase === 'dead' || this.#phase === 'closed') return;
    this.#lcp.handleTimeout(now);
    this.#authentication?.handleTimeout(now);
    this.#plan.handleTimeout(now);
    this.#drain(now);
    if (this.#window !== undefined && now >= this.#window) this.#handleWindow(now);
  }

  // Out: what to do next.
  /** Frames of control protocols, with address and control. */
  pollTransmit(): Uint8Array | undefined {
    return this.#out.pollFrame();
  }
  /** IP packets of the session's own, for the data path. */
  pollPacket(): Uint8Array | undefined {
    return this.#phase === 'network' ? this.#plan.pollPacket() : undefined;
  }
  pollEvent(): PppEvent | undefined {
    return this.#out.pollEvent();
  }
  /** When to call `handleTimeout`. Early is harmless; late costs quality, not correctness. */
  pollTimeout(): Instant | undefined {
    if (this.#phase === 'dead' || this.#phase === 'closed') return undefined;
    const all = [
      this.#lcp.pollTimeout(),
      this.#authentication?.pollTimeout(),
      this.#plan.pollTimeout(),
      this.#window,
    ].filter((at) => at !== undefined);
    return all.length === 0 ? undefined : (Math.min(...all) as Instant);
  }

  #handleAuth(protocol: number, packet: Uint8Array, now: Instant): void {
    const isTime = this.#phase === 'authenticate' || this.#phase === 'network';
    if (!isTime || this.#authentication?.protocol !== protocol) this.#counts.unexpected++;
    else this.#authentication.handlePacket(packet, now);
  }

  /** A client whose method is content needs no Success, and a server's Success was heard. */
  #handleNetworkBegun(now: Instant): void {
    if (this.#phase !== 'authenticate' && this.#phase !== 'network') return;
    this.#authentication?.handleNetworkBegun();
    this.#drainAuthentication(now);
  }

  #handleNetwork(protocol: number, packet: Uint8Array, now: Instant): void {
    if (this.#plan.handleControl(protocol, packet, now)) return;
    this.#counts.unknown++;
    this.#lcp.rejectProtocol(protocol, packet);
  }

  #handleWindow(now: Instant): void {
    this.#window = undefined;
    if (this.#phase === 'terminate') this.#end();
    else this.#terminate(this.#because({ cause: 'lost', detail: `${lateness[this.#phase]}` }), 'time is over', now);
  }

  /** What the parts made is moved out in the order in which they made it. */
  #drain(now: Instant): void {
    this.#drainLcp(now);
    this.#drainAuthentication(now);
    this.#drainNetwork(now);
    this.#takeFrames();
  }

  #drainLcp(now: Instant): void {
    this.#takeFrames();
    for (let event = this.#lcp.pollEvent(); event !== undefined; event = this.#lcp.pollEvent()) {
      this.#handleLcpEvent(event, now);
    }
    this.#takeFrames();
  }

  #drainAuthentication(now: Instant): void {
    for (;;) {
      this.#takeFrames();
      const event = this.#authentication?.pollEvent();
      if (event === undefined) return;
      if (event.kind === 'claim') {
        this.#committed = true;
        this.#out.tell(event);
      } else if (event.kind === 'failed') {
        const { reason: detail, unanswered } = event;
        if (unanswered) this.#terminate(this.#because({ cause: 'lost', detail }), goodbyes.lost, now);
        else this.#terminate({ cause: 'refused', detail }, goodbyes.refused, now);
      } else if (this.#phase === 'authenticate') this.#beginNetwork(now);
    }
  }

  #drainNetwork(now: Instant): void {
    for (;;) {
      this.#takeFrames();
      const event = this.#plan.pollEvent();
      if (event === undefined) return;
      this.#handleNetworkEvent(event, now);
    }
  }

  #takeFrames(): void {
    for (let p = this.#lcp.pollTransmit(); p !== undefined; p = this.#lcp.pollTransmit())
      this.#out.send(PppProtocol.lcp, p);
    const auth = this.#authentication;
    for (let p = auth?.pollTransmit(); auth && p !== undefined; p = auth.pollTransmit())
      this.#out.send(auth.protocol, p);
    const plan = this.#plan;
    for (let t = plan.pollTransmit(); t !== undefined; t = plan.pollTransmit()) this.#out.send(t.protocol, t.packet);
  }

  #handleLcpEvent(event: LcpEvent, now: Instant): void {
    switch (event.kind) {
      case 'note':
        this.#out.note(event.message, event.fields);
        return;
      case 'up':
        this.#handleLinkUp(now);
        return;
      case 'down':
        this.#handleLinkDown(now);
        return;
      case 'terminated':
        this.#handleGoodbye(event.goodbye, now);
        return;
      case 'failed':
        this.#terminate(this.#because({ cause: 'protocol', detail: event.reason }), event.reason, now);
        return;
      case 'silent':
        this.#terminate({ cause: 'lost', detail: 'the peer stopped answering' }, goodbyes.lost, now);
        return;
      case 'protocol-rejected':
        this.#handleProtocolRejected(event.protocol, now);
        return;
      case 'finished':
        this.#end(this.#because({ cause: 'lost', detail: 'the peer does not answer LCP' }));
        return;
    }
  }

  #handleLinkUp(now: Instant): void {
    if (this.#phase !== 'establish') return;
    const { role, auth } = this.#options;
    const chosen = role === 'server' ? this.#lcp.policy.required : this.#lcp.policy.peer.authentication;
    if (chosen === undefined) {
      const isSure = role === 'server' || auth.length === 0 || this.#options.acceptNoAuthentication === true;
      if (isSure) {
        this.#beginNetwork(now);
        return;
      }
      const detail = noProof(this.#lcp.policy.demands.sentence);
      this.#terminate({ cause: 'refused', detail }, goodbyes.refused, now);
      return;
    }
    this.#phase = 'authenticate';
    this.#out.note('authentication begins', { method: chosen.name });
    this.#authentication = new Authentication(this.#offerOf(chosen));
    this.#authentication.start(now);
    this.#takeFrames();
  }

  #offerOf(chosen: AuthName) {
    const offer = this.#options.auth.find((one) => one === chosen);
    if (offer === undefined) throw new RangeError('LCP chose what was not offered');
    return offer;
  }

  #handleLinkDown(now: Instant): void {
    this.#refusal = this.#authentication?.refusal;
    this.#authentication?.dispose();
    this.#authentication = undefined;
    this.#plan.stop();
    if (this.#phase === 'terminate' || this.#lcp.state < State.reqSent) return;
    if (this.#committed || ++this.#beginnings >= MOST_BEGINNINGS) {
      this.#terminate({ cause: 'protocol', detail: 'the peer began LCP anew' }, 'LCP was begun anew', now);
      return;
    }
    this.#phase = 'establish';
  }

  #handleGoodbye(goodbye: Goodbye, now: Instant): void {
    this.#goodbye ??= goodbye;
    // A server that restarts says goodbye too, at any time: only words of a refusal are one.
    const isAnswer = this.#phase === 'authenticate' && this.#options.role === 'client';
    const cause: CloseCause = isRefusal(goodbye, isAnswer) ? 'refused' : 'peer';
    const said = goodbye.text === '' ? 'the peer said goodbye' : `the peer said goodbye: ${goodbye.text}`;
    this.#terminate(this.#because({ cause, detail: said }), '', now);
  }

  #handleProtocolRejected(protocol: number, now: Instant): void {
    if (this.#authentication?.protocol === protocol && this.#phase === 'authenticate') {
      const detail = 'the peer does not know the authentication protocol that it agreed to';
      this.#terminate({ cause: 'protocol', detail }, goodbyes.protocol, now);
      return;
    }
    this.#plan.handleProtocolReject(protocol, now);
  }

  #beginNetwork(now: Instant): void {
    this.#phase = 'network';
    this.#committed = true;
    const wrong = this.#plan.begin(this.#lcp.policy.peer, this.#authentication, now);
    if (wrong !== undefined) this.#terminate(wrong, wrong.detail, now);
    this.#takeFrames();
  }

  #handleNetworkEvent(event: PlanEvent, now: Instant): void {
    if (event.kind === 'note') this.#out.note(event.message, event.fields);
    else if (event.kind === 'failed') {
      this.#terminate({ cause: event.cause, detail: event.reason }, event.reason, now);
    } else if (event.kind === 'encryption-reset') this.#out.tell(event);
    else if (this.#phase === 'network') {
      this.#window = undefined;
      this.#out.tell(event);
    }
  }

  /** @param tell for the peer */
  #terminate(reason: CloseReason, tell: string, now: Instant): void {
    if (this.#phase === 'closed') return;
    this.#reason ??= reason;
    if (this.#phase === 'terminate') return;
    if (this.#phase === 'dead') {
      this.#end();
      return;
    }
    this.#phase = 'terminate';
    this.#window = (now + TERMINATE_WINDOW) as Instant;
    this.#takeFrames();
    this.#authentication?.dispose();
    this.#lcp.close(now, tell);
    if (this.#lcp.state <= State.stopped) this.#end();
    else this.#drainLcp(now);
  }

  /** An end for which there is a better reason: the peer asked us for a proof that we do not give. */
  #because({ cause, detail }: CloseReason): CloseReason {
    const { sentence } = this.#lcp.policy.demands;
    const refusals: Readonly<Partial<Record<Phase, string | undefined>>> = {
      establish: sentence,
      authenticate: this.#refusal ?? this.#authentication?.refusal ?? sentence,
    };
    const refusal = refusals[this.#phase];
    if (refusal === undefined) return { cause, detail };
    return { cause: this.#options.role === 'client' ? 'refused' : cause, detail: `${refusal}; ${detail}` };
  }

  #end(reason: CloseReason = { cause: 'error', detail: 'the session ended' }): void {
    if (this.#phase === 'closed') return;
    this.#takeFrames();
    this.#phase = 'closed';
    this.#authentication?.dispose();
    this.#plan.stop();
    this.#out.tell({ kind: 'down', reason: this.#reason ?? reason, goodbye: this.#goodbye });
  }
}

/** Data that came before its time, or belongs to the data path: dropped without a word. */
function isData(protocol: number): boolean {
  return protocol === PppProtocol.ipv4 || protocol === PppProtocol.ipv6 || protocol === PppProtocol.compressed;
}
