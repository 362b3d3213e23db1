/** What is mutated: each layer has things to start from and a way to protect them again, so that the change meets one decoder. */
import { innerPackets } from './inner-packets.ts';
import type { MutateOptions } from './mutate.ts';
import { CLEAR_BYTES, HEAD_BYTES, Op, u32 } from './peer/codec.ts';
import type { Exchange } from './peer/exchange.ts';
import type { ScriptedPeer } from './peer/peer.ts';

export interface Layer {
  /** The code that it aims at. */
  readonly decoder: string;
  /** The mutation lies inside valid protection. */
  readonly inside: boolean;
  /** How reaching the decoder is told. */
  readonly proof: 'received' | 'control' | 'acknowledged' | 'data' | 'inner';
  /** How many things there are to start from. */
  readonly templates: number;
  /** About how long they are. */
  readonly length: number;
  readonly mutate?: MutateOptions;
  template(peer: ScriptedPeer, n: number): Uint8Array;
  /** Protect what became of it: datagrams. */
  protect(peer: ScriptedPeer, bytes: Uint8Array): Uint8Array[];
}

export type LayerName =
  | 'outer-control'
  | 'outer-data'
  | 'control'
  | 'wrapped-key'
  | 'early-negotiation'
  | 'tls'
  | 'key-method'
  | 'options'
  | 'peer-info'
  | 'command'
  | 'push'
  | 'data'
  | 'inner'
  | 'frame';

const text = (words: string) => Buffer.from(`${words}\0`);
const newest = (peer: ScriptedPeer): Exchange => peer.next ?? peer.exchange;
const raw = Buffer.from('the quick brown fox jumps over the lazy dog and back again, more than once');

const commands = [
  'PUSH_REQUEST',
  'INFO,hello',
  'INFO_PRE,WEB_AUTH::https://example.com/',
  'AUTH_PENDING,timeout 60',
  'CR_RESPONSE,YWxpY2U=',
  'PUSH_REPLY,route 10.0.0.0 255.0.0.0,push-continuation 2',
  'AUTH_FAILED,TEMP[backoff 42]:later',
  'AUTH_FAILED,CRV1:R,E:c3RhdGU=:YWxpY2U=:code?',
  'RESTART,[N]again',
  'ECHO,forget-passwords',
  'GET_CONFIG\0INFO,two in one\0\0PUSH_REQUEST',
];

/** openvpn ping.c, occ.c. */
const ping = Buffer.from('2a187bf3641eb4cb07ed2d0a981fc748', 'hex');
const occ = Buffer.from('287f346bd4ef7a812d56b8d3afc5459c00', 'hex');
const framings = [
  Buffer.of(0x66, 1, 2, 3),
  Buffer.of(0x69, 0, 0, 0),
  Buffer.of(0x50, 0x69, 1),
  Buffer.of(0xfb, 2, 0x45),
];

