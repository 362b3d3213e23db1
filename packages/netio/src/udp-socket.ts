import { native, systemError } from './native.ts';
import { PacketSocket } from './packet-socket.ts';
import { type IpVersion, localOf, pathWords } from './path.ts';

/** Words of the native state of sending trains (native/segmentation.h): on, errno, and what is too large. */
const segmentationWords = 2 + 3 * 64;

/** Room for one train that did not fit its batch, and what describes it (native/receive.h): at, left, segment, path. */
const spillBytes = 65_536;
const spillWords = 3 + pathWords;

/** A UDP socket. `openUdp` makes it. */
export class UdpSocket extends PacketSocket {
  /** Owns the descriptor from here on. */
  constructor(options: {
    readonly fd: number;
    readonly family: IpVersion;
    readonly slotBytes: number;
    readonly segmentation: boolean;
    readonly coalescing: boolean;
  }) {
    const { fd, segmentation, coalescing } = options;
    const noSegmentation = segmentation ? native.prepareTrains(fd) : undefined;
    const noCoalescing = coalescing ? native.setCoalescing(fd, 1) : undefined;
    super({
      ...options,
      local: localOf(fd, options.family),
      headers: false,
      segmentation: new Uint32Array(noSegmentation === 0 ? segmentationWords : 0),
      spill: new Uint8Array(noCoalescing === 0 ? spillBytes : 0),
      spillState: new Uint32Array(noCoalescing === 0 ? spillWords : 0),
    });
    [this.stats.segmentation, this.stats.segmentationOff] = stateOf(noSegmentation);
    [this.stats.coalescing, this.stats.coalescingOff] = stateOf(noCoalescing);
  }
}

/** 0: the kernel has it; -errno: it has not; undefined: nobody asked. */
function stateOf(answer: number | undefined): ['on' | 'off', string | undefined] {
  if (answer === 0) return ['on', undefined];
  return ['off', answer === undefined ? 'unwanted' : systemError(answer).message];
}
