/** A wire of real sockets on which a test sees what diallers send, and sends it again, changed or not. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

export class UdpTap {
  /** What diallers sent, in order. */
  readonly seen: Buffer[] = [];
  /** What came back. */
  readonly answers: Buffer[] = [];
  /** Nothing passes. */
  cut = false;
  /** What passes instead of a datagram, either way. Undefined: nothing does. */
  change = (datagram: Buffer): Uint8Array | undefined => datagram;
  readonly #front: Socket;
  readonly #back: Socket;
  readonly #target: { readonly address: string; readonly port: number };
  #dialler: { readonly address: string; readonly port: number } | undefined;

  private constructor(front: Socket, back: Socket, target: { readonly address: string; readonly port: number }) {
    this.#front = front;
    this.#back = back;
    this.#target = target;
    front.on('message', (datagram, from) => {
      this.seen.push(datagram);
      this.#dialler = from;
      const changed = this.cut ? undefined : this.change(datagram);
      if (changed !== undefined) this.send(changed);
    });
    back.on('message', (datagram) => {
      this.answers.push(datagram);
      const changed = this.cut ? undefined : this.change(datagram);
      if (this.#dialler !== undefined && changed !== undefined)
        front.send(changed, this.#dialler.port, this.#dialler.address);
    });
  }

  /** For one dialler, which reaches `target` at the tap's address and port. */
  static async open(target: { readonly address: string; readonly port: number }): Promise<UdpTap> {
    const [front, back] = [createSocket('udp4'), createSocket('udp4')];
    front.bind(0, '127.0.0.1');
    back.bind(0);
    await Promise.all([once(front, 'listening'), once(back, 'listening')]);
    return new UdpTap(front, back, target);
  }

  get port(): number {
    return this.#front.address().port;
  }

  /** As from the dialler. */
  send(datagram: Uint8Array): void {
    this.#back.send(datagram, this.#target.port, this.#target.address);
  }

  close(): void {
    this.#front.close();
    this.#back.close();
  }
}