export const layers: Readonly<Record<LayerName, Layer>> = {
  'outer-control': {
    decoder: 'opcode, session id, wrap',
    inside: false,
    proof: 'received',
    templates: 5,
    length: 90,
    template: outerControl,
    protect: (_, bytes) => [bytes],
  },
  'outer-data': {
    decoder: 'peer id, packet id, tag',
    inside: false,
    proof: 'received',
    templates: 3,
    length: 90,
    template: (peer, n) =>
      [peer.data(ping), peer.data(innerOf(peer, n)), Buffer.concat([peer.dataHeader(), raw])][n] ?? raw,
    protect: (_, bytes) => [bytes],
  },
  control: {
    decoder: 'acknowledgements, packet ids',
    inside: true,
    proof: 'control',
    templates: 6,
    length: 60,
    mutate: { focus: [CLEAR_BYTES, CLEAR_BYTES + 20] },
    template: clearControl,
    protect: sealControl,
  },
  'wrapped-key': {
    decoder: 'wrapped client key',
    inside: true,
    proof: 'control',
    templates: 2,
    length: 290,
    mutate: { focus: [256, 290] },
    template: (peer, n) => Buffer.concat([peer.clientKey, Buffer.of(n), Buffer.alloc(n === 0 ? 24 : 8, 7)]),
    protect: (peer, bytes) => [peer.resetWith(bytes)],
  },
  'early-negotiation': {
    decoder: 'records in a server reset',
    inside: true,
    proof: 'acknowledged',
    templates: 2,
    length: 12,
    template: (_, n) => Buffer.from(n === 0 ? '000100020001' : '000700030102030001000200ff', 'hex'),
    protect: (peer, bytes) => [peer.reliable(peer.exchange, Op.resetServerV2, bytes)],
  },
  tls: {
    decoder: 'TLS records',
    inside: true,
    proof: 'acknowledged',
    templates: 5,
    length: 200,
    mutate: { focus: [0, 80] },
    template: tlsBytes,
    protect: (peer, bytes) => [peer.reliable(newest(peer), Op.control, bytes.subarray(0, 1_100))],
  },
  'key-method': {
    decoder: 'key method 2',
    inside: true,
    proof: 'acknowledged',
    templates: 1,
    length: 300,
    template: (peer) => peer.keyMethod(),
    protect: (peer, bytes) => peer.record(newest(peer), bytes),
  },
  options: {
    decoder: 'options string',
    inside: true,
    proof: 'acknowledged',
    templates: 1,
    length: 120,
    mutate: { text: true },
    template: (peer) => Buffer.from(peer.keyMethodStrings()[0] ?? ''),
    protect: (peer, bytes) => peer.record(newest(peer), peer.keyMethod([bytes, ...peer.keyMethodStrings().slice(1)])),
  },
  'peer-info': {
    decoder: 'peer info, negotiation',
    inside: true,
    proof: 'acknowledged',
    templates: 1,
    length: 120,
    mutate: { text: true },
    template: (peer) => Buffer.from(peer.peerInfo()),
    protect: (peer, bytes) =>
      peer.record(newest(peer), peer.keyMethod([...peer.keyMethodStrings().slice(0, 3), bytes])),
  },
  command: {
    decoder: 'control channel commands',
    inside: true,
    proof: 'acknowledged',
    templates: commands.length,
    length: 40,
    mutate: { text: true },
    template: (_, n) => text(commands[n] ?? ''),
    protect: (peer, bytes) => peer.record(peer.exchange, bytes),
  },
  push: {
    decoder: 'pushed options',
    inside: true,
    proof: 'acknowledged',
    templates: 1,
    length: 420,
    mutate: { text: true },
    template: (peer) => text(peer.pushReply()),
    protect: (peer, bytes) => peer.record(peer.exchange, bytes),
  },
  data: {
    decoder: 'replay window, framing, pings',
    inside: true,
    proof: 'data',
    templates: 8,
    length: 60,
    mutate: { focus: [4, 30] },
    template: clearData,
    protect: sealData,
  },
  inner: {
    decoder: 'inner IP packets, filter',
    inside: true,
    proof: 'inner',
    templates: 41,
    length: 80,
    mutate: { focus: [0, 64] },
    template: innerOf,
    protect: (peer, bytes) => [peer.data(bytes)],
  },
  frame: {
    decoder: 'length framing of a stream',
    inside: false,
    proof: 'received',
    templates: 3,
    length: 140,
    mutate: { focus: [0, 4] },
    template: frames,
    protect: (_, bytes) => [bytes],
  },
};

/** The opcode of the peer's own first packet. */
function resetOf({ role, variant }: ScriptedPeer): number {
  if (role === 'server') return Op.resetServerV2;
  return variant.wrap === 'tls-crypt-v2' ? Op.resetClientV3 : Op.resetClientV2;
}

function outerControl(peer: ScriptedPeer, n: number): Uint8Array {
  switch (n) {
    case 0:
      return peer.seal(peer.control(peer.exchange, Op.ack, { acks: [0] }));
    case 1:
      return peer.seal(peer.control(newest(peer), Op.control, { packetId: newest(peer).nextId, payload: raw }));
    case 2:
      return peer.seal(peer.control(peer.exchange, resetOf(peer), { packetId: 0 }));
    case 3:
      return peer.seal(peer.control(peer.exchange, Op.resetClientV3, { packetId: 0 }));
    default:
      return Buffer.concat([Buffer.of(Op.control << 3), peer.sessionId, raw]);
  }
}

