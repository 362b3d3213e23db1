/**
 * Windows, macOS and Android as scripts (their control messages, options and order, written down from logs and code of theirs) against our
 * server through real sockets, and RRAS against our client: from TCP to encrypted packets and the end.
 *
 *   script 10.77.0.2  ──►  10.77.0.1, TCP and GRE        we 10.77.0.2  ──►  10.77.0.3, RRAS
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { RawIpSocket } from '@culvert/netio';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet } from '@culvert/testkit';
import * as scripts from '../../packages/ppp/test/scripts.ts';
import * as vpnClients from '../../packages/pptp/test/vpn-clients.ts';
import { gateway, type Heard, laptop, PptpLab, stranger } from '../../packages/transport/test/pptp-lab.ts';
import { type Habits, ScriptedEnd } from './pptp/scripted-end.ts';

const CALL_DISCONNECT_NOTIFY = 13;
const ROUTER_ADVERTISEMENT = 134;
/** MPPE numbers packets up to 4,095 and begins anew. */
const AROUND = 4_200;

interface Script extends Habits {
  readonly name: string;
  readonly control: vpnClients.VpnClient;
  readonly callId: number;
  /** What it asks of us and does not get, nor is asked to ask otherwise. */
  readonly rejected: readonly string[];
  /** What it asks for and gets otherwise. */
  readonly nakked: readonly string[];
  /** How much of an IP packet it takes. */
  readonly mtu: number;
  readonly leaves: 'in order' | 'by LCP' | 'by TCP';
  /** What `Link.closed` says of it. */
  readonly farewell: RegExp;
}

const windows = {
  control: vpnClients.windows,
  callId: 0,
  firstSequence: 0,
  acknowledges: 'with data',
  innerProtocol: '21',
  rejected: ['c021 reject 0d0306'],
  nakked: ['80fd nak 120601000040', '8021 nak 03060a630002'],
  mtu: 1_396,
  leaves: 'in order',
  farewell: /normal end \(Windows error 0\)/,
} as const;
const calling: readonly Script[] = [
  { ...windows, name: 'Windows', ppp: scripts.windowsClient },
  {
    ...windows,
    name: 'Windows with multilink',
    ppp: scripts.windowsMultilink,
    callId: 0x4000,
    rejected: ['0d0306', '1104064e', `131701${'ab'.repeat(20)}`, '17040005'].map((option) => `c021 reject ${option}`),
  },
  { ...windows, name: 'Windows whose CCP comes last', ppp: { ...scripts.windowsClient, ccpLast: true } },
  {
    name: 'macOS',
    ppp: { ...scripts.macos, networks: { 33021: scripts.stateless128, ...scripts.macos.networks } },
    control: vpnClients.macos,
    callId: 0x11f0,
    firstSequence: 1,
    acknowledges: 'alone',
    innerProtocol: '21',
    rejected: [],
    nakked: ['8021 nak 03060a630002', '8021 nak 8106c0a84d35'],
    mtu: 1_496,
    leaves: 'by LCP',
    farewell: /the peer said goodbye/,
  },
  {
    name: 'Android',
    ppp: scripts.android,
    control: vpnClients.android,
    callId: 0x2e8d,
    firstSequence: 0,
    acknowledges: 'never',
    innerProtocol: '0021',
    rejected: ['8021 reject 0206002d0f01'],
    nakked: ['8021 nak 03060a630002'],
    mtu: 1_266,
    leaves: 'by TCP',
    farewell: /./,
  },
];

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop, stranger])
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

for (const script of calling) {
  test(`${script.name} calls, comes up, carries packets of each size and leaves`, { skip }, async () => {
    await using lab = await PptpLab.open();
    using client = await ScriptedClient.call(script, lab.port);
    const { peer } = client.end;
    const heard = await eventually('the link is up', () => lab.accepted[0]);
    assert.equal(heard.link.facts['encryption'], 'MPPE-128');
    assert.equal(heard.link.config.mtu, script.mtu);
    const networks = Object.keys(script.ppp.networks).map(Number);
    await eventually('it is up too', () => networks.filter((one) => one !== 0x8235).every((one) => peer.isOpen(one)));
    assert.match(peer.success ?? '', new RegExp(`^${client.end.proof.success}( M=.*)?$`));
    for (const said of [...script.rejected, ...script.nakked]) assert.ok(peer.told.includes(said), said);
    const rejected = peer.told.filter((said) => said.startsWith('c021'));
    assert.deepEqual(rejected.sort(), [...script.rejected].filter((said) => said.startsWith('c021')).sort());
    if (networks.includes(0x8057)) {
      await eventually('a router tells its network', () => client.end.icmp6.includes(ROUTER_ADVERTISEMENT));
    }
    await carry(client.end, heard, [20, 21, 500, script.mtu - 1, script.mtu]);
    await client.leave(script.leaves);
    const { cause, detail } = await heard.link.closed;
    assert.equal(cause, 'peer');
    assert.match(detail, script.farewell);
    await eventually('nothing is left', () => lab.listener.stats['peers'] === 0);
  });
}

