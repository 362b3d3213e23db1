/**
 * The virtio_net_hdr before each packet of a virtio batch (linux/virtio_net.h), in this machine's byte order.
 *
 *   0       1          2         4          6            8             10
 *   | flags | gso type | hdr len | gso size | csum start | csum offset |
 */
import { virtioBytes } from '@culvert/base';

export const VirtioFlag = { needsCsum: 1, dataValid: 2 } as const;
export const Gso = { none: 0, tcp4: 1, tcp6: 4, udp: 5, ecn: 0x80 } as const;

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export interface VirtioHeader {
  readonly flags: number;
  readonly gsoType: number;
  /** A hint, which readers ignore. */
  readonly headerLength: number;
  readonly gsoSize: number;
  readonly csumStart: number;
  readonly csumOffset: number;
}

/** The header of the packet at `at`, which is right before it. */
export function readVirtioHeader(view: DataView, at: number): VirtioHeader {
  const start = at - virtioBytes;
  return {
    flags: view.getUint8(start),
    gsoType: view.getUint8(start + 1),
    headerLength: view.getUint16(start + 2, LITTLE),
    gsoSize: view.getUint16(start + 4, LITTLE),
    csumStart: view.getUint16(start + 6, LITTLE),
    csumOffset: view.getUint16(start + 8, LITTLE),
  };
}

export function writeVirtioHeader(view: DataView, at: number, header: Partial<VirtioHeader>): void {
  const start = at - virtioBytes;
  view.setUint8(start, header.flags ?? 0);
  view.setUint8(start + 1, header.gsoType ?? 0);
  view.setUint16(start + 2, header.headerLength ?? 0, LITTLE);
  view.setUint16(start + 4, header.gsoSize ?? 0, LITTLE);
  view.setUint16(start + 6, header.csumStart ?? 0, LITTLE);
  view.setUint16(start + 8, header.csumOffset ?? 0, LITTLE);
}
