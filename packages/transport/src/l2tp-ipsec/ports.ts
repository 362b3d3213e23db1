/** What IKE and ESP come through at one address: UDP 500, UDP 4500 for NAT traversal and ESP, and IP protocol 50 where that is wanted. */
import type { Logger } from '@culvert/base';
import { type DatagramBatch, encodePath, NetioError } from '@culvert/netio';
import type { FaultLog } from '../fault-log.ts';
import type { Outbox } from '../outbox.ts';
import { RawIpPort } from '../raw-ip-port.ts';
import { addBareCounts, addSocketCounts, type BareCounts, type SocketCounts } from '../socket-counts.ts';
import { type UdpPath, UdpPort } from '../udp-port.ts';

export interface PortNumbers {
  readonly ike: number;
  readonly natTraversal: number;
}

const ESP_PROTOCOL = 50;
/**
 * Who does not cut IKE's messages sends a chain of certificates in one datagram, which IP cuts. A scratch batch has room for 64 of these,
 * which is as many as one system call reads where the kernel gives no trains.
 */
const LONGEST_DATAGRAM = 16_384;

export const usualPorts: PortNumbers = { ike: 500, natTraversal: 4_500 };
const anyPorts: PortNumbers = { ike: 0, natTraversal: 0 };

export interface IpsecPortsOptions {
  readonly family: 4 | 6;
  /** Undefined: every one. */
  readonly address: string | undefined;
  readonly numbers: PortNumbers;
  /** What is read goes here; in use for the length of a call. */
  readonly datagrams: DatagramBatch;
  /** Send and take trains. @default where the kernel has them */
  readonly trains?: boolean | undefined;
  nextId(): number;
  readonly log: Logger;
  readonly faults: FaultLog;
  /** As `UdpPort`'s `onDatagrams`, of port 500. */
  onIke(batch: DatagramBatch, first: number, port: UdpPort): number;
  /** As `UdpPort`'s `onDatagrams`, of port 4500. */
  onNatTraversal(batch: DatagramBatch, first: number, port: UdpPort): number;
  /** As `RawIpPort`'s `onPackets`: ESP outside of UDP. Undefined: it is not taken. */
  readonly onBareEsp?: ((batch: DatagramBatch, first: number) => number) | undefined;
}

export class IpsecPorts {
  readonly ike: UdpPort;
  readonly natTraversal: UdpPort;
  readonly #bare: RawIpPort | undefined;

  /** Throws NetioError. */
  constructor(options: IpsecPortsOptions) {
    const { family, address, numbers, datagrams: scratch, trains, nextId, log, faults } = options;
    const { onIke, onNatTraversal, onBareEsp } = options;
    const common = {
      family,
      ...(address !== undefined && { address }),
      scratch,
      slotBytes: LONGEST_DATAGRAM,
      trains,
      log,
      faults,
    } as const;
    this.ike = new UdpPort({ ...common, port: numbers.ike, number: nextId(), onDatagrams: onIke });
    try {
      this.natTraversal = new UdpPort({
        ...common,
        port: numbers.natTraversal,
        number: nextId(),
        onDatagrams: onNatTraversal,
      });
    } catch (error) {
      this.ike.close();
      throw error;
    }
    try {
      this.#bare = onBareEsp && new RawIpPort({ protocol: ESP_PROTOCOL, family, address }, faults, onBareEsp);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** For a client: the usual ports, or others where these are in use or not allowed. */
  static open(options: Omit<IpsecPortsOptions, 'numbers'>): IpsecPorts {
    try {
      return new IpsecPorts({ ...options, numbers: usualPorts });
    } catch (error) {
      if (!(error instanceof NetioError)) throw error;
      return new IpsecPorts({ ...options, numbers: anyPorts });
    }
  }

  get numbers(): PortNumbers {
    return { ike: this.ike.socket.local.port, natTraversal: this.natTraversal.socket.local.port };
  }

  /** Of both UDP sockets, and of the raw one. */
  addCounts(counts: SocketCounts & BareCounts): void {
    for (const { socket } of [this.ike, this.natTraversal]) addSocketCounts(counts, socket.stats);
    if (this.#bare !== undefined) addBareCounts(counts, this.#bare.stats);
  }

  has(port: UdpPort): boolean {
    return port === this.ike || port === this.natTraversal;
  }

  /** Where ESP outside of UDP goes on this path. Undefined: nowhere. */
  bareOutbox({ local, remote }: UdpPath): Outbox | undefined {
    const path = { local: local.address, remote: { address: remote.address, port: 0 } };
    return this.#bare?.outboxOn(encodePath(path, familyOf(remote.address)));
  }

  /** What waits is sent before. */
  close(): void {
    this.ike.close();
    this.natTraversal.close();
    this.#bare?.close();
  }
}

/**
 * A path to `remote`, on which we are `local`. Over IPv4 the kernel may choose another address when the network changes; over IPv6 it
 * may not, as checksums of what is inside are made with it.
 */
export function pathTo(
  port: UdpPort,
  local: string,
  remote: { readonly address: string; readonly port: number },
): UdpPath {
  if (familyOf(remote.address) === 6) return port.pathFrom(encodePath({ local, remote }, 6));
  return port.pathFrom(encodePath({ remote }, 4), local);
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}
