/**
 * Windows, macOS and Android as scripts (their proposals, identities, selectors and messages, written down from logs and code of theirs)
 * against our server, through real sockets, from IKE to a packet and the end.
 *
 *   script 172.16.11.171, seen as 10.77.0.2  ──►  10.77.0.1, UDP 500 and 4500
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet } from '@culvert/testkit';
import {
  androidVendorIds,
  appleVendorIds,
  phase1Offers,
  phase2Offers,
  windowsPeer,
} from '../../packages/ipsec/test/peers.ts';
import {
  bodyOf,
  hex,
  type Part,
  ScriptedInitiator,
  type ScriptedSuite,
} from '../../packages/ipsec/test/scripted-initiator.ts';
import { message, packet } from '../../packages/l2tp/test/encoder.ts';
import { type Client as LacClient, clients as lacs, parse } from '../../packages/l2tp/test/peer.ts';
import { type Script as PppScript, ScriptedPeer } from '../../packages/ppp/test/scripted-peer.ts';
import { android, macos, windowsOverIpsec } from '../../packages/ppp/test/scripts.ts';
import { L2tpLab } from '../../packages/transport/test/l2tp-lab.ts';
import { gateway, laptop } from '../../packages/transport/test/pptp-lab.ts';
import { EspByHand, type EspSuite } from './l2tp/esp-by-hand.ts';
import { MsChapV2 } from './pptp/by-hand.ts';

const UDP = 17;
const IPCP = 0x8021;
const OUR_SPI = 0xc0ff_ee01;
const privateAddress = '172.16.11.171';
const privateBytes = hex('ac100bab');
const serverBytes = hex('0a4d0001');
const marker = Buffer.alloc(4);

interface Script {
  readonly name: string;
  readonly suite: ScriptedSuite;
  /** Has to be allowed for it. */
  readonly weak: boolean;
  readonly phase1: Uint8Array;
  readonly phase2: (encapsulation: number) => Uint8Array;
  readonly vendorIds: readonly Uint8Array[];
  readonly identity: Buffer;
  /** As IDci says: 0 stands for any. */
  readonly selected: number;
  readonly port: number;
  readonly originals: boolean;
  readonly esp: EspSuite;
  readonly ppp: PppScript;
  readonly lac: LacClient;
  /** Before each frame, without ids. */
  readonly dataFlags: 0x0002 | 0x4002;
}

const scripts: readonly Script[] = [
  {
    name: 'Windows',
    suite: { hash: 'sha1', keyBytes: 32, group: 'secp384r1' },
    weak: false,
    phase1: phase1Offers.windows,
    phase2: phase2Offers.windows,
    vendorIds: windowsPeer.vendorIds,
    identity: Buffer.concat([hex('01000000'), privateBytes]),
    selected: 1_701,
    port: 1_701,
    originals: true,
    esp: { keyBytes: 16, hash: 'sha1', hashBytes: 20, icvBytes: 12 },
    ppp: windowsOverIpsec,
    lac: lacs.windows,
    dataFlags: 0x4002,
  },
  {
    name: 'macOS',
    suite: { hash: 'sha256', keyBytes: 32, group: 'modp14' },
    weak: false,
    phase1: phase1Offers.apple,
    phase2: phase2Offers.apple,
    vendorIds: appleVendorIds,
    identity: Buffer.concat([hex('011101f4'), privateBytes]),
    selected: 53_667,
    port: 53_667,
    originals: true,
    esp: { keyBytes: 32, hash: 'sha256', hashBytes: 32, icvBytes: 16 },
    ppp: macos,
    lac: lacs.macos,
    dataFlags: 0x4002,
  },
  {
    name: 'Android',
    suite: { hash: 'sha256', keyBytes: 32, group: 'modp2' },
    weak: true,
    phase1: phase1Offers.android,
    phase2: phase2Offers.android,
    vendorIds: androidVendorIds,
    identity: Buffer.concat([hex('01000000'), privateBytes]),
    selected: 0,
    port: 40_000,
    originals: false,
    esp: { keyBytes: 32, hash: 'sha256', hashBytes: 32, icvBytes: 16 },
    // Without MPPE it waits for no CCP.
    ppp: { ...android, ccpFirst: false },
    lac: lacs.android,
    dataFlags: 0x0002,
  },
];

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

