/**
 * Our IKE and ESP over plain sockets: what a transport does with `IkeEndpoint` and `SaDatabase`, without its batches.
 *
 * One end owns UDP ports 500 and 4500 and IP protocol 50 of one address, so that each case of a table has an end of its own. Work is
 * done where it arises. Behind each child stands UDP between its selectors' ports.
 */
import assert from 'node:assert/strict';
import { createPacketBatch, type Endpoint, type Instant, type Path } from '@culvert/base';
import { EspReport } from '@culvert/cipher';
import {
  type ChildRequest,
  exchangeKeys,
  IkeEndpoint,
  type IkeEvent,
  type IkeOptions,
  type IkeWork,
  type IkeWorkResult,
  matchesSelectors,
  type SaChain,
  SaDatabase,
  sortDatagram,
  spiOf,
  UDP_HEADER_BYTES,
  writeUdpHeader,
} from '@culvert/ipsec';
import { createDatagramBatch, encodePath, endpointOfPath, openRawIp, openUdp, pathWords } from '@culvert/netio';
import { eventually, nullLogger } from '@culvert/testkit';
import { systemClock, systemRandom } from '@culvert/transport';
import { checksum, parseAddress, pseudoHeaderSum } from '@culvert/wire';

const ESP = 50;
const UDP = 17;
const PORT = 1701;
const ports = { ike: 500, natTraversal: 4500 };

type Socket = ReturnType<typeof openUdp> | ReturnType<typeof openRawIp>;

export interface IkeEndOptions extends Partial<IkeOptions> {
  readonly address: string;
  /** Signs and verifies. @default it cannot */
  readonly work?: (work: IkeWork) => IkeWorkResult;
}

export class IkeEnd implements Disposable {
  readonly address: string;
  readonly ike: IkeEndpoint;
  readonly events: IkeEvent[] = [];
  /** Datagrams that came, by how. */
  readonly arrived = { ike: 0, ikeOver4500: 0, espInUdp: 0, esp: 0 };
  /** Packets of nobody's SPI, and those that an association did not take. */
  readonly refused = { unknown: 0, cipher: 0, selectors: 0 };
  /** What came out of associations, without UDP's header. */
  readonly payloads: Uint8Array[] = [];
  readonly #sas = new SaDatabase({ random: systemRandom });
  /** Where each child's chain, which has those that take its place, sends to. */
  readonly #chains = new Map<number, { readonly chain: SaChain; path: Path }>();
  readonly #report = new Uint32Array(EspReport.words);
  readonly #sockets: Readonly<Record<'ike' | 'nat' | 'esp', Socket>>;
  readonly #work: IkeEndOptions['work'];
  #timer: NodeJS.Timeout | undefined;

