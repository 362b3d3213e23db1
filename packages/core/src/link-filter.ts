/**
 * The stateful packet filter of one link: its rules, and the flows that they let begin.
 *
 * A packet passes when it belongs to a known flow, or when the rules allow it as the first of its direction. Answers, ICMP
 * errors that quote a known flow, and fragments of a packet whose first fragment passed need no rule. New rules judge known flows
 * again, each at its next packet.
 */
import {
  Fragment,
  ICMP_HEADER,
  IcmpType,
  Icmpv6Type,
  isEchoReply,
  isEchoRequest,
  isIcmpError,
  PacketHeaders,
  Protocol,
  TcpFlag,
} from '@culvert/wire';
import type { LinkRules } from './filter-rules.ts';
import { FlowKey, isIcmp, opensFlow } from './flow-key.ts';
import { FlowTable, NO_FLOW } from './flow-table.ts';
import { type FlowClock, FlowState } from './flow-timeouts.ts';

/** A flow's state word: `FlowState` in two bits, who opened it, and the rules' generation that let it begin. */
const STATE_MASK = 0x3;
const FROM_INSIDE = 0x4;
const GENERATION = 3;
const GENERATION_MASK = 0x0fff_ffff;

/** What filters of one core share: scratch that is filled anew for every packet. */
export class FilterScratch {
  readonly key = new FlowKey();
  readonly quoted = new PacketHeaders();
}

export class LinkFilter {
  readonly flows: FlowTable;
  readonly #clock: FlowClock;
  readonly #scratch: FilterScratch;
  #rules: LinkRules;
  #generation = 0;

  constructor(rules: LinkRules, options: { flows: number; clock: FlowClock; scratch: FilterScratch }) {
    this.#rules = rules;
    this.flows = new FlowTable(options.flows);
    this.#clock = options.clock;
    this.#scratch = options.scratch;
  }

  setRules(rules: LinkRules): void {
    this.#rules = rules;
    this.#generation = (this.#generation + 1) & GENERATION_MASK;
  }

  /** Whether the packet may pass, from inside (the client) out or the other way; remembers its flow. `h` was read from `view`. */
  passes(view: DataView, h: PacketHeaders, fromInside: boolean, tick: number): boolean {
    return this.belongs(view, h, fromInside, tick) || this.#begins(h, fromInside, tick);
  }

  /** Whether the packet belongs to a flow that is known already. */
  belongs(view: DataView, h: PacketHeaders, fromInside: boolean, tick: number): boolean {
    const { key } = this.#scratch;
    if (h.fragment === Fragment.later) {
      key.setFragments(h, fromInside);
      return this.#knows(tick);
    }
    if (isError(h)) return this.#quotesKnownFlow(view, h, fromInside, tick);
    if (!h.legible) return false;
    key.setFlow(h, fromInside);
    const at = this.flows.find(key, tick);
    if (at === NO_FLOW || !this.#continues(at, h, fromInside, tick)) return false;
    if (h.fragment === Fragment.first) this.#rememberFragments(h, fromInside, tick);
    return true;
  }

  /** Whether the scratch key's flow is in the table, let in by the present rules. */
  #knows(tick: number): boolean {
    const at = this.flows.find(this.#scratch.key, tick);
    return at !== NO_FLOW && this.flows.state(at) >>> GENERATION === this.#generation;
  }

  #continues(at: number, h: PacketHeaders, fromInside: boolean, tick: number): boolean {
    const word = this.flows.state(at);
    const opener = word & FROM_INSIDE;
    const byOpener = (opener !== 0) === fromInside;
    if (!mayContinue(h, byOpener)) return false;
    if (word >>> GENERATION !== this.#generation && !this.#rules.allows(this.#scratch.key, opener !== 0)) {
      this.flows.remove(at);
      return false;
    }
    this.#advance(at, h, opener, nextState(h, word & STATE_MASK, byOpener), tick);
    return true;
  }