for (const script of scripts) {
  test(`${script.name} comes up from behind a NAT, carries packets, and ends by its deletes`, { skip }, async () => {
    const presharedKeys = [{ network: undefined, key: Buffer.from('secret') }];
    await using lab = await L2tpLab.open({
      presharedKeys,
      weak: script.weak,
      ports: { ike: 500, natTraversal: 4_500 },
    });
    const client = await ScriptedClient.open(script);
    try {
      await client.makeKeys();
      await client.call();
      const heard = await eventually('the link is up', () => lab.accepted[0]);
      await eventually('PPP is up at the client', () => client.isUp);
      assert.equal(heard.link.facts['nat'], 'yes');
      assert.equal(heard.link.principal.user, 'user0');
      assert.equal(lab.admission.claims[0]?.response?.username, 'alice');
      for (let n = 1; n <= 3; n++) {
        client.sendPacket(ipv4Packet(200, n));
        await eventually('it is heard', () => heard.packets.length === n);
        heard.link.send(batchOf([ipv4Packet(300, n)]));
        await eventually('it hears', () => client.packets.length === n);
      }
      client.delete();
      assert.equal((await heard.link.closed).cause, 'peer');
      await eventually('nothing is left', () => lab.listener.stats['peers'] === 0);
    } finally {
      client.close();
    }
  });
}

class ScriptedClient {
  readonly packets: Uint8Array[] = [];
  readonly #script: Script;
  readonly #ike: ScriptedInitiator;
  readonly #sockets: readonly [Socket, Socket];
  readonly #came: Buffer[] = [];
  readonly #control: ReturnType<typeof parse>[] = [];
  readonly #proof = new MsChapV2('alice');
  readonly #ppp: ScriptedPeer;
  #out: EspByHand | undefined;
  #in: EspByHand | undefined;
  #ns = 0;
  #nr = 0;
  #tunnel = 0;
  #session = 0;

  private constructor(script: Script, sockets: readonly [Socket, Socket]) {
    this.#script = script;
    this.#sockets = sockets;
    this.#ike = new ScriptedInitiator(script.suite, 'secret');
    this.#ppp = new ScriptedPeer(script.ppp, this.#proof);
    for (const socket of sockets) socket.on('message', (datagram) => this.#hear(datagram));
  }

  static async open(script: Script): Promise<ScriptedClient> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    for (const socket of sockets) {
      socket.bind(0, laptop);
      await once(socket, 'listening');
    }
    return new ScriptedClient(script, sockets);
  }

  /** IPCP is open, and what the server said of our password was right. */
  get isUp(): boolean {
    const { success = '' } = this.#ppp;
    return this.#ppp.isOpen(IPCP) && success.startsWith(this.#proof.success);
  }

