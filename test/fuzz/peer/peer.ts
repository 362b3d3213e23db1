/**
 * A peer that holds every key of its session and does nothing by itself: it says what it is told to, and whatever it is about to protect
 * can be changed before. Plays either role.
 */
import type { RandomSource } from '@culvert/base';
import type { TlsContext } from '@culvert/tls';
import {
  type Control,
  type DataCipher,
  DataSealer,
  decodeControl,
  encodeControl,
  encodeKeyMethod,
  Op,
  TlsCrypt,
  u32,
  wrapClientKey,
} from './codec.ts';
import { Exchange } from './exchange.ts';

/** What sessions differ in: each takes other ways through the code. */
export interface Variant {
  readonly wrap: 'tls-crypt' | 'tls-crypt-v2';
  /** DATA_V2 with a peer id, else DATA_V1. */
  readonly dataV2: boolean;
  /** Rekeys are wrapped with a key of the session's own. */
  readonly dynamic: boolean;
  /** A client that takes its configuration without asking. */
  readonly unasked: boolean;
  readonly framing: 'none' | 'lzo-framing' | 'stub' | 'stub-v2';
  readonly cipher: DataCipher;
}

/** The keys that both ends hold. */
export interface SharedKeys {
  /** 256 bytes: tls-crypt for all. */
  readonly shared: Uint8Array;
  /** 128 bytes: the server's key of tls-crypt-v2. */
  readonly server: Uint8Array;
  /** 256 bytes: this client's key of tls-crypt-v2, and that key with its metadata wrapped for the server. */
  readonly client: Uint8Array;
  readonly wrapped: Uint8Array;
}

export interface PeerOptions {
  readonly role: 'server' | 'client';
  readonly variant: Variant;
  readonly keys: SharedKeys;
  readonly tls: TlsContext;
  readonly random: RandomSource;
  /** Unix seconds. */
  readonly time: number;
}

const NOTHING = new Uint8Array(0);
/** Replay ids from here tell that the client can send its wrapped key again. */
const EARLY_NEGOTIATION = 0x0f00_0000;
const ACKS_A_PACKET = 8;
/** openvpn occ.c: OCC_EXIT. */
const exitMessage = Buffer.from('287f346bd4ef7a812d56b8d3afc5459c06', 'hex');
const brokenRecord = Buffer.from('16030300010000', 'hex');
const RESEND_WRAPPED_KEY = Buffer.of(0, 1, 0, 2, 0, 1);

export class ScriptedPeer {
  readonly role: 'server' | 'client';
  readonly variant: Variant;
  readonly sessionId: Uint8Array;
  /** The client's key and its metadata, wrapped: follows two of its packets. */
  readonly wrappedKey: Uint8Array;
  exchange: Exchange;
  next: Exchange | undefined;
  remoteId: Uint8Array | undefined;
  peerId = 0;
  replayId: number;
  time: number;
  packetId = 1;
  /** The addresses inside the tunnel. */
  inner = { ipv4: '10.99.0.2', ipv6: 'fd99::2' };
  /** Packets between them and the office, once they were asked for. */
  innerPackets: Uint8Array[] | undefined;
  readonly #options: PeerOptions;
  readonly #staticKey: Uint8Array;
  readonly #wrap: TlsCrypt;
  #dynamic: TlsCrypt | undefined;
  #data: DataSealer | undefined;

  constructor(options: PeerOptions) {
    const { role, variant, keys, random, tls } = options;
    this.#options = options;
    this.role = role;
    this.variant = variant;
    this.sessionId = random.bytes(8);
    this.sessionId[0] = (this.sessionId[0] ?? 0) | 1;
    this.time = options.time;
    const isV2 = variant.wrap === 'tls-crypt-v2';
    this.replayId = isV2 && role === 'client' ? EARLY_NEGOTIATION + 1 : 1;
    this.wrappedKey = keys.wrapped;
    this.#staticKey = isV2 ? keys.client : keys.shared;
    this.#wrap = new TlsCrypt(this.#staticKey, role);
    this.exchange = new Exchange(0, tls);
  }

  // What it can say: datagrams.

  /** The first packet of the session. */
  reset(): Uint8Array {
    const isV2 = this.variant.wrap === 'tls-crypt-v2';
    const [op, payload] =
      this.role === 'client'
        ? [isV2 ? Op.resetClientV3 : Op.resetClientV2, NOTHING]
        : [Op.resetServerV2, isV2 ? RESEND_WRAPPED_KEY : NOTHING];
    return this.reliable(this.exchange, op, payload);
  }

