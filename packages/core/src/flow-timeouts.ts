import type { Millis } from '@culvert/base';
import { Protocol } from '@culvert/wire';
import { FlowKind } from './flow-key.ts';

/** How long a silent flow is remembered. */
export interface FlowTimeouts {
  /** No answer yet. @default 60 s */
  readonly tcpOpening: Millis;
  /** @default 7,440 s: the least that RFC 5382 allows a NAT */
  readonly tcpEstablished: Millis;
  /** One side said FIN or RST. @default 120 s */
  readonly tcpClosing: Millis;
  /** No answer yet. @default 30 s */
  readonly udpOpening: Millis;
  /** @default 300 s (RFC 4787) */
  readonly udpEstablished: Millis;
  /** @default 60 s (RFC 5508) */
  readonly icmp: Millis;
  /** Any other protocol. @default 300 s */
  readonly other: Millis;
  /** For the fragments of one packet. @default 30 s: as long as Linux reassembles */
  readonly fragments: Millis;
}

export const defaultFlowTimeouts: FlowTimeouts = {
  tcpOpening: 60_000,
  tcpEstablished: 7_440_000,
  tcpClosing: 120_000,
  udpOpening: 30_000,
  udpEstablished: 300_000,
  icmp: 60_000,
  other: 300_000,
  fragments: 30_000,
};

export const FlowState = { opening: 0, established: 1, closing: 2 } as const;

/** The coarse clock of flows. Chosen: a signed word of quarter seconds lasts 17 years. */
export const TICK: Millis = 250;

/** Timeouts in ticks, by protocol, kind and state. */
export class FlowClock {
  readonly #ticks: Int32Array;

  constructor(timeouts: FlowTimeouts) {
    const { tcpOpening, tcpEstablished, tcpClosing, udpOpening, udpEstablished, icmp, other, fragments } = timeouts;
    const all = [
      [tcpOpening, tcpEstablished, tcpClosing],
      [udpOpening, udpEstablished, udpEstablished],
      [icmp, icmp, icmp],
      [other, other, other],
      [fragments, fragments, fragments],
    ];
    this.#ticks = Int32Array.from(all.flat(), (millis) => Math.ceil(millis / TICK));
  }

  timeout(protocol: number, kind: number, state: number): number {
    return this.#ticks[row(protocol, kind) * 3 + state] as number;
  }
}

function row(protocol: number, kind: number): number {
  if (kind !== FlowKind.flow) return 4;
  switch (protocol) {
    case Protocol.tcp:
      return 0;
    case Protocol.udp:
      return 1;
    case Protocol.icmp:
    case Protocol.icmpv6:
      return 2;
    default:
      return 3;
  }
}