  constructor({ address, work, ...options }: IkeEndOptions) {
    this.address = address;
    this.#work = work;
    const family = address.includes(':') ? 6 : 4;
    this.#sockets = {
      ike: openUdp({ family, address, port: ports.ike }),
      nat: openUdp({ family, address, port: ports.natTraversal }),
      esp: openRawIp({ family, address, protocol: ESP }),
    };
    this.ike = new IkeEndpoint({
      random: systemRandom,
      logger: nullLogger,
      allocateSpi: () => this.#sas.allocateSpi(),
      releaseSpi: (spi) => this.#sas.releaseSpi(spi),
      ...options,
    });
    this.#listen('ike', (datagram, path) => {
      this.arrived.ike++;
      this.ike.handleDatagram(datagram, path, now());
    });
    this.#listen('nat', (datagram, path) => this.#handleNat(datagram, path));
    this.#listen('esp', (datagram, path) => {
      this.arrived.esp++;
      this.#handleEsp(datagram, path);
    });
  }

  /** Dials from here. */
  connect(remote: string, { child = {}, authentication = 'pre-shared-key' as const, ...more }: Dial = {}): number {
    const request: ChildRequest = {
      mode: 'transport',
      local: selector(this.address),
      remote: selector(remote),
      ...child,
    };
    const [path, natPath] = [this.#pathTo(remote, ports.ike), this.#pathTo(remote, ports.natTraversal)];
    const number = this.ike.connect({ path, natPath, authentication, child: request, ...more }, now());
    this.#drain();
    return number;
  }

  /** Does something to the machine, and what follows from it. */
  act<T>(what: (ike: IkeEndpoint, now: Instant) => T): T {
    const result = what(this.ike, now());
    this.#drain();
    return result;
  }

  of<K extends IkeEvent['kind']>(kind: K): Extract<IkeEvent, { kind: K }>[] {
    return this.events.filter((event) => event.kind === kind) as Extract<IkeEvent, { kind: K }>[];
  }

  /** The `count`-th event of that kind, once it is there. */
  async next<K extends IkeEvent['kind']>(kind: K, count = 1, within = 15_000): Promise<Extract<IkeEvent, { kind: K }>> {
    try {
      return await eventually(`${this.address}: ${kind}`, () => this.of(kind)[count - 1], within);
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${this.describe()}`, { cause: error });
    }
  }

  /** What happened here, for a test that failed. */
  describe(): string {
    const told = this.events.map((event) => {
      if (event.kind === 'closed') return `closed (${event.code}: ${event.reason.detail})`;
      return 'detail' in event ? `${event.kind} (${event.code}: ${event.detail})` : event.kind;
    });
    const counts = { ...this.arrived, ...this.refused, ...this.ike.stats };
    return `${this.address} saw ${told.join(', ') || 'nothing'}; ${JSON.stringify(counts)}`;
  }

  /** Sends UDP by a child, or by the one that has taken its place. */
  send(child: number, payload: Uint8Array): void {
    const { chain, path } = this.#chainOf(child);
    const pair = chain.sending;
    if (pair === undefined) throw new Error(`no association may send; ${this.describe()}`);
    const { local, remote } = pair.sa;
    const datagram = new Uint8Array(UDP_HEADER_BYTES + payload.length);
    datagram.set(payload, UDP_HEADER_BYTES);
    const batch = batchOf(datagram);
    writeUdpHeader(batch.view, 0, datagram.length, { local: local.port, remote: remote.port });
    // Linux takes no UDP over IPv6 without.
    if (this.address.includes(':')) batch.view.setUint16(6, checksumOf(batch.view, this.address, path.remote.address));
    const sealed = createPacketBatch(1, datagram.length + 128);
    pair.seal(batch, 0, sealed);
    const packet = only(sealed) ?? new Uint8Array();
    if (pair.sa.udpEncapsulated) this.#send('nat', packet, path.remote);
    else this.#send('esp', packet, { ...path.remote, port: 0 });
    this.act((ike, at) => ike.handleSent(pair.child, packet.length, at));
  }

  /** The peer's echo of as many bytes as are sent; asked for again when one is lost. */
  async echo(child: number, bytes = 100): Promise<void> {
    const payload = systemRandom.bytes(bytes);
    const is = (other: Uint8Array) => Buffer.compare(other, payload) === 0;
    let asked = 0;
    const answered = () => this.payloads.some(is);
    try {
      await eventually(`${this.address}: an echo of ${bytes} bytes`, () => {
        if (performance.now() >= asked + 500) {
          asked = performance.now();
          this.send(child, payload);
        }
        return answered();
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${this.describe()}`, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const socket of Object.values(this.#sockets)) socket.close();
    this.#sas.close();
  }

  // Details.

  #listen(name: 'ike' | 'nat' | 'esp', handle: (datagram: Uint8Array, path: Path) => void): void {
    const socket = this.#sockets[name];
    const batch = createDatagramBatch(256, 4 * 65_536);
    const port = { ike: ports.ike, nat: ports.natTraversal, esp: 0 }[name];
    socket.onReadable(() => {
      batch.count = 0;
      batch.used = 0;
      socket.recvBatch(batch);
      for (let i = 0; i < batch.count; i++) {
        const at = batch.offsets[i] ?? 0;
        const { local, remote } = endpointOfPath(batch.paths, i * pathWords);
        const path = { socket: port, local: { address: local, port }, remote };
        handle(batch.arena.slice(at, at + (batch.lengths[i] ?? 0)), path);
      }
      this.#drain();
    });
  }

  #handleNat(datagram: Uint8Array, path: Path): void {
    if (sortDatagram(viewOf(datagram), 0, datagram.length) === 'esp') {
      this.arrived.espInUdp++;
      this.#handleEsp(datagram, path);
      return;
    }
    this.arrived.ikeOver4500++;
    this.ike.handleDatagram(datagram, path, now());
  }

  #handleEsp(packet: Uint8Array, { remote }: Path): void {
    const pair = this.#sas.find(packet.length < 8 ? 0 : spiOf(viewOf(packet), 0));
    if (pair === undefined) {
      this.refused.unknown++;
      return;
    }
    const opened = createPacketBatch(1, packet.length + 64);
    pair.open(batchOf(packet), 0, 1, opened, this.#report);
    const datagram = only(opened);
    if (datagram === undefined) this.refused.cipher++;
    else if (!matchesSelectors(pair.sa, viewOf(datagram), 0, datagram.length)) this.refused.selectors++;
    else {
      this.payloads.push(datagram.subarray(UDP_HEADER_BYTES));
      const way = this.#chainOf(pair.child);
      if (pair.sa.udpEncapsulated) way.path = { ...way.path, remote };
      this.ike.handleTraffic(pair.child, packet.length, now());
    }
  }

  #send(name: 'ike' | 'nat' | 'esp', datagram: Uint8Array, remote: Endpoint): void {
    const socket = this.#sockets[name];
    socket.send(datagram, encodePath({ local: this.address, remote }, socket.family));
  }

  #chainOf(child: number) {
    const found = this.#chains.get(child);
    if (found === undefined) throw new Error(`child ${child} is not there; ${this.describe()}`);
    return found;
  }

  #pathTo(remote: string, port: number): Path {
    return { socket: port, local: { address: this.address, port }, remote: { address: remote, port } };
  }

  #drain(): void {
    const { ike } = this;
    let worked: boolean;
    do {
      worked = false;
      for (let w = ike.pollWork(); w !== undefined; w = ike.pollWork()) {
        worked = true;
        ike.handleWorkDone(w.id, w.kind === 'key-exchange' ? exchangeKeys(w.request) : this.#work?.(w), now());
      }
      for (let e = ike.pollEvent(); e !== undefined; e = ike.pollEvent()) this.#handleEvent(e);
      for (let t = ike.pollTransmit(); t !== undefined; t = ike.pollTransmit())
        this.#send(t.path.local.port === ports.natTraversal ? 'nat' : 'ike', t.datagram, t.path.remote);
    } while (worked);
    clearTimeout(this.#timer);
    const next = ike.pollTimeout();
    if (next === undefined) return;
    this.#timer = setTimeout(
      () => {
        ike.handleTimeout(now());
        this.#drain();
      },
      Math.max(0, next - now()),
    );
  }

  #handleEvent(event: IkeEvent): void {
    this.events.push(event);
    if (event.kind === 'child-created') {
      const chain = this.#sas.create(event);
      this.#chains.set(event.child, { chain, path: event.path });
    }
    if (event.kind === 'child-ready') this.#sas.handleReady(event.child);
    if (event.kind === 'child-deleted') this.#sas.handleDeleted(event.child, event.by, now());
    if (event.kind === 'moved') for (const way of this.#chains.values()) way.path = event.path;
  }
}

