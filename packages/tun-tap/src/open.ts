import { attachGiven, attachNew, type TunMode } from './attach.ts';
import { TunDevice } from './device.ts';
import { type Offload, offloadBits } from './offloads.ts';

export interface TunOptions {
  /** At most 15 bytes. `vpn%d` lets the kernel put a number there. @default the kernel chooses (`tun0`, `tap0`, …) */
  readonly name?: string;
  /** IP packets or Ethernet frames. @default 'tun' */
  readonly mode?: TunMode;
  /** Whether the interface stays after the program. @default as it is: false for a new device */
  readonly persist?: boolean;
  /** Whether `addQueue` can add queues. @default false */
  readonly multiQueue?: boolean;
  /**
   * Whether each packet has a virtio header before it (IFF_VNET_HDR): reading then needs batches with `virtio: true`, writing takes
   * both kinds. @default false
   */
  readonly vnetHeader?: boolean;
  /**
   * What the kernel may leave undone; needs `vnetHeader`. `'best'`: as much as this kernel has, which `device.offloads` tells.
   * @default none
   */
  readonly offloads?: readonly Offload[] | 'best';
  /**
   * An open descriptor of /dev/net/tun, which the device owns from here on; if it is none (CULVERT_TUN_DESCRIPTOR) it stays
   * the caller's. If it is attached to an interface already, `name`,
   * `mode`, `multiQueue` and `vnetHeader` are what they are there. @default one is opened
   */
  readonly fd?: number;
}

/**
 * Opens a TUN or TAP device, non-blocking and without the packet information header (IFF_NO_PI).
 *
 * Throws TunError where the system refuses: no /dev/net/tun, no CAP_NET_ADMIN, the name is taken, too long or invalid.
 */
export function openTun(options: TunOptions = {}): TunDevice {
  const { name = '', mode = 'tun', multiQueue = false, vnetHeader = false, offloads = [], fd, persist } = options;
  if (mode !== 'tun' && mode !== 'tap') throw new TypeError("mode must be 'tun' or 'tap'");
  if (!vnetHeader && (offloads === 'best' || offloadBits(offloads) !== 0))
    throw new TypeError('offloads need vnetHeader: true');
  const settings = { name, mode, multiQueue, vnetHeader };
  const device = new TunDevice(fd === undefined ? attachNew(settings) : attachGiven(fd, settings));
  try {
    if (persist !== undefined) device.setPersist(persist);
    // Set also when empty: a persistent device keeps what its last program chose.
    if (device.vnetHeader) device.setOffloads(offloads);
  } catch (error) {
    device.close();
    throw error;
  }
  return device;
}
