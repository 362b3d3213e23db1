/** What the cases ask of either end of a tunnel, whichever program it is. */
import type { Millis } from '@culvert/base';
import type { ClientKind, World } from './world.ts';

export type Protocol = 'udp' | 'tcp';

/** How the two ends of one case are set up. */
export interface Scenario {
  readonly protocol: Protocol;
  /** The IP version of the outer packets. */
  readonly outer: 4 | 6;
  readonly who: ClientKind;
  /** Undefined: certificates alone. Otherwise what the client shows; the server knows the right one. */
  readonly password: string | undefined;
  /** Seconds; undefined: not during the case. Set at the peer, which then starts the exchange. */
  readonly renegotiateAfter: number | undefined;
  /** The largest inner packet. */
  readonly mtu: number;
  /** Set for throughput: the best settings known of the program. */
  readonly fast: boolean;
  /** Whether our programs move packets in trains. */
  readonly offload: { readonly server: boolean; readonly client: boolean };
  /** Of the cable between router and gateway. */
  readonly pathMtu: number;
  /** Bytes of a transfer. */
  readonly bulk: number;
}

export const usualScenario: Scenario = {
  protocol: 'udp',
  outer: 4,
  who: 'good',
  password: undefined,
  renegotiateAfter: undefined,
  mtu: 1500,
  fast: false,
  offload: { server: true, client: true },
  pathMtu: 1_500,
  bulk: 100_000_000,
};

export interface End {
  /** All that it logged so far. */
  log(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface ClientEnd extends End {
  /** Resolves when the link is up; rejects when it will not be. */
  up(within: Millis): Promise<void>;
  /** Resolves when it has given up or was refused; rejects after `within`. */
  refused(within: Millis): Promise<void>;
}

/** Why a client is not let in. */
export type Misdeed = 'foreign' | 'expired' | 'revoked' | 'wrong-password';

/** What a log must say of a refusal. `silentPeer`: as the other end says nothing to us and our deadline ends. */
export interface Reasons {
  readonly server: Readonly<Record<Misdeed, RegExp>>;
  readonly client: (other: string) => Readonly<Record<Misdeed, RegExp>>;
}

export interface Program {
  readonly name: 'openvpn' | 'culvert';
  readonly reasons: Reasons;
  /** Undefined: it is not installed. */
  version(): Promise<string | undefined>;
  /** Resolves when it listens. */
  startServer(world: World, scenario: Scenario): Promise<End>;
  startClient(world: World, scenario: Scenario): Promise<ClientEnd>;
  /** How many key exchanges a log tells of, the first included. */
  keyExchanges(log: string): number;
}
