/** IP packets to start from: each names another part of the core's reading of headers. */
import { complain, type Forged, forge } from '../../packages/core/test/forged-packets.ts';

export interface InnerEnds {
  /** The attacker's own addresses, or those of the client that it attacks. */
  readonly ipv4: string;
  readonly ipv6: string;
}

const office = { ipv4: '192.168.77.9', ipv6: 'fd77::9' };

/** @param way 'in': from the link's own address into the office; 'out': from the office to the link. */
export function innerPackets(link: InnerEnds, way: 'in' | 'out'): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (const version of ['ipv4', 'ipv6'] as const) {
    const [from, to] = way === 'in' ? [link[version], office[version]] : [office[version], link[version]];
    const make = (spec: Partial<Forged>) => forge({ from, to, ...spec });
    const back = forge({ from: to, to: from, protocol: 'tcp', flags: 'SA' });
    packets.push(
      make({ protocol: 'tcp', flags: 'S', mss: 1_460 }),
      make({ protocol: 'tcp', flags: 'SA', mss: 9_000, payload: 100 }),
      make({ protocol: 'tcp', flags: 'FA' }),
      make({ ports: [5_353, 53], payload: 40 }),
      make({ ports: [40_000, 443], payload: 1_400 }),
      make({ protocol: 'icmp' }),
      make({ protocol: 47, payload: 60 }),
      make({ fragment: [0, true, 77], payload: 512 }),
      make({ fragment: [512, false, 77], payload: 512 }),
      make({ fragment: [65_528, true, 78], payload: 64 }),
      make({ dontFragment: false, payload: 1_440 }),
      make({ hopLimit: 1 }),
      complain(from, back),
      complain(from, back, version === 'ipv4' ? [3, 4, 1_280] : [2, 0, 1_280]),
    );
    if (version === 'ipv6')
      for (const extension of [0, 43, 60, 51, 50, 135, 200])
        packets.push(make({ extension, protocol: 'tcp', flags: 'S', mss: 1_440 }));
  }
  packets.push(
    forge({ from: link.ipv4, to: '10.99.0.1', ports: [68, 67] }),
    forge({ from: link.ipv4, to: '10.99.0.77' }),
    forge({ from: link.ipv4, to: '224.0.0.251' }),
    forge({ from: link.ipv6, to: 'ff02::fb' }),
    Uint8Array.of(0x4f, ...new Uint8Array(59)),
    Uint8Array.of(0x45),
  );
  return packets;
}