test('the numbers of MPPE begin anew after 4,096 packets', { skip }, async () => {
  await using lab = await PptpLab.open();
  // With the window that it tells nothing is held back.
  const [android] = calling.slice(-1);
  assert.ok(android !== undefined);
  using client = await ScriptedClient.call(android, lab.port);
  const heard = await eventually('the link is up', () => lab.accepted[0]);
  await eventually('it is up too', () => client.end.peer.isOpen(0x8021));
  const packets = Array.from({ length: 60 }, (_, n) => ipv4Packet(60, n));
  for (let sent = 0; sent < AROUND; ) {
    for (const packet of packets) client.end.sendPacket(packet);
    heard.link.send(batchOf(packets));
    sent += packets.length;
    await eventually('all are heard', () => heard.packets.length === sent && client.end.packets.length === sent);
  }
  await carry(client.end, heard, [100]);
});

test('Windows that has EAP alone is let go, and we say what it wanted', { skip }, async () => {
  await using lab = await PptpLab.open();
  const { lcp } = scripts.windowsClient;
  const wantsEap = { ...lcp, takes: { ...lcp.takes, 3: { nak: '0304c227' } } };
  const ppp = { ...scripts.windowsClient, lcp: wantsEap };
  using client = await ScriptedClient.call({ ...windows, name: '', ppp }, lab.port);
  const failed = await eventually('it failed', () => lab.events.find(({ kind }) => kind === 'failed'));
  assert.match(failed.kind === 'failed' ? failed.reason.detail : '', /EAP/);
  await eventually('it was told by LCP', () => client.end.peer.terminated !== undefined);
});

for (const [name, wish, wanted] of [
  ['PAP', '0304c023', 'PAP'],
  ['CHAP with MD5', '0305c22305', 'CHAP with MD5'],
] as const) {
  test(`a client that has ${name} alone is let go, and never asked for it`, { skip }, async () => {
    await using lab = await PptpLab.open();
    const { lcp } = scripts.windowsClient;
    const ppp = { ...scripts.windowsClient, lcp: { ...lcp, takes: { ...lcp.takes, 3: { nak: wish } } } };
    using client = await ScriptedClient.call({ ...windows, name, ppp }, lab.port);
    const { peer } = client.end;
    const failed = await eventually('it failed', () => lab.events.find(({ kind }) => kind === 'failed'));
    assert.match(failed.kind === 'failed' ? failed.reason.detail : '', new RegExp(`it would have ${wanted}`));
    await eventually('it was told by LCP', () => peer.terminated !== undefined);
    const requests = peer.heard.filter((said) => said.startsWith('c021 1: '));
    assert.ok(requests.length > 0 && requests.every((said) => said.includes('0305c22381')), requests.join());
    assert.deepEqual(lab.accepted, []);
  });
}

test('RRAS is called: EAP first, callback and multilink are put right, and packets go both ways', {
  skip,
}, async () => {
  await using lab = await PptpLab.open();
  using server = await ScriptedServer.open({ ...windows, ppp: scripts.rras });
  const client = await lab.dial({ remote: { address: stranger, port: server.port } });
  const { link } = client;
  assert.equal(link.facts['encryption'], 'MPPE-128');
  assert.equal(link.config.ipv4?.address, '10.99.0.7');
  const { end } = server;
  assert.ok(end !== undefined);
  for (const option of ['nak 0305c22381', 'reject 0d0306', 'reject 1104064e', 'reject 17040001'])
    assert.ok(end.peer.told.includes(`c021 ${option}`), option);
  await eventually('it is up too', () => end.peer.isOpen(0x80fd) && end.peer.isOpen(0x8021));
  await carry(end, client, [20, 500, link.config.mtu]);
  end.terminate('4a7b1c2d003ccd7400000000');
  const { cause, detail } = await link.closed;
  assert.equal(cause, 'peer');
  assert.match(detail, windows.farewell);
});