  /** Main mode and quick mode. */
  async makeKeys(): Promise<void> {
    const { phase1, phase2, vendorIds, identity, selected, originals, esp } = this.#script;
    const ike = this.#ike;
    ike.takeSecond(await this.#ask(500, ike.first(phase1, vendorIds)));
    ike.takeFourth(await this.#ask(500, ike.third(20, { own: privateAddress, ownPort: 500, server: gateway })));
    ike.takeSixth((await this.#ask(4_500, Buffer.concat([marker, ike.fifth(identity)]))).subarray(4));
    const port = Buffer.from([1, UDP, selected >>> 8, selected & 0xff]);
    const ids: Part[] = [
      [5, Buffer.concat([port, privateBytes])],
      [5, Buffer.concat([hex('011106a5'), serverBytes])],
    ];
    const original = (address: Buffer): Part => [21, Buffer.concat([hex('01000000'), address])];
    const more = originals ? [...ids, original(privateBytes), original(serverBytes)] : ids;
    const answer = await this.#ask(4_500, Buffer.concat([marker, ike.quickFirst(1, phase2(4), more)]));
    const spi = bodyOf(ike.takeQuickSecond(answer.subarray(4)), 1).subarray(16, 20);
    this.#send(4_500, Buffer.concat([marker, ike.quickThird(1)]));
    const create = (number: number) => {
      const spiBytes = hex(number.toString(16).padStart(8, '0'));
      return new EspByHand(esp, number, ike.keymat(spiBytes, esp.keyBytes + esp.hashBytes));
    };
    this.#out = create(spi.readUInt32BE(0));
    this.#in = create(OUR_SPI);
  }

  /** L2TP, and PPP from there on. */
  async call(): Promise<void> {
    const { lac } = this.#script;
    this.#say(lac.sccrq(7));
    this.#tunnel = Number.parseInt((await this.#answer(2)).avps.get(9) ?? '', 16);
    this.#say(message(3));
    this.#say(lac.icrq(9));
    this.#session = Number.parseInt((await this.#answer(11)).avps.get(14) ?? '', 16);
    this.#say(lac.iccn, this.#session);
    this.#ppp.open();
    this.#drain();
  }

  sendPacket(bytes: Uint8Array): void {
    this.#sendFrame(Buffer.concat([hex('ff030021'), bytes]));
  }

  /** As Windows hangs up: of ESP, then of phase 1. */
  delete(): void {
    const ike = this.#ike;
    const phase1 = Buffer.concat([hex('0000000101100001'), ike.cookie, ike.responderCookie]);
    for (const [n, body] of [hex('0000000103040001c0ffee01'), phase1].entries())
      this.#send(4_500, Buffer.concat([marker, ike.informational(77 + n, [12, body])]));
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  #send(port: 500 | 4_500, datagram: Uint8Array): void {
    this.#sockets[port === 500 ? 0 : 1].send(datagram, port, gateway);
  }

  async #ask(port: 500 | 4_500, datagram: Uint8Array): Promise<Buffer> {
    this.#came.length = 0;
    this.#send(port, datagram);
    return eventually('an answer of IKE', () => this.#came.shift());
  }

  #hear(datagram: Buffer): void {
    if (datagram.readUInt32BE(0) !== OUR_SPI || this.#in === undefined) {
      this.#came.push(datagram);
      return;
    }
    const view = this.#in.open(datagram, UDP);
    assert.deepEqual([view.readUInt16BE(0), view.readUInt16BE(2)], [1_701, this.#script.port]);
    assert.equal(view.readUInt16BE(4), view.length);
    const l2tp = view.subarray(8);
    if ((l2tp[0] ?? 0) >= 0x80) this.#hearControl(l2tp);
    else this.#hearFrame(l2tp.subarray((l2tp[0] ?? 0) === 0x40 ? 8 : 6));
  }

  #hearControl(bytes: Buffer): void {
    const said = parse(bytes);
    if (said.kind === 0) return;
    this.#nr = (said.ns + 1) & 0xffff;
    this.#control.push(said);
  }

  #hearFrame(frame: Buffer): void {
    const at = frame.readUInt16BE(0) === 0xff03 ? 2 : 0;
    const head = frame[at] === 0 ? at + 1 : at;
    if (frame[head] === 0x21) this.packets.push(frame.subarray(head + 1));
    // Router advertisements.
    else if (frame[head] !== 0x57) {
      this.#ppp.handle(frame);
      this.#drain();
    }
  }

  #answer(kind: number): Promise<ReturnType<typeof parse>> {
    return eventually(`message ${kind}`, () => this.#control.find((said) => said.kind === kind));
  }

  #say(body: string, session = 0): void {
    this.#sendL2tp(packet(this.#tunnel, session, this.#ns++, this.#nr, body));
  }

  #sendFrame(frame: Uint8Array): void {
    const { dataFlags } = this.#script;
    const fields = [dataFlags, ...(dataFlags === 0x0002 ? [] : [8 + frame.length]), this.#tunnel, this.#session];
    this.#sendL2tp(Buffer.concat([Uint8Array.from(fields.flatMap((n) => [n >>> 8, n & 0xff])), frame]));
  }

  #sendL2tp(bytes: Uint8Array): void {
    const udp = Buffer.alloc(8);
    udp.writeUInt16BE(this.#script.port, 0);
    udp.writeUInt16BE(1_701, 2);
    udp.writeUInt16BE(8 + bytes.length, 4);
    // Made over addresses that the NAT has changed since: it cannot be right.
    udp.writeUInt16BE(0xdead, 6);
    if (this.#out !== undefined) this.#send(4_500, this.#out.seal(Buffer.concat([udp, bytes]), UDP));
  }

  #drain(): void {
    for (let frame = this.#ppp.poll(); frame !== undefined; frame = this.#ppp.poll()) this.#sendFrame(frame);
  }
}
