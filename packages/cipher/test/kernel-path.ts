/**
 * The kernel's GRO and GSO as functions of packets. Frames go from TAP to TAP by nft's `fwd`, so no router changes a byte:
 *
 *   joining: into ──► near ══ far, whose GRO joins ──► from, which takes trains
 *   cutting: into, which gives trains ──► from, which takes none: GSO cuts
 *
 * Needs a namespace of its own (`enterFreshNamespace`) and one path at a time.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPacketBatch, type PacketBatch, virtioBytes } from '@culvert/base';
import { openTun, type TunDevice } from '@culvert/tun-tap';
import { batchOf, packetsOf, virtioBatchOf } from './packets.ts';

/** A packet with its virtio header. */
export interface Train {
  readonly header: Buffer;
  readonly packet: Buffer;
}

const ETHERNET = 14;
const CSUM_START = 6;
const HEADER_LENGTH = 2;
/** What GRO holds goes on so long after the last packet: longer than a burst takes to write. */
const HOLD_NANOS = 2_000_000;
/** Above the largest packet of any test. */
const MTU = 9_000;
const DEADLINE_MILLIS = 5_000;

const setUp = `
  sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
`;
const joiningPath = `
  ip link add near0 mtu ${MTU} type veth peer name far0 mtu ${MTU}
  ethtool -K near0 tso off gso off
  ethtool -K far0 gro on rx-udp-gro-forwarding on
  ip link set near0 up; ip link set far0 up
  unshare -m sh -ec 'mount -t sysfs sysfs /sys; echo ${HOLD_NANOS} >/sys/class/net/far0/gro_flush_timeout'
  nft -f - <<END
    table netdev path {
      counter joined { }
      chain in { type filter hook ingress device into0 priority 0; fwd to near0; }
      chain out { type filter hook ingress device far0 priority 0; counter name joined; fwd to from0; }
    }
END`;
const cuttingPath = `
  nft -f - <<END
    table netdev path { chain in { type filter hook ingress device into0 priority 0; fwd to from0; }; }
END`;

export class KernelPath implements Disposable {
  readonly #into: TunDevice;
  readonly #from: TunDevice;
  readonly #read: PacketBatch;
  readonly #joins: boolean;
  #counted = 0;

  constructor(does: 'join' | 'cut') {
    this.#joins = does === 'join';
    const plain = { mode: 'tap' } as const;
    const trains = { mode: 'tap', vnetHeader: true, offloads: 'best' } as const;
    execFileSync('sh', ['-ec', setUp]);
    this.#into = openTun({ name: 'into0', ...(this.#joins ? plain : trains) });
    this.#from = openTun({ name: 'from0', ...(this.#joins ? trains : plain) });
    this.#read = createPacketBatch(512, 4_000_000, { virtio: this.#joins });
    for (const device of [this.#into, this.#from]) {
      device.setMtu(MTU);
      device.setUp();
    }
    execFileSync('sh', ['-ec', this.#joins ? joiningPath : cuttingPath]);
  }

  /** Whether the kernel hands over UDP in trains. */
  get hasUso(): boolean {
    return [...this.#into.offloads, ...this.#from.offloads].includes('uso6');
  }

  /**
   * What GRO makes of packets that came at once.
   * @param parts how many packets a train stands for
   */
  join(packets: readonly Uint8Array[], parts: (train: Train) => number): Train[] {
    this.#write(batchOf(packets.map(framed)));
    const trains: Train[] = [];
    let missing = packets.length;
    this.#readUntil(() => {
      for (const [i, frame] of packetsOf(this.#read).entries()) {
        const at = this.#read.offsets[i] ?? 0;
        const train = unframed(Buffer.from(this.#read.arena.subarray(at - virtioBytes, at)), frame);
        trains.push(train);
        missing -= parts(train);
      }
      return missing <= 0;
    });
    return trains;
  }

  /** How many packets and trains GRO gave on since this was last asked; before GSO cut those that no header can tell of. */
  joined(): number {
    const said = JSON.parse(execFileSync('nft', ['-j', 'list', 'counters'], { encoding: 'utf8' }));
    const before = this.#counted;
    this.#counted = said.nftables.find((one: object) => 'counter' in one).counter.packets;
    return this.#counted - before;
  }

  /** What GSO makes of them. It needs no time. */
  cut(trains: readonly Train[], packets: number): Buffer[] {
    this.#write(
      virtioBatchOf(trains.map(({ header, packet }) => ({ header: moved(header, ETHERNET), packet: framed(packet) }))),
    );
    const cut: Buffer[] = [];
    this.#readUntil(() => {
      cut.push(...packetsOf(this.#read).map((frame) => frame.subarray(ETHERNET)));
      return cut.length >= packets;
    });
    return cut;
  }

  [Symbol.dispose](): void {
    execFileSync('sh', ['-ec', this.#joins ? 'nft flush ruleset; ip link delete near0' : 'nft flush ruleset']);
    this.#into.close();
    this.#from.close();
  }

  #write(batch: PacketBatch): void {
    const { writeErrors } = this.#into.stats;
    assert.equal(this.#into.writeBatch(batch as PacketBatch & { virtio: boolean }), batch.count);
    assert.equal(this.#into.stats.writeErrors, writeErrors, this.#into.stats.lastWriteError);
  }

  #readUntil(isAll: () => boolean): void {
    const deadline = performance.now() + DEADLINE_MILLIS;
    do {
      assert.ok(performance.now() < deadline, 'the kernel gives on all that it was given');
      this.#read.count = this.#read.used = 0;
      this.#from.readBatch(this.#read as PacketBatch & { virtio: boolean });
    } while (!isAll());
  }
}

function framed(packet: Uint8Array): Uint8Array {
  const type = (packet[0] ?? 0) >> 4 === 4 ? [0x08, 0x00] : [0x86, 0xdd];
  return Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...type]), packet]);
}

function unframed(header: Buffer, frame: Buffer): Train {
  return { header: moved(header, -ETHERNET), packet: frame.subarray(ETHERNET) };
}

/** The header of a packet that begins so many bytes earlier. */
function moved(header: Uint8Array, bytes: number): Buffer {
  const copy = Buffer.from(header);
  for (const field of [HEADER_LENGTH, CSUM_START]) {
    const value = copy.readUInt16LE(field);
    if (value > 0) copy.writeUInt16LE(value + bytes, field);
  }
  return copy;
}
