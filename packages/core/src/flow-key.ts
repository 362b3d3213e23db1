import { Fragment, isEchoReply, isEchoRequest, type PacketHeaders, Protocol } from '@culvert/wire';

/** What a `FlowKey` names: a flow by its ports, or the fragments of one packet by their identification. */
export const FlowKind = { flow: 0, fragmentsFromInside: 1, fragmentsFromOutside: 2 } as const;

/**
 * Both directions of a flow under one name. "Inside" is the end on the client's side of the link, "outside" the office's.
 * Filled in place, packet after packet.
 */
export class FlowKey {
  version = 0;
  protocol = 0;
  kind: number = FlowKind.flow;
  inside0 = 0;
  inside1 = 0;
  inside2 = 0;
  inside3 = 0;
  outside0 = 0;
  outside1 = 0;
  outside2 = 0;
  outside3 = 0;
  /** An ICMP echo has its identifier here. */
  insidePort = 0;
  outsidePort = 0;
  /** As in `PacketHeaders`: the ports are known; anything may follow `protocol`. */
  legible = false;
  opaque = false;

  /** The flow of a packet that came from inside or outside. */
  setFlow(h: PacketHeaders, fromInside: boolean): void {
    this.#setAddresses(h, fromInside);
    this.protocol = h.protocol;
    this.kind = FlowKind.flow;
    const crosswise = !fromInside && !isEcho(h);
    this.insidePort = crosswise ? h.destinationPort : h.sourcePort;
    this.outsidePort = crosswise ? h.sourcePort : h.destinationPort;
  }

  /** The fragments of one packet: reassembly knows them by addresses, identification and in IPv4 protocol (RFC 791, RFC 8200 4.5). */
  setFragments(h: PacketHeaders, fromInside: boolean): void {
    this.#setAddresses(h, fromInside);
    this.protocol = h.version === 4 ? h.protocol : 0;
    this.kind = fromInside ? FlowKind.fragmentsFromInside : FlowKind.fragmentsFromOutside;
    this.insidePort = h.fragmentId >>> 16;
    this.outsidePort = h.fragmentId & 0xffff;
  }

  #setAddresses(h: PacketHeaders, fromInside: boolean): void {
    this.version = h.version;
    this.legible = h.legible;
    this.opaque = h.opaque;
    this.inside0 = fromInside ? h.source0 : h.destination0;
    this.inside1 = fromInside ? h.source1 : h.destination1;
    this.inside2 = fromInside ? h.source2 : h.destination2;
    this.inside3 = fromInside ? h.source3 : h.destination3;
    this.outside0 = fromInside ? h.destination0 : h.source0;
    this.outside1 = fromInside ? h.destination1 : h.source1;
    this.outside2 = fromInside ? h.destination2 : h.source2;
    this.outside3 = fromInside ? h.destination3 : h.source3;
  }
}

export function isIcmp(h: PacketHeaders): boolean {
  return h.protocol === (h.version === 4 ? Protocol.icmp : Protocol.icmpv6);
}

function isEcho(h: PacketHeaders): boolean {
  return isIcmp(h) && (isEchoRequest(h.version, h.icmpType) || isEchoReply(h.version, h.icmpType));
}

/** Whether a later packet of the same flow can be told from a stranger's: TCP, UDP, an echo request, any protocol that has no ports. */
export function opensFlow(h: PacketHeaders): boolean {
  if (!h.legible || h.fragment === Fragment.later) return false;
  return !isIcmp(h) || isEchoRequest(h.version, h.icmpType);
}
