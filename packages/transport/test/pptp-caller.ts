/** A PPTP client that makes several calls on one control connection, as pptp-linux does, and tells what it knows of them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createPacketBatch, type Path } from '@culvert/base';
import type { Link } from '@culvert/core';
import { clientAuth, PppSession } from '@culvert/ppp';
import { eventually, nullLogger, packetsOf } from '@culvert/testkit';
import { systemClock, systemRandom } from '../src/clock.ts';
import { FaultLog } from '../src/fault-log.ts';
import { clientConfig } from '../src/ppp/network.ts';
import { keepaliveOf, sessionSettings } from '../src/ppp/settings.ts';
import { Call } from '../src/pptp/call.ts';
import { GrePort } from '../src/pptp/gre-port.ts';
import { bringUp, mppeWish } from '../src/pptp/terms.ts';
import { tcpPath } from '../src/tcp-server.ts';
import { gateway, laptop, type PptpLab, password } from './pptp-lab.ts';

/** Messages by hand, so that they are nobody's encoder's. */
const message = (type: number, bytes: number, ...fields: readonly (readonly [number, number])[]): Buffer => {
  const text = Buffer.alloc(bytes);
  text.writeUInt16BE(bytes, 0);
  text.writeUInt16BE(1, 2);
  text.writeUInt32BE(0x1a2b3c4d, 4);
  text.writeUInt16BE(type, 8);
  for (const [at, value] of fields) text.writeUInt16BE(value, at);
  return text;
};
export const startRequest = message(1, 156, [12, 0x0100]);
export const callRequest = (callId: number) => message(7, 168, [12, callId], [14, callId], [32, 64]);
export const clearRequest = (callId: number) => message(12, 16, [12, callId]);

export const wanError = (callId: number) => message(14, 40, [12, callId]);

/** One TCP connection, one raw socket. */
export class Caller {
  readonly socket: Socket;
  readonly port = new GrePort(laptop, new FaultLog(nullLogger, systemClock));
  readonly #path: Path;
  readonly #replies: Buffer[] = [];
  readonly #calls: Call[] = [];
  #bytes = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    const path = tcpPath(socket, 0);
    assert.ok(path !== undefined);
    this.#path = path;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.write(startRequest);
  }

  static async open(lab: PptpLab): Promise<Caller> {
    const socket = connect({ host: gateway, port: lab.port, localAddress: laptop });
    await once(socket, 'connect');
    return new Caller(socket);
  }

  /** The result of Outgoing-Call-Reply, and the two call ids. */
  async ask(): Promise<{ result: number; error: number; callId: number; peerCallId: number }> {
    const callId = this.port.take() ?? 0;
    this.socket.write(callRequest(callId));
    const reply = await eventually('a reply', () =>
      this.#replies.find((m) => m[9] === 8 && m.readUInt16BE(14) === callId),
    );
    return { callId, peerCallId: reply.readUInt16BE(12), result: reply[16] ?? 0, error: reply[17] ?? 0 };
  }

  async call(): Promise<{ link: Link; callId: number; peerCallId: number; packets: Uint8Array[] }> {
    const { callId, peerCallId, result } = await this.ask();
    assert.equal(result, 1);
    const { promise, resolve } = Promise.withResolvers<Link>();
    const call: Call = new Call({
      event: { kind: 'call', callId, peerCallId, peerWindow: 0 },
      controlStats: { messagesIn: 0, messagesOut: 0, unknown: 0, unexpected: 0, malformed: 0, wanErrors: 0 },
      path: this.#path,
      port: this.port,
      settings: { listen: [] },
      clock: systemClock,
      inner: createPacketBatch(64, 0x1_0000),
      ppp: new PppSession({
        role: 'client',
        auth: clientAuth({ random: systemRandom, username: 'alice', password }),
        mppe: mppeWish({ listen: [] }),
        ipv4: { dns: true },
        ipv6: undefined,
        ...sessionSettings({}),
      }),
      onPpp: (event) => {
        if (event.kind !== 'up') return;
        const principal = { user: 'server', groups: [], certificate: undefined, proofs: [] };
        const config = clientConfig(event.terms, {}, keepaliveOf({}));
        const link = bringUp(call, event.terms, { id: callId, principal, config, path: this.#path });
        if (link !== undefined) resolve(link);
      },
      onFault: assert.ifError,
      onDown: () => this.socket.write(clearRequest(callId)),
      onOver: () => {},
    });
    this.#calls.push(call);
    call.start(systemClock.now());
    const link = await promise;
    const packets: Uint8Array[] = [];
    link.onPackets((batch) => void packets.push(...packetsOf(batch)));
    return { link, callId, peerCallId, packets };
  }

  /** Its GRE comes and goes no more; the control connection stays. */
  silence(): void {
    for (const call of this.#calls) call.handlePackets = () => {};
  }

  #take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= 2 && this.#bytes.length >= this.#bytes.readUInt16BE(0)) {
      const length = this.#bytes.readUInt16BE(0);
      this.#replies.push(this.#bytes.subarray(0, length));
      this.#bytes = this.#bytes.subarray(length);
    }
  }

  [Symbol.dispose](): void {
    for (const call of this.#calls) call.end({ cause: 'lost', detail: 'the test is over' }, systemClock.now());
    this.socket.destroy();
    this.port.close();
  }
}
