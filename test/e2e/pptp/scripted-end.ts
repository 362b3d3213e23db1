/**
 * A PPTP peer's data: GRE over a raw socket, PPP by script, MPPE by hand. It holds our end to the order of GRE's numbers and to MPPE:
 * nothing but PPP's own control packets may come in the clear.
 */
import assert from 'node:assert/strict';
import { createDatagramBatch, encodePath, openRawIp, type RawIpSocket } from '@culvert/netio';
import { packetsOf } from '@culvert/testkit';
import { type Script, ScriptedPeer } from '../../../packages/ppp/test/scripted-peer.ts';
import { type Mppe, MsChapV2 } from './by-hand.ts';

const GRE = 47;
const IPV4 = 0x21;
const IPV6 = 0x57;
const MPPE = 0xfd;

export interface Habits {
  readonly ppp: Script;
  /** Of its first GRE packet. */
  readonly firstSequence: number;
  /** Beside data, by packets of their own, or not at all: so that each is seen. */
  readonly acknowledges: 'with data' | 'alone' | 'never';
  /** IP's inside MPPE: "21" where one byte is agreed and used. */
  readonly innerProtocol: '21' | '0021';
}

export class ScriptedEnd implements Disposable {
  readonly peer: ScriptedPeer;
  readonly proof = new MsChapV2('alice');
  /** IPv4 packets that came, and messages of ICMPv6 by type. */
  readonly packets: Buffer[] = [];
  readonly icmp6: number[] = [];
  readonly #habits: Habits;
  readonly #socket: RawIpSocket;
  readonly #path: Uint32Array;
  readonly #callIds: { readonly own: number; readonly peers: number };
  #keys: { readonly out: Mppe; readonly in: Mppe } | undefined;
  #sequence: number;
  #came: number | undefined;
  #acknowledged: number | undefined;

  /** The socket must be there before our end knows of the call. */
  static socket(address: string): RawIpSocket {
    return openRawIp({ family: 4, protocol: GRE, address });
  }

  constructor(habits: Habits, socket: RawIpSocket, remote: string, callIds: { own: number; peers: number }) {
    this.#habits = habits;
    this.#socket = socket;
    this.#path = encodePath({ local: socket.local.address, remote: { address: remote, port: 0 } }, 4);
    this.#callIds = callIds;
    this.#sequence = habits.firstSequence;
    this.peer = new ScriptedPeer(habits.ppp, this.proof);
    socket.onReadable(() => this.#read());
  }

  open(): void {
    this.peer.open();
    this.#drain();
  }

  /** Says goodbye by LCP. */
  terminate(body: string): void {
    this.peer.send(0xc021, 5, body);
    this.#drain();
  }

  sendPacket(packet: Uint8Array): void {
    const inner = Buffer.concat([Buffer.from(this.#habits.innerProtocol, 'hex'), packet]);
    this.#sendFrame(Buffer.concat([Uint8Array.of(MPPE), this.#mppe().out.seal(inner)]));
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  #mppe(): { readonly out: Mppe; readonly in: Mppe } {
    const isClient = this.#habits.ppp.role === 'client';
    if (this.#keys === undefined) {
      const { client, server } = this.proof.keys();
      this.#keys = isClient ? { out: client, in: server } : { out: server, in: client };
    }
    return this.#keys;
  }

  #read(): void {
    const batch = createDatagramBatch(256, 1 << 19);
    while (this.#socket.recvBatch(batch) > 0) {
      for (const packet of packetsOf(batch)) this.#hear(Buffer.from(packet));
      batch.count = batch.used = 0;
    }
    this.#drain();
  }

  #hear(packet: Buffer): void {
    const flags = packet.readUInt16BE(0);
    if (packet.readUInt16BE(6) !== this.#callIds.own) return;
    assert.ok([0x3001, 0x3081, 0x2081].includes(flags), `GRE’s flags are ${flags.toString(16)}`);
    assert.equal(packet.readUInt16BE(2), 0x880b);
    if ((flags & 0x1000) === 0) return;
    const at = (flags & 0x80) === 0 ? 12 : 16;
    assert.equal(packet.length, at + packet.readUInt16BE(4));
    const sequence = packet.readUInt32BE(8);
    if (this.#came !== undefined) assert.equal(sequence, this.#came + 1, 'Windows drops what is out of order');
    this.#came = sequence;
    this.#hearFrame(packet.subarray(at));
  }

  #hearFrame(frame: Buffer): void {
    const [protocol, body] = protocolOf(frame.readUInt16BE(0) === 0xff03 ? frame.subarray(2) : frame);
    if (protocol !== MPPE) {
      assert.ok(protocol >= 0x8000, `protocol ${protocol.toString(16)} came in the clear`);
      this.peer.handle(frame);
      return;
    }
    const [inner, packet] = protocolOf(this.#mppe().in.open(body));
    if (inner === IPV4) this.packets.push(packet);
    else {
      assert.equal(inner, IPV6);
      this.icmp6.push(packet[40] ?? 0);
    }
  }

  #drain(): void {
    for (let frame = this.peer.poll(); frame !== undefined; frame = this.peer.poll()) this.#sendFrame(frame);
    if (this.#habits.acknowledges !== 'alone' || this.#acknowledged === this.#came) return;
    this.#acknowledged = this.#came;
    this.#send(0x2081, [this.#came ?? 0], new Uint8Array(0));
  }

  #sendFrame(frame: Uint8Array): void {
    const sequence = this.#sequence++;
    if (this.#habits.acknowledges !== 'with data' || this.#acknowledged === this.#came)
      this.#send(0x3001, [sequence], frame);
    else {
      this.#acknowledged = this.#came;
      this.#send(0x3081, [sequence, this.#came ?? 0], frame);
    }
  }

  #send(flags: number, numbers: readonly number[], payload: Uint8Array): void {
    const head = Buffer.alloc(8 + 4 * numbers.length);
    for (const [i, field] of [flags, 0x880b, payload.length, this.#callIds.peers].entries())
      head.writeUInt16BE(field, 2 * i);
    for (const [i, number] of numbers.entries()) head.writeUInt32BE(number, 8 + 4 * i);
    this.#socket.send(Buffer.concat([head, payload]), this.#path);
  }
}

function protocolOf(bytes: Buffer): readonly [number, Buffer] {
  const long = (bytes[0] ?? 0) % 2 === 0;
  return long ? [bytes.readUInt16BE(0), bytes.subarray(2)] : [bytes[0] ?? 0, bytes.subarray(1)];
}
