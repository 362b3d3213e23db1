/** Why the core dropped a packet. */
export type DropCause =
  | 'malformed' // not a whole IPv4 or IPv6 packet
  | 'spoofed' // the inner source is not the link's
  | 'martian' // a destination that no router forwards: multicast, broadcast, loopback, link-local
  | 'noRoute' // no link has the destination
  | 'notOurs' // client: the destination is neither our address nor a network that we take
  | 'isolated' // from client to client, which is not allowed
  | 'filtered' // the packet filter denies it
  | 'tooBig' // larger than the link's MTU
  | 'ttl' // its hop limit ran out between two links
  | 'overShare' // more than the link's share while packets waited in the device
  | 'deviceFull' // the kernel would not take it
  | 'sendFailed'; // a fault of ours: the transport threw, or called back without end

export type DropCounts = Record<DropCause, number>;

/** What the core did for one link, cumulative. "In" is from the peer. Bytes are inner packets', headers included. */
export interface LinkCounters {
  packetsIn: number;
  bytesIn: number;
  packetsOut: number;
  bytesOut: number;
  readonly dropped: DropCounts;
}

export function createDropCounts(): DropCounts {
  return {
    malformed: 0,
    spoofed: 0,
    martian: 0,
    noRoute: 0,
    notOurs: 0,
    isolated: 0,
    filtered: 0,
    tooBig: 0,
    ttl: 0,
    overShare: 0,
    deviceFull: 0,
    sendFailed: 0,
  };
}

export function createLinkCounters(): LinkCounters {
  return { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, dropped: createDropCounts() };
}
