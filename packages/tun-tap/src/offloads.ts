/**
 * Work that the kernel may leave to this program, and this program to the kernel: checksums, and cutting TCP (`tso`, with `ecn`
 * also where CWR is set) and UDP (`uso`) super-packets. Each packet then says in its virtio header what is still to be done.
 */
export type Offload = 'csum' | 'tso4' | 'tso6' | 'ecn' | 'uso4' | 'uso6';

/** TUN_F_* of linux/if_tun.h. */
const bits: Readonly<Record<Offload, number>> = {
  csum: 0x01,
  tso4: 0x02,
  tso6: 0x04,
  ecn: 0x08,
  uso4: 0x20,
  uso6: 0x40,
};

/** What `'best'` tries, in this order: USO came with Linux 6.2. */
export const bestOffloads: readonly (readonly Offload[])[] = [
  ['csum', 'tso4', 'tso6', 'ecn', 'uso4', 'uso6'],
  ['csum', 'tso4', 'tso6', 'ecn'],
  ['csum', 'tso4', 'tso6'],
  ['csum'],
  [],
];

/** The bits for TUNSETOFFLOAD. Segmentation needs `csum`, which is added. Throws TypeError for a name that is none. */
export function offloadBits(offloads: readonly Offload[]): number {
  let all = 0;
  for (const offload of offloads) {
    const bit = bits[offload];
    if (bit === undefined) throw new TypeError(`${String(offload)} is not an offload: ${Object.keys(bits).join(', ')}`);
    all |= bit | bits.csum;
  }
  return all;
}

/** The offloads whose bits are set. */
export function offloadsOf(set: number): readonly Offload[] {
  return (Object.keys(bits) as Offload[]).filter((offload) => (set & bits[offload]) !== 0);
}