  /** A tls-crypt-v2 client brings its key once more; others just acknowledge. */
  proveAddress(): Uint8Array[] {
    if (this.variant.wrap === 'tls-crypt') return this.acknowledge();
    return [this.reliable(this.exchange, Op.controlWkc, NOTHING)];
  }

  acknowledge(): Uint8Array[] {
    const datagrams: Uint8Array[] = [];
    for (const exchange of this.#exchanges()) {
      while (exchange.owed.length > 0) {
        const acks = exchange.owed.splice(0, ACKS_A_PACKET);
        datagrams.push(this.seal(this.control(exchange, Op.ack, { acks })));
      }
    }
    return datagrams;
  }

  /** All TLS bytes that wait. */
  flight(exchange: Exchange): Uint8Array[] {
    const datagrams: Uint8Array[] = [];
    for (let bytes = exchange.pollTls(); bytes !== undefined; bytes = exchange.pollTls())
      datagrams.push(this.reliable(exchange, Op.control, bytes));
    return datagrams;
  }

  /** `plaintext` inside TLS, one record. */
  record(exchange: Exchange, plaintext: Uint8Array): Uint8Array[] {
    if (exchange.failed) return [];
    exchange.tls.write(plaintext);
    return this.flight(exchange);
  }

  /** A tls-crypt-v2 client's own key. */
  get clientKey(): Uint8Array {
    return this.#options.keys.client;
  }

