/** Frames that tcpdump kept, and whether the checksums in them are right: as our own code reads them, and as tcpdump does. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TestHost } from '@culvert/testkit';
import { checksum, Fragment, foldChecksum, PacketHeaders, Protocol, pseudoHeaderSum } from '@culvert/wire';

/** Of the classic format: microseconds, this machine's byte order. */
const MAGIC = 0xa1b2c3d4;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const LINK_TYPE = { ethernet: 1, raw: 101 } as const;
const ETHERNET_HEADER = 14;

/**
 * `right`: everything that the packet covers. `partial`: the upper checksum holds the pseudo-header's sum alone, for hardware or
 * the kernel to finish. `unknown`: no upper checksum that could be read here (fragments, other protocols); the IP header is right.
 */
export type Verdict = 'right' | 'partial' | 'unknown' | 'wrong';

export interface Tally extends Record<Verdict, number> {
  /** Bytes of the largest packet, and of all. */
  largest: number;
  bytes: number;
}

/** Of tcpdump for a wrong checksum of IP, TCP, UDP and ICMP. A partial one is wrong to it. */
const COMPLAINT = /\(incorrect -> |bad cksum|bad udp cksum|wrong icmp6? cksum|\[bad .*cksum/;
const DUMP_BYTES = 256 * 1024 * 1024;

export class Capture {
  readonly #file: string;
  readonly #stop: () => Promise<unknown>;

  private constructor(file: string, stop: () => Promise<unknown>) {
    this.#file = file;
    this.#stop = stop;
  }

  /** What comes in on a device, or goes out, from the moment that this resolves. */
  static async start(host: TestHost, device: string, folder: string, way: 'in' | 'out' = 'in'): Promise<Capture> {
    const file = `${folder}/${host.label}-${device}-${way}.pcap`;
    // As root it would give its rights away, and could not write into the lab's folder.
    const words = ['-i', device, '-Q', way, '-w', file, '-B', '65536', '-U', '-Z', 'root', 'ip or ip6'];
    const child = host.spawn('tcpdump', words);
    await child.waitFor('listening on');
    return new Capture(file, () => child.stop('SIGINT'));
  }

  async stop(): Promise<Tally> {
    await this.#stop();
    return tallyOf(readFileSync(this.#file));
  }

  /** Of what was kept when it stopped. */
  packets(): Generator<CapturedPacket> {
    return packetsIn(readFileSync(this.#file));
  }

  /** Lines in which tcpdump itself calls a checksum wrong. */
  complaints(): string[] {
    const words = ['-nn', '-vv', '-Z', 'root', '-r', this.#file];
    const dump = execFileSync('tcpdump', words, {
      encoding: 'utf8',
      maxBuffer: DUMP_BYTES,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return complaintsIn(dump);
  }
}

export function complaintsIn(dump: string): string[] {
  return dump.split('\n').filter((line) => COMPLAINT.test(line));
}

/** Bytes of a capture, without its frames' Ethernet headers. */
export interface CapturedPacket {
  readonly view: DataView;
  readonly at: number;
  readonly length: number;
}

function* packetsIn(pcap: Uint8Array): Generator<CapturedPacket> {
  const view = new DataView(pcap.buffer, pcap.byteOffset, pcap.byteLength);
  assert.equal(view.getUint32(0, true), MAGIC, 'a capture of the classic format');
  const linkType = view.getUint32(20, true);
  assert.ok(linkType === LINK_TYPE.ethernet || linkType === LINK_TYPE.raw, `link type ${linkType}`);
  const header = linkType === LINK_TYPE.ethernet ? ETHERNET_HEADER : 0;
  for (let at = FILE_HEADER; at + RECORD_HEADER <= pcap.length; ) {
    const [kept, length] = [view.getUint32(at + 8, true), view.getUint32(at + 12, true)];
    at += RECORD_HEADER;
    if (at + kept > pcap.length) break; // Cut off as it ended.
    assert.equal(kept, length, 'frames are kept whole');
    yield { view, at: at + header, length: kept - header };
    at += kept;
  }
}

export function tallyOf(pcap: Uint8Array): Tally {
  const tally: Tally = { right: 0, partial: 0, unknown: 0, wrong: 0, largest: 0, bytes: 0 };
  for (const { view, at, length } of packetsIn(pcap)) {
    tally[verdictOf(view, at, length)]++;
    tally.bytes += length;
    tally.largest = Math.max(tally.largest, length);
  }
  return tally;
}

export function verdictOf(view: DataView, at: number, length: number): Verdict {
  const h = new PacketHeaders();
  if (!h.read(view, at, length)) return 'wrong';
  if (h.version === 4 && checksum(view, at, h.upperAt - at) !== 0) return 'wrong';
  if (h.fragment !== Fragment.none || h.opaque) return 'unknown';
  const field = checksumField(h);
  if (field === undefined) return 'unknown';
  const pseudo =
    h.protocol === Protocol.icmp
      ? 0
      : pseudoHeaderSum(view, h.version, at + (h.version === 4 ? 12 : 8), h.protocol, h.upperLength);
  if (checksum(view, h.upperAt, h.upperLength, pseudo) === 0) return 'right';
  return view.getUint16(h.upperAt + field) === (~foldChecksum(pseudo) & 0xffff) ? 'partial' : 'wrong';
}

function checksumField({ protocol }: PacketHeaders): number | undefined {
  if (protocol === Protocol.tcp) return 16;
  if (protocol === Protocol.udp) return 6;
  return protocol === Protocol.icmp || protocol === Protocol.icmpv6 ? 2 : undefined;
}