/** Of packets with TLS bytes only such whose id is not the next: what comes in order is the layer `tls`. */
function clearControl(peer: ScriptedPeer, n: number): Uint8Array {
  const exchange = newest(peer);
  const { nextId } = exchange;
  switch (n) {
    case 0:
      return peer.control(exchange, Op.ack, { acks: [0, 1, 2] });
    case 1:
      return peer.control(exchange, Op.control, { packetId: nextId + 20, payload: raw });
    case 2:
      return peer.control(exchange, Op.control, {
        acks: [0, 1, 2, 3, 4, 5, 6, 7],
        packetId: Math.max(0, nextId - 1),
        payload: raw,
      });
    case 3:
      return peer.control(exchange, peer.next === undefined ? Op.control : Op.softReset, { packetId: 0 });
    case 4:
      return peer.control(exchange, resetOf(peer), { packetId: 0 });
    default:
      return peer.control(exchange, peer.role === 'client' ? Op.controlWkc : Op.control, {
        acks: [0],
        packetId: 0,
        payload: raw,
      });
  }
}

/** The peer goes on from the replay id and time that it claimed, where that is possible. */
function sealControl(peer: ScriptedPeer, bytes: Uint8Array): Uint8Array[] {
  const clear = Buffer.alloc(Math.max(bytes.length, CLEAR_BYTES));
  clear.set(bytes);
  const [id, time] = [clear.readUInt32BE(HEAD_BYTES), clear.readUInt32BE(HEAD_BYTES + 4)];
  if (time > peer.time) [peer.time, peer.replayId] = [time, id + 1];
  else if (time === peer.time) peer.replayId = Math.max(peer.replayId, id + 1);
  return [peer.seal(clear)];
}

function tlsBytes(peer: ScriptedPeer, n: number): Uint8Array {
  const records = ['150303000202 28', '140303000101', '1703030020', '16030300400100003c0303'];
  const junk = n >= 3 ? Buffer.alloc(64, 0x5a) : Buffer.alloc(0);
  if (n > 0) return Buffer.concat([Buffer.from((records[n - 1] ?? '').replaceAll(' ', ''), 'hex'), junk]);
  return newest(peer).pollTls() ?? Buffer.from('16030300040e000000', 'hex');
}

/** Header, packet id and what comes inside. */
function clearData(peer: ScriptedPeer, n: number): Uint8Array {
  const plain =
    [peer.framed(ping), peer.framed(occ), peer.framed(innerOf(peer, 0)), new Uint8Array(0), ...framings][n] ?? ping;
  const keyId = peer.exchange.keyId;
  return Buffer.concat([
    peer.dataHeader(keyId),
    u32(n === 2 ? Math.max(1, peer.packetId - 3) : peer.packetId++),
    plain,
  ]);
}

/** Above, a peer asks for a new key: left to packets that are drawn there. */
const HIGHEST_FOLLOWED = 0xfe00_0000;

function sealData(peer: ScriptedPeer, bytes: Uint8Array): Uint8Array[] {
  const head = peer.variant.dataV2 ? 4 : 1;
  const all = Buffer.concat([bytes, Buffer.alloc(Math.max(0, head + 4 - bytes.length))]);
  const id = all.readUInt32BE(head);
  if (id < HIGHEST_FOLLOWED) peer.packetId = Math.max(peer.packetId, id + 1);
  return [peer.sealData(all.subarray(0, head), id, all.subarray(head + 4))];
}

function innerOf(peer: ScriptedPeer, n: number): Uint8Array {
  peer.innerPackets ??= innerPackets(peer.inner, peer.role === 'client' ? 'in' : 'out');
  return peer.innerPackets[n % peer.innerPackets.length] ?? ping;
}

/** A whole frame, one that comes in two parts, three in one. */
function frames(peer: ScriptedPeer, n: number): Uint8Array {
  const packet = n === 2 ? peer.data(ping) : peer.seal(peer.control(peer.exchange, Op.ack, { acks: [0] }));
  const frame = Buffer.concat([Buffer.of(packet.length >> 8, packet.length & 0xff), packet]);
  return n === 1 ? Buffer.concat([frame, frame, frame]) : frame;
}
