/** What this endpoint takes and offers, by its options. */
import type { EspMode } from '../../../child-sa.ts';
import type { IkeGroup } from '../../groups.ts';
import type { NatFlavour } from '../nat-detection.ts';
import type { NoneChosen } from '../offers.ts';
import { choosePhase1, phase1Policy } from '../phase1-proposal.ts';
import {
  choosePhase2,
  Encapsulation,
  espAlgorithms,
  type Phase2Chosen,
  type Phase2Policy,
} from '../phase2-proposal.ts';
import type { Proposal } from '../security-association.ts';
import type { AlgorithmPolicy } from './face.ts';

/** Each transform of an offer of phase 1, for people. */
export function describePhase1(offer: readonly Proposal[]): string {
  const none = choosePhase1(offer, { ...phase1Policy([], false), ciphers: [] });
  return none.kind === 'none' ? none.offered.join(', ') : '';
}

/** Each transform of an offer of quick mode, for people. */
export function describePhase2(offer: readonly Proposal[]): string {
  const none = choosePhase2(offer, { algorithms: [], encapsulations: [], groups: [], requirePfs: false });
  return none.kind === 'none' ? none.offered.join(', ') : '';
}

export interface Phase2Wishes extends AlgorithmPolicy {
  /** There is a NAT, or UDP is forced: ESP as protocol 50 would not arrive. */
  readonly encapsulate: boolean;
  readonly tunnel: boolean;
}

/** SoftEther offers both ESP as it is and in UDP: without need it does not go in UDP. */
export function answerPhase2(
  offer: readonly Proposal[],
  { encapsulate, tunnel, weak = false, truncatedSha256 = false, esp }: Phase2Wishes,
): Phase2Chosen | NoneChosen {
  const strong: IkeGroup[] = ['ecp384', 'ecp256', 'ecp521', 'curve25519', 'modp3072', 'modp4096', 'modp2048'];
  const policy = (encapsulations: readonly number[]): Phase2Policy => ({
    algorithms: esp ?? espAlgorithms({ weak, truncatedSha256 }),
    encapsulations,
    groups: weak ? [...strong, 'modp1536', 'modp1024'] : strong,
    requirePfs: false,
  });
  const { udpTransport, udpTransportDraft, udpTunnel, udpTunnelDraft } = Encapsulation;
  const inUdp = policy([udpTransport, udpTransportDraft, ...(tunnel ? [udpTunnel, udpTunnelDraft] : [])]);
  if (encapsulate) return choosePhase2(offer, inUdp);
  const plain = choosePhase2(offer, policy([Encapsulation.transport, ...(tunnel ? [Encapsulation.tunnel] : [])]));
  if (plain.kind === 'chosen') return plain;
  const udp = choosePhase2(offer, inUdp);
  return udp.kind === 'chosen' ? udp : plain;
}

/** The value of the attribute that an initiator offers; `nat` is undefined without encapsulation in UDP. */
export function encapsulationOf(mode: EspMode, nat: NatFlavour | undefined): number {
  if (nat === undefined) return Encapsulation[mode];
  if (mode === 'tunnel') return nat === 'rfc' ? Encapsulation.udpTunnel : Encapsulation.udpTunnelDraft;
  return nat === 'rfc' ? Encapsulation.udpTransport : Encapsulation.udpTransportDraft;
}
