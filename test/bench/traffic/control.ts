/** The conversation of the two ends of a measurement: lines of JSON over one TCP connection through the tunnel. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export const ports = { control: 7000, streams: 7001, packets: 7002 } as const;

export type Request =
  /** How many bytes came in over all streams until now? */
  | { readonly kind: 'bytes' }
  /** Count packets of this trial from now on. */
  | { readonly kind: 'expect'; readonly trial: number }
  /** How many were there? */
  | { readonly kind: 'count' }
  /** Send packets of this trial to whoever greeted last. */
  | { readonly kind: 'send'; readonly trial: number; readonly rate: number; readonly seconds: number };

export interface Answer {
  readonly value: number;
  /** Milliseconds on the answering end's clock. */
  readonly at: number;
}

/** Answers the requests of a connection, one after the other. */
export async function answerAll(socket: Socket, answer: (request: Request) => Promise<number> | number): Promise<void> {
  socket.setNoDelay(true);
  for await (const line of createInterface(socket)) {
    const value = await answer(JSON.parse(line) as Request);
    socket.write(`${JSON.stringify({ value, at: performance.now() } satisfies Answer)}\n`);
  }
}

export class Control {
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#lines = createInterface(socket)[Symbol.asyncIterator]();
  }

  /** @param from our address; undefined: the kernel chooses */
  static async connect(host: string, from?: string): Promise<Control> {
    const socket = connect({
      host,
      port: ports.control,
      noDelay: true,
      ...(from !== undefined && { localAddress: from }),
    });
    await once(socket, 'connect');
    return new Control(socket);
  }

  async ask(request: Request): Promise<Answer> {
    this.#socket.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the other end is gone');
    return JSON.parse(value) as Answer;
  }

  close(): void {
    this.#socket.destroy();
  }
}
