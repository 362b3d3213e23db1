/** Small UDP packets at a given rate, each a packet of its own on its way out of the sender, and the count of those that arrive. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Endpoint } from '@culvert/base';
import { createDatagramBatch, encodePath, endpointOfPath, openUdp, pathWords, type UdpSocket } from '@culvert/netio';
import { ports } from './control.ts';

/** Of UDP payload. */
export const PACKET_BYTES = 64;
const BUFFER_BYTES = 4 * 1024 * 1024;
const GREETING = 0xffff_ffff;

const execute = promisify(execFile);

/** One end. Packets carry the number of their trial, so that stragglers of one are not counted in the next. */
export class PacketEnd {
  count = 0;
  #trial = 0;
  readonly #sender: string;
  readonly #socket: UdpSocket;
  readonly #received = createDatagramBatch(1024, 16 * 65_536);
  /** Where packets go: the other end, or whoever greeted last. */
  #peer: Endpoint | undefined;

  /** @param sender the program made of `sender.cc` */
  constructor(sender: string, remote: string | undefined) {
    this.#sender = sender;
    this.#socket = openUdp({
      family: 4,
      port: remote === undefined ? ports.packets : 0,
      segmentation: false,
      receiveBufferBytes: BUFFER_BYTES,
    });
    if (remote !== undefined) this.#peer = { address: remote, port: ports.packets };
    this.#socket.onReadable(() => this.#receive());
  }

  expect(trial: number): void {
    this.#trial = trial;
    this.count = 0;
  }

  /** Shows the other end our address, and opens the way for its packets. */
  greet(): void {
    const bytes = new Uint8Array(PACKET_BYTES);
    new DataView(bytes.buffer).setUint32(0, GREETING);
    this.#socket.send(bytes, encodePath({ remote: this.#known() }, 4));
  }

  /** Resolves with the number of packets that the kernel took. */
  async send(trial: number, rate: number, seconds: number): Promise<number> {
    const { address, port } = this.#known();
    const { device, hardware, source } = await wayTo(address);
    const words = [
      device,
      hardware,
      source,
      this.#socket.local.port,
      address,
      port,
      PACKET_BYTES,
      trial,
      rate,
      seconds,
    ];
    const { stdout } = await execute(this.#sender, words.map(String));
    return Number(stdout);
  }

  close(): void {
    this.#socket.close();
  }

  #known(): Endpoint {
    if (this.#peer === undefined) throw new Error('nobody greeted');
    return this.#peer;
  }

  #receive(): void {
    const batch = this.#received;
    batch.count = batch.used = 0;
    this.#socket.recvBatch(batch);
    for (let i = 0; i < batch.count; i++) {
      const trial = batch.view.getUint32(batch.offsets[i] ?? 0);
      if (trial === this.#trial) this.count++;
      else if (trial === GREETING) this.#peer = endpointOfPath(batch.paths, i * pathWords).remote;
    }
  }
}

/** What the kernel would put around a packet to this address. `hardware` is "-" for a device without such addresses. */
async function wayTo(address: string): Promise<{ device: string; hardware: string; source: string }> {
  const [route] = await askIp<{ dev: string; prefsrc: string; gateway?: string }>('route', 'get', address);
  if (route === undefined) throw new Error(`no way to ${address}`);
  const { dev: device, prefsrc: source, gateway = address } = route;
  const [neighbour] = await askIp<{ lladdr?: string }>('neighbour', 'show', gateway, 'dev', device);
  return { device, source, hardware: neighbour?.lladdr ?? '-' };
}

async function askIp<T>(...words: readonly string[]): Promise<T[]> {
  const { stdout } = await execute('ip', ['-4', '-json', ...words]);
  return JSON.parse(stdout) as T[];
}