/** A packet of each size each way. */
async function carry(end: ScriptedEnd, heard: Heard, sizes: readonly number[]): Promise<void> {
  for (const size of sizes) {
    const [there, here] = [heard.packets.length, end.packets.length];
    const packet = ipv4Packet(size, size);
    end.sendPacket(packet);
    await eventually('it is heard', () => heard.packets.length === there + 1);
    heard.link.send(batchOf([packet]));
    await eventually('it hears', () => end.packets.length === here + 1);
    for (const came of [heard.packets.at(-1), end.packets.at(-1)])
      assert.deepEqual(Buffer.from(came ?? []), Buffer.from(packet));
  }
}

/** The messages of a control connection. */
class Messages {
  readonly socket: Socket;
  readonly #came: Buffer[] = [];
  #bytes = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket.on('data', (bytes) => this.#take(bytes)).on('error', () => {});
  }

  answer(type: number): Promise<Buffer> {
    return eventually(`message ${type}`, () => this.#came.find((message) => message[9] === type));
  }

  #take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= 2 && this.#bytes.length >= this.#bytes.readUInt16BE(0)) {
      const length = this.#bytes.readUInt16BE(0);
      this.#came.push(this.#bytes.subarray(0, length));
      this.#bytes = this.#bytes.subarray(length);
    }
  }
}

class ScriptedClient implements Disposable {
  readonly end: ScriptedEnd;
  readonly #messages: Messages;
  readonly #callId: number;

  private constructor(messages: Messages, end: ScriptedEnd, callId: number) {
    this.#messages = messages;
    this.end = end;
    this.#callId = callId;
  }

  static async call(script: Script, port: number): Promise<ScriptedClient> {
    const { control, callId } = script;
    const gre = ScriptedEnd.socket(laptop);
    const socket = connect({ host: gateway, port, localAddress: laptop });
    await once(socket, 'connect');
    const messages = new Messages(socket);
    socket.write(control.start);
    await messages.answer(2);
    socket.write(control.call(callId));
    const reply = await messages.answer(8);
    assert.deepEqual([reply.readUInt16BE(14), reply[16]], [callId, 1]);
    const serverId = reply.readUInt16BE(12);
    if (control.setLinkInfo !== undefined) socket.write(control.setLinkInfo(serverId));
    const end = new ScriptedEnd(script, gre, gateway, { own: callId, peers: serverId });
    end.open();
    return new ScriptedClient(messages, end, callId);
  }

  async leave(how: Script['leaves']): Promise<void> {
    const { socket } = this.#messages;
    if (how !== 'by TCP') this.end.terminate('39c51a2b003ccd7400000000'.slice(0, how === 'in order' ? undefined : 0));
    if (how !== 'in order') return void socket.end();
    socket.write(vpnClients.windows.clear(this.#callId));
    await this.#messages.answer(CALL_DISCONNECT_NOTIFY);
    await eventually('the server ends the connection too', () => socket.closed);
  }

  [Symbol.dispose](): void {
    this.#messages.socket.destroy();
    this.end[Symbol.dispose]();
  }
}

class ScriptedServer implements Disposable {
  readonly port: number;
  end: ScriptedEnd | undefined;
  readonly #listener: ReturnType<typeof createServer>;
  readonly #gre: RawIpSocket;

  private constructor(listener: ReturnType<typeof createServer>, habits: Habits) {
    this.#listener = listener;
    this.#gre = ScriptedEnd.socket(stranger);
    this.port = (listener.address() as AddressInfo).port;
    listener.on('connection', (socket) => void this.#answer(socket, habits));
  }

  static async open(habits: Habits): Promise<ScriptedServer> {
    const listener = createServer().listen(0, stranger);
    await once(listener, 'listening');
    return new ScriptedServer(listener, habits);
  }

  async #answer(socket: Socket, habits: Habits): Promise<void> {
    const messages = new Messages(socket);
    await messages.answer(1);
    socket.write(vpnClients.rras.start);
    const clientId = (await messages.answer(7)).readUInt16BE(12);
    const callIds = { own: 0xb00b, peers: clientId };
    this.end = new ScriptedEnd(habits, this.#gre, laptop, callIds);
    socket.write(vpnClients.rras.call(callIds.own, clientId));
    this.end.open();
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.#gre.close();
  }
}
