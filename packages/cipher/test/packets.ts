/** IP packets for tests, written from the RFCs and independent of the code under test: checksums are summed byte by byte. */
import { createPacketBatch, type PacketBatch, virtioBytes } from '@culvert/base';

export interface PacketOptions {
  readonly version?: 4 | 6;
  readonly protocol?: 'tcp' | 'udp';
  readonly source?: number;
  readonly destination?: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly payload?: Uint8Array;
  readonly tos?: number;
  readonly ttl?: number;
  readonly id?: number;
  /** The flags and offset word of IPv4. @default 0x4000, don't fragment */
  readonly fragment?: number;
  readonly flowLabel?: number;
  /** IPv4 options; a multiple of 4 bytes. */
  readonly ipOptions?: Uint8Array;
  /** The packet is on a source route (RFC 791, section 3.1; RFC 6275, section 6.4): checksums count the route's last address. */
  readonly routed?: boolean;
  /** Length in units of 8 bytes of a destination options header. @default 0, none */
  readonly extension?: number;
  readonly seq?: number;
  readonly ack?: number;
  /** All twelve bits; 0x100 is AccECN's. */
  readonly flags?: number;
  readonly window?: number;
  readonly urgent?: number;
  /** A multiple of 4 bytes. */
  readonly tcpOptions?: Uint8Array;
  /** 'none': 0 in the UDP checksum; 'pseudo': the pseudo-header's sum, for an offload to complete. @default 'right' */
  readonly checksum?: 'right' | 'wrong' | 'none' | 'pseudo';
}

export function packet(o: PacketOptions = {}): Buffer {
  const upper = o.protocol === 'udp' ? udp(o) : tcp(o);
  const at = o.protocol === 'udp' ? 6 : 16;
  const number = o.protocol === 'udp' ? 17 : 6;
  const ip = (o.version ?? 4) === 4 ? ipv4(o, number, upper.length) : ipv6(o, number, upper.length);
  const [source, destination] = (o.version ?? 4) === 4 ? [12, 16] : [8, 24];
  const addresses = [
    ip.subarray(source, destination),
    o.routed === true ? lastAddress(o) : ip.subarray(destination, 2 * destination - source),
  ];
  const pseudo = Buffer.concat([...addresses, Buffer.from([0, number, upper.length >> 8, upper.length & 0xff])]);
  const right = ~sum16(Buffer.concat([pseudo, upper])) & 0xffff;
  const sums = {
    right: o.protocol === 'udp' ? right || 0xffff : right,
    wrong: right ^ 0x0100,
    none: 0,
    pseudo: sum16(pseudo),
  };
  upper.writeUInt16BE(sums[o.checksum ?? 'right'], at);
  return Buffer.concat([ip, upper]);
}

function lastAddress(o: PacketOptions): Uint8Array {
  return (o.version ?? 4) === 4 ? Uint8Array.of(10, 9, 8, 7) : Buffer.from('fd630000000000000000000000000063', 'hex');
}

function tcp(o: PacketOptions): Buffer {
  const options = o.tcpOptions ?? new Uint8Array(0);
  const header = Buffer.alloc(20);
  header.writeUInt16BE(o.sourcePort ?? 1000, 0);
  header.writeUInt16BE(o.destinationPort ?? 2000, 2);
  header.writeUInt32BE((o.seq ?? 0) >>> 0, 4);
  header.writeUInt32BE(o.ack ?? 7, 8);
  header.writeUInt16BE((((20 + options.length) / 4) << 12) | (o.flags ?? 0x10), 12);
  header.writeUInt16BE(o.window ?? 500, 14);
  header.writeUInt16BE(o.urgent ?? 0, 18);
  return Buffer.concat([header, options, o.payload ?? new Uint8Array(0)]);
}