  #begins(h: PacketHeaders, fromInside: boolean, tick: number): boolean {
    const { key } = this.#scratch;
    key.setFlow(h, fromInside);
    if (h.fragment !== Fragment.later && isError(h)) {
      return !isRedirect(h) && this.#rules.allowsStrayIcmpError(key, fromInside);
    }
    if (!this.#rules.allows(key, fromInside)) return false;
    if (opensFlow(h)) this.#remember(h, fromInside, tick);
    return true;
  }

  #remember(h: PacketHeaders, fromInside: boolean, tick: number): void {
    const state = nextState(h, FlowState.opening, true);
    const opener = fromInside ? FROM_INSIDE : 0;
    const at = this.flows.find(this.#scratch.key, tick);
    if (at !== NO_FLOW) this.#advance(at, h, opener, state, tick);
    else this.flows.insert(this.#scratch.key, tick, this.#expiry(h, state, tick), this.#word(state, opener));
    if (h.fragment === Fragment.first) this.#rememberFragments(h, fromInside, tick);
  }

  #advance(at: number, h: PacketHeaders, opener: number, state: number, tick: number): void {
    this.flows.update(at, this.#expiry(h, state, tick), this.#word(state, opener));
  }

  #expiry(h: PacketHeaders, state: number, tick: number): number {
    return tick + this.#clock.timeout(h.protocol, this.#scratch.key.kind, state);
  }

  #word(state: number, opener: number): number {
    return state | opener | (this.#generation << GENERATION);
  }

  #rememberFragments(h: PacketHeaders, fromInside: boolean, tick: number): void {
    const { key } = this.#scratch;
    key.setFragments(h, fromInside);
    const expiry = this.#expiry(h, FlowState.opening, tick);
    const at = this.flows.find(key, tick);
    if (at === NO_FLOW) this.flows.insert(key, tick, expiry, this.#word(0, 0));
    else this.flows.update(at, expiry, this.#word(0, 0));
  }

  /** An error travels against the packet that it quotes, back to that packet's source. */
  #quotesKnownFlow(view: DataView, h: PacketHeaders, fromInside: boolean, tick: number): boolean {
    const { key, quoted } = this.#scratch;
    if (isRedirect(h)) return false;
    if (!quoted.readQuoted(view, h.upperAt + ICMP_HEADER, h.upperLength - ICMP_HEADER)) return false;
    if (!quotesItsReader(h, quoted)) return false;
    if (quoted.fragment === Fragment.later) key.setFragments(quoted, !fromInside);
    else key.setFlow(quoted, !fromInside);
    return this.#knows(tick);
  }
}

function isError(h: PacketHeaders): boolean {
  return h.legible && isIcmp(h) && isIcmpError(h.version, h.icmpType);
}

function isRedirect(h: PacketHeaders): boolean {
  return h.icmpType === (h.version === 4 ? IcmpType.redirect : Icmpv6Type.redirect);
}

function quotesItsReader(h: PacketHeaders, quoted: PacketHeaders): boolean {
  return (
    h.version === quoted.version &&
    (quoted.legible || quoted.fragment === Fragment.later) &&
    h.destination0 === quoted.source0 &&
    h.destination1 === quoted.source1 &&
    h.destination2 === quoted.source2 &&
    h.destination3 === quoted.source3
  );
}

/** The side that answers may open nothing under the flow's name: no SYN of its own. Of ICMP, the opener asks for echoes and the other sends them. */
function mayContinue(h: PacketHeaders, byOpener: boolean): boolean {
  if (h.protocol === Protocol.tcp) return byOpener || (h.tcpFlags & (TcpFlag.syn | TcpFlag.ack)) !== TcpFlag.syn;
  return !isIcmp(h) || (byOpener ? isEchoRequest(h.version, h.icmpType) : isEchoReply(h.version, h.icmpType));
}

function nextState(h: PacketHeaders, state: number, byOpener: boolean): number {
  if (h.protocol === Protocol.tcp) {
    if ((h.tcpFlags & (TcpFlag.fin | TcpFlag.rst)) !== 0) return FlowState.closing;
    if (byOpener && (h.tcpFlags & (TcpFlag.syn | TcpFlag.ack)) === TcpFlag.syn) return FlowState.opening;
  }
  return state === FlowState.opening && !byOpener ? FlowState.established : state;
}