type Dial = Omit<Partial<Parameters<IkeEndpoint['connect']>[0]>, 'child'> & { readonly child?: Partial<ChildRequest> };

function now(): Instant {
  return systemClock.now();
}

function selector(address: string) {
  return { network: `${address}/${address.includes(':') ? 128 : 32}`, protocol: UDP, port: PORT };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** UDP's, whose field is zero yet. */
function checksumOf(datagram: DataView, ...addresses: readonly [string, string]): number {
  const pseudo = Buffer.concat([...addresses.map((address) => parseAddress(address)?.bytes ?? assert.fail(address))]);
  const sum = pseudoHeaderSum(viewOf(pseudo), 6, 0, UDP, datagram.byteLength);
  return checksum(datagram, 0, datagram.byteLength, sum);
}

function batchOf(bytes: Uint8Array) {
  const batch = createPacketBatch(1, bytes.length);
  batch.arena.set(bytes);
  batch.lengths[0] = bytes.length;
  batch.count = 1;
  batch.used = bytes.length;
  return batch;
}

function only(batch: ReturnType<typeof createPacketBatch>): Uint8Array | undefined {
  if (batch.count === 0) return undefined;
  const at = batch.offsets[0] ?? 0;
  return batch.arena.slice(at, at + (batch.lengths[0] ?? 0));
}