function udp(o: PacketOptions): Buffer {
  const payload = o.payload ?? new Uint8Array(0);
  const header = Buffer.alloc(8);
  header.writeUInt16BE(o.sourcePort ?? 1000, 0);
  header.writeUInt16BE(o.destinationPort ?? 2000, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([header, payload]);
}

function ipv4(o: PacketOptions, protocol: number, upper: number): Buffer {
  const route = o.routed === true ? [1, 131, 7, 4, ...lastAddress(o)] : [];
  const header = Buffer.concat([Buffer.alloc(20), Buffer.from(route), o.ipOptions ?? new Uint8Array(0)]);
  header[0] = 0x40 + header.length / 4;
  header[1] = o.tos ?? 0;
  header.writeUInt16BE(header.length + upper, 2);
  header.writeUInt16BE((o.id ?? 1) & 0xffff, 4);
  header.writeUInt16BE(o.fragment ?? 0x4000, 6);
  header[8] = o.ttl ?? 64;
  header[9] = protocol;
  header.set([10, 0, 0, o.source ?? 1, 10, 0, 0, o.destination ?? 2], 12);
  header.writeUInt16BE(~sum16(header) & 0xffff, 10);
  return header;
}

function ipv6(o: PacketOptions, protocol: number, upper: number): Buffer {
  const extension = Buffer.alloc((o.extension ?? 0) * 8);
  if (extension.length > 0) {
    extension[0] = protocol;
    extension[1] = extension.length / 8 - 1;
    extension[2] = 1; // PadN over the rest
    extension[3] = extension.length - 4;
  }
  const next = extension.length > 0 ? 60 : protocol;
  const route = o.routed === true ? Buffer.from([next, 2, 2, 1, 0, 0, 0, 0, ...lastAddress(o)]) : Buffer.alloc(0);
  const header = Buffer.alloc(40);
  header.writeUInt32BE((0x6000_0000 | ((o.tos ?? 0) << 20) | (o.flowLabel ?? 0)) >>> 0, 0);
  header.writeUInt16BE(route.length + extension.length + upper, 4);
  header[6] = route.length > 0 ? 43 : next;
  header[7] = o.ttl ?? 64;
  header.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, o.source ?? 1], 8);
  header.set([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, o.destination ?? 2], 24);
  return Buffer.concat([header, route, extension]);
}

export function sum16(bytes: Uint8Array): number {
  let sum = 0;
  bytes.forEach((byte, i) => {
    sum += i % 2 === 0 ? byte * 256 : byte;
    sum = sum > 0xffff ? sum - 0xffff : sum;
  });
  return sum;
}

export interface Virtio {
  readonly flags?: number;
  readonly gsoType?: number;
  readonly headerLength?: number;
  readonly gsoSize?: number;
  readonly csumStart?: number;
  readonly csumOffset?: number;
}

export function virtioHeader(v: Virtio = {}): Buffer {
  const header = Buffer.alloc(virtioBytes);
  header[0] = v.flags ?? 0;
  header[1] = v.gsoType ?? 0;
  header.writeUInt16LE(v.headerLength ?? 0, 2);
  header.writeUInt16LE(v.gsoSize ?? 0, 4);
  header.writeUInt16LE(v.csumStart ?? 0, 6);
  header.writeUInt16LE(v.csumOffset ?? 0, 8);
  return header;
}

/** A plain batch of these packets with a byte between them, tagged 100 and up. */
export function batchOf(packets: readonly Uint8Array[]): PacketBatch {
  const batch = createPacketBatch(packets.length, total(packets, 1));
  for (const one of packets) append(batch, new Uint8Array(0), one);
  return batch;
}

/** A virtio batch of these packets, tagged 100 and up. */
export function virtioBatchOf(
  packets: readonly { readonly header: Uint8Array; readonly packet: Uint8Array }[],
): PacketBatch {
  const all = packets.map(({ packet }) => packet);
  const batch = createPacketBatch(all.length, total(all, virtioBytes + 1), { virtio: true });
  for (const one of packets) append(batch, one.header, one.packet);
  return batch;
}

/** The packets of a batch, in memory of their own. */
export function packetsOf(batch: PacketBatch): Buffer[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const at = batch.offsets[i] ?? 0;
    return Buffer.from(batch.arena.subarray(at, at + (batch.lengths[i] ?? 0)));
  });
}

/** All that a reader of the batch may look at, virtio headers included; what lies between packets is nobody's business. */
export function contentsOf(batch: PacketBatch): unknown {
  const { count, used } = batch;
  const headroom = batch.virtio === true ? virtioBytes : 0;
  const slots = packetsOf(batch).map((one, i) => {
    const at = batch.offsets[i] ?? 0;
    const header = Buffer.from(batch.arena.subarray(at - headroom, at)).toString('hex');
    return { at, tag: batch.tags[i], header, packet: one.toString('hex') };
  });
  return { count, used, slots };
}

function append(batch: PacketBatch, header: Uint8Array, one: Uint8Array): void {
  batch.arena.set(header, batch.used);
  batch.arena.set(one, batch.used + header.length);
  batch.offsets[batch.count] = batch.used + header.length;
  batch.lengths[batch.count] = one.length;
  batch.tags[batch.count] = 100 + batch.count;
  batch.used += header.length + one.length + 1;
  batch.count++;
}

function total(packets: readonly Uint8Array[], each: number): number {
  return packets.reduce((sum, one) => sum + one.length + each, 0);
}