  /** A first packet that brings this as the client's key and metadata, wrapped for the server. */
  resetWith(plain: Uint8Array): Uint8Array {
    const wrapped = wrapClientKey(this.#options.keys.server, plain);
    return this.seal(this.control(this.exchange, Op.resetClientV3, { packetId: 0 }), wrapped);
  }

  softReset(): Uint8Array {
    this.next = new Exchange((this.exchange.keyId % 7) + 1, this.#options.tls);
    return this.reliable(this.next, Op.softReset, NOTHING);
  }

  data(plain: Uint8Array): Uint8Array {
    return this.sealData(this.dataHeader(), this.packetId++, this.framed(plain));
  }

  /** What ends the session at the other end, as far as it has come. */
  farewell(): Uint8Array[] {
    if (this.#data !== undefined) return [this.data(exitMessage)];
    if (this.remoteId === undefined) return [];
    return [this.reliable(this.exchange, Op.control, brokenRecord)];
  }

  // What goes under the protection.

  keyMethod(strings: readonly (string | Uint8Array | undefined)[] = this.keyMethodStrings()): Buffer {
    return encodeKeyMethod(this.#options.random.bytes(this.role === 'client' ? 112 : 64), strings);
  }

  /** Options, user, password, peer info. */
  keyMethodStrings(): (string | undefined)[] {
    const { framing, cipher } = this.variant;
    const compression = framing === 'none' ? '' : ',comp-lzo';
    const options = `V4,dev-type tun,link-mtu 1541,tun-mtu 1500,proto UDPv4,cipher ${cipher},auth SHA1,keysize 128,key-method 2,tls-${this.role}${this.role === 'client' ? compression : ''}`;
    if (this.role === 'server') return [options, undefined, undefined, undefined];
    return [options, 'alice', 'secret', this.peerInfo()];
  }

  peerInfo(): string {
    const { dataV2, dynamic, unasked, cipher } = this.variant;
    const bits = (dataV2 ? 2 : 0) | (unasked ? 4 : 0) | 8 | 128 | (dynamic ? 512 : 0);
    return `IV_VER=2.6.12\nIV_PLAT=linux\nIV_TCPNL=1\nIV_MTU=1600\nIV_CIPHERS=${cipher}\nIV_PROTO=${bits}\n`;
  }

  /** What a server pushes. */
  pushReply(): string {
    const { dataV2, dynamic, framing, cipher } = this.variant;
    this.peerId = 5;
    const compression = {
      none: [],
      'lzo-framing': ['comp-lzo no'],
      stub: ['compress stub'],
      'stub-v2': ['compress stub-v2'],
    };
    return [
      'PUSH_REPLY,topology subnet,route-gateway 10.99.0.1,ifconfig 10.99.0.2 255.255.0.0,ifconfig-ipv6 fd99::2/64 fd99::1',
      'route 192.168.77.0 255.255.255.0,route-ipv6 fd77::/64,dhcp-option DNS 192.168.77.53,dhcp-option DOMAIN office.example',
      'ping 10,ping-restart 60',
      ...(dataV2 ? [`peer-id ${this.peerId}`] : []),
      ...compression[framing],
      `cipher ${cipher},protocol-flags cc-exit tls-ekm${dynamic ? ' dyn-tls-crypt' : ''}`,
    ].join(',');
  }

  /** A packet with the next replay id, in the clear. */
  control(
    exchange: Exchange,
    op: number,
    what: { readonly acks?: readonly number[]; readonly packetId?: number; readonly payload?: Uint8Array },
  ): Buffer {
    const { sessionId } = this;
    const { acks = [], packetId, payload = NOTHING } = what;
    const packet: Control = {
      op,
      keyId: exchange.keyId,
      sessionId,
      acks,
      acked: this.remoteId ?? NOTHING,
      packetId,
      payload,
    };
    return encodeControl(packet, this.replayId++, this.time);
  }

  /** A packet with the exchange's next id; acknowledges what is owed. */
  reliable(exchange: Exchange, op: number, payload: Uint8Array): Uint8Array {
    const acks = exchange.owed.splice(0, 4);
    return this.seal(this.control(exchange, op, { acks, packetId: exchange.nextId++, payload }));
  }

  /** Protects a packet as `control` makes it; the key id in its first byte chooses the wrap, the opcode whether the wrapped key follows. */
  seal(clear: Uint8Array, wrappedKey = this.wrappedKey): Uint8Array {
    const first = clear[0] ?? 0;
    const wrap = (first & 7) > 0 && this.#dynamic !== undefined ? this.#dynamic : this.#wrap;
    const datagram = wrap.seal(clear);
    const op = first >> 3;
    if (this.role === 'server' || (op !== Op.resetClientV3 && op !== Op.controlWkc)) return datagram;
    return Buffer.concat([datagram, wrappedKey]);
  }

  dataHeader(keyId = this.exchange.keyId): Buffer {
    if (!this.variant.dataV2) return Buffer.of((Op.dataV1 << 3) | keyId);
    return u32(((((Op.dataV2 << 3) | keyId) << 24) | this.peerId) >>> 0);
  }

  sealData(header: Uint8Array, packetId: number, plain: Uint8Array): Uint8Array {
    return this.#data?.seal(header, packetId, plain) ?? Buffer.concat([header, u32(packetId), Buffer.alloc(16), plain]);
  }

  framed(plain: Uint8Array): Uint8Array {
    const { framing } = this.variant;
    if (framing === 'none' || (framing === 'stub-v2' && plain[0] !== 0x50)) return plain;
    return Buffer.concat([framing === 'stub-v2' ? Buffer.of(0x50, 0) : Buffer.of(0xfa), plain]);
  }

  // What it hears.

  /** Data packets and what is not authentic are passed over. */
  handle(datagram: Uint8Array): void {
    const keyId = (datagram[0] ?? 0) & 7;
    const op = (datagram[0] ?? 0) >> 3;
    if (op === Op.dataV1 || op === Op.dataV2) return;
    const wrapped =
      op === Op.resetClientV3 || op === Op.controlWkc ? datagram.subarray(0, -this.wrappedKey.length) : datagram;
    const wrap = keyId > 0 && this.#dynamic !== undefined ? this.#dynamic : this.#wrap;
    const clear = wrap.open(wrapped);
    if (clear === undefined) return;
    const packet = decodeControl(clear);
    this.remoteId ??= Uint8Array.from(packet.sessionId);
    this.#exchanges()
      .find((exchange) => exchange.keyId === keyId)
      ?.take(packet);
  }

  /** Reads peer id and addresses out of the server's push. False: there is none. */
  takePush(): boolean {
    const text = this.exchange.records
      .map((record) => Buffer.from(record).toString())
      .find((t) => t.startsWith('PUSH_REPLY'));
    const ipv4 = text?.match(/,ifconfig ([\d.]+) /)?.[1];
    const ipv6 = text?.match(/,ifconfig-ipv6 ([0-9a-f:]+)\//)?.[1];
    if (ipv4 === undefined || ipv6 === undefined) return false;
    this.inner = { ipv4, ipv6 };
    this.peerId = Number(text?.match(/,peer-id (\d+)/)?.[1] ?? 0);
    return true;
  }

  /** The keys of the session are there. */
  bringUp(): void {
    const { variant, role } = this;
    const key2 = this.exchange.tls.exportKeyingMaterial('EXPORTER-OpenVPN-datakeys', 256);
    this.#data = new DataSealer(variant.cipher, key2, role);
    if (!variant.dynamic) return;
    const exported = this.exchange.tls.exportKeyingMaterial('EXPORTER-OpenVPN-dynamic-tls-crypt', 256);
    this.#dynamic = new TlsCrypt(
      exported.map((byte, i) => byte ^ (this.#staticKey[i] ?? 0)),
      role,
    );
  }

  close(): void {
    for (const exchange of this.#exchanges()) exchange.close();
  }

  #exchanges(): Exchange[] {
    return this.next === undefined ? [this.exchange] : [this.exchange, this.next];
  }
}
