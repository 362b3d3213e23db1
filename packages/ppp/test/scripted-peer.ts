/**
 * Peers as they are in the world, by script: what each sends first, takes, rejects and wants instead, in its order. Codec and rules are
 * its own; nothing of the package under test is in here. Over a wire without loss, so it repeats nothing.
 *
 * Sources: logs and code of each peer, named at its script (scripts.ts).
 */
import { bytes, hex } from './hex.ts';

/** What a peer says to one option of ours: takes it, does not know it, or wants another value. */
export type Taste = 'ack' | 'reject' | { readonly nak: string };

export interface Protocol {
  /** Options of its first request, each whole in hexadecimal. */
  readonly asks: readonly string[];
  /** Of ours, by type; what is not here is rejected. */
  readonly takes: Readonly<Record<number, Taste | ((value: string) => Taste)>>;
  /** Sends no request of its own before ours has come. */
  readonly waits?: boolean;
}

export interface Script {
  readonly name: string;
  readonly role: 'client' | 'server';
  readonly lcp: Protocol;
  /** By protocol field, in the order in which it begins them; what is not here gets a Protocol-Reject. */
  readonly networks: Readonly<Record<number, Protocol>>;
  /** Frames that it sends once LCP is open. */
  readonly whenOpen?: readonly string[];
  /** IPCP and IPV6CP begin when CCP is open (pppd with MPPE), and what comes for them before is dropped. */
  readonly ccpFirst?: boolean;
  /** CCP begins when IPCP is open, and what comes for it before is dropped. */
  readonly ccpLast?: boolean;
  /** Leaves address and control out, and the first byte of the protocol, once both are agreed. */
  readonly compresses?: boolean;
}

/** A peer that knows a password, in hexadecimal. */
export interface Proof {
  /** Success text that is right for the last answer. */
  readonly success: string;
  /** To a challenge of 16 bytes: the 49 of a Response. */
  answer(challenge: string): string;
  /** Whether these 49 answer that challenge. */
  accepts(challenge: string, answer: string): boolean;
}

interface Layer {
  readonly script: Protocol;
  asks: Map<number, string>;
  begun: boolean;
  acked: boolean;
  acking: boolean;
}

const LCP = 0xc021;
const CHAP = 0xc223;
const CCP = 0x80fd;
const IPCP = 0x8021;
const NOBODY = 0xffff;
/** What a server asks to answer. */
const challenge = 'c4'.repeat(16);

export class ScriptedPeer {
  /** Everything that it got, as "protocol code: body". */
  readonly heard: string[] = [];
  /** Its own requests and their fate. */
  readonly told: string[] = [];
  terminated: string | undefined;
  /** What its server said when it was let in. */
  success: string | undefined;
  readonly #script: Script;
  readonly #proof: Proof | undefined;
  readonly #out: Uint8Array[] = [];
  readonly #layers = new Map<number, Layer>();
  /** One counter for all protocols, from 0, as Windows has it. */
  #id = 0;
  #authenticated = false;

  /** @param proof without it what is shown has the right length, and anything is taken */
  constructor(script: Script, proof?: Proof) {
    this.#script = script;
    this.#proof = proof;
    this.#layers.set(LCP, layerOf(script.lcp));
    for (const [protocol, one] of Object.entries(script.networks)) this.#layers.set(Number(protocol), layerOf(one));
  }

  open(): void {
    if (this.#script.lcp.waits !== true) this.#begin(LCP);
  }
  poll(): Uint8Array | undefined {
    return this.#out.shift();
  }
  isOpen(protocol: number): boolean {
    const layer = this.#layers.get(protocol);
    return layer?.acked === true && layer.acking;
  }
  /** What our end acknowledged of its request, by type. */
  got(protocol: number): string {
    return [...(this.#layers.get(protocol)?.asks.values() ?? [])].join(' ');
  }
  send(protocol: number, code: number, body: string, id = this.#id++): void {
    const length = 4 + body.length / 2;
    const head = [code, id & 0xff, length >>> 8, length & 0xff];
    const compressed = this.#script.compresses === true && this.isOpen(LCP) && protocol !== LCP;
    this.#out.push(
      Uint8Array.of(...(compressed ? [] : [0xff, 3]), protocol >>> 8, protocol & 0xff, ...head, ...bytes(body)),
    );
  }

  handle(frame: Uint8Array): void {
    if (frame[0] !== 0xff || frame[1] !== 3) throw new Error('control frames have address and control');
    const protocol = ((frame[2] ?? 0) << 8) | (frame[3] ?? 0);
    const packet = frame.subarray(4);
    const [code = 0, id = 0] = packet;
    const length = ((packet[2] ?? 0) << 8) | (packet[3] ?? 0);
    if (length !== packet.length) throw new Error('the length is the packet’s');
    const body = hex(packet.subarray(4));
    this.heard.push(`${protocol.toString(16)} ${code}: ${body}`);
    if (protocol === CHAP) this.#handleChap(code, id, body);
    else this.#handleControl(protocol, code, id, body, packet);
  }

  #handleControl(protocol: number, code: number, id: number, body: string, packet: Uint8Array): void {
    const layer = this.#layers.get(protocol);
    if (layer === undefined) {
      this.send(LCP, 8, protocol.toString(16).padStart(4, '0') + hex(packet));
      return;
    }
    if (protocol !== LCP && this.#script.ccpFirst === true && protocol !== CCP && !this.isOpen(CCP)) return;
    if (protocol === CCP && this.#script.ccpLast === true && !this.isOpen(IPCP)) return;
    if (code === 1) this.#judge(protocol, layer, id, body);
    else if (code === 2) this.#handleAck(protocol, layer, body);
    else if (code === 3 || code === 4) this.#handleRefusal(protocol, layer, code, body);
    else if (code === 5) {
      this.send(protocol, 6, '', id);
      if (protocol === LCP) this.terminated = Buffer.from(bytes(body)).toString();
    } else if (code === 8 && protocol === LCP) {
      this.told.push(`${body.slice(0, 4)} does not exist`);
    } else if (code === 9) this.send(LCP, 10, `00000000${body.slice(8)}`, id);
  }

  #begin(protocol: number): void {
    const layer = this.#layers.get(protocol);
    if (layer === undefined || layer.begun) return;
    layer.begun = true;
    this.#ask(protocol, layer);
  }
  #ask(protocol: number, layer: Layer): void {
    this.send(protocol, 1, [...layer.asks.values()].join(''));
  }

  #judge(protocol: number, layer: Layer, id: number, body: string): void {
    if (layer.script.waits === true) this.#begin(protocol);
    const rejected: string[] = [];
    const nakked: string[] = [];
    for (const option of optionsOf(body)) {
      const taste = layer.script.takes[type(option)] ?? 'reject';
      const verdict = typeof taste === 'function' ? taste(option) : taste;
      if (verdict === 'reject') rejected.push(option);
      else if (verdict !== 'ack') nakked.push(verdict.nak);
    }
    layer.acking = rejected.length + nakked.length === 0;
    if (layer.acking) this.send(protocol, 2, body, id);
    else if (rejected.length > 0) this.send(protocol, 4, rejected.join(''), id);
    else this.send(protocol, 3, nakked.join(''), id);
    this.#handleProgress(protocol);
  }

  #handleAck(protocol: number, layer: Layer, body: string): void {
    if (body !== [...layer.asks.values()].join('')) throw new Error('an Ack has the request’s options');
    layer.acked = true;
    this.#handleProgress(protocol);
  }

  #handleRefusal(protocol: number, layer: Layer, code: number, body: string): void {
    for (const option of optionsOf(body)) {
      this.told.push(`${protocol.toString(16)} ${code === 3 ? 'nak' : 'reject'} ${option}`);
      if (code === 4) layer.asks.delete(type(option));
      else layer.asks.set(type(option), option);
    }
    this.#ask(protocol, layer);
  }

  #handleChap(code: number, id: number, body: string): void {
    if (code === 1) {
      // A response of MS-CHAPv2's length: 49 bytes and the name (RFC 2759, section 4).
      const answer =
        this.#proof?.answer(body.slice(2, 34)) ?? `${'5a'.repeat(16)}${'00'.repeat(8)}${'a5'.repeat(24)}00`;
      this.send(CHAP, 2, `31${answer}${hex(Buffer.from('alice'))}`, id);
    } else if (code === 2) {
      if (this.#proof?.accepts(challenge, body.slice(2, 100)) === false) throw new Error('the answer is wrong');
      this.send(CHAP, 3, hex(Buffer.from(this.#proof?.success ?? `S=${'0'.repeat(40)}`)), id);
      this.#handleAuthenticated();
    } else if (code === 3) {
      this.success = Buffer.from(bytes(body)).toString();
      this.#handleAuthenticated();
    }
  }

  #handleProgress(protocol: number): void {
    if (protocol === LCP && this.isOpen(LCP)) {
      for (const frame of this.#script.whenOpen ?? []) this.#out.push(bytes(frame));
      if (this.#script.role === 'server') this.send(CHAP, 1, `10${challenge}${hex(Buffer.from('pptpd'))}`);
    }
    if (protocol === CCP && this.isOpen(CCP)) this.#beginNetworks(NOBODY);
    if (protocol === IPCP && this.isOpen(IPCP) && this.#script.ccpLast === true) this.#begin(CCP);
  }

  #handleAuthenticated(): void {
    if (this.#authenticated) return;
    this.#authenticated = true;
    this.#beginNetworks(this.#script.ccpFirst === true ? CCP : NOBODY);
  }

  /** In the order of the script; `only` is one of them. */
  #beginNetworks(only: number): void {
    for (const [text, { waits }] of Object.entries(this.#script.networks)) {
      if (Number(text) === CCP && this.#script.ccpLast === true) continue;
      if (waits !== true && (only === NOBODY || Number(text) === only)) this.#begin(Number(text));
    }
  }
}

function layerOf(script: Protocol): Layer {
  return {
    script,
    asks: new Map(script.asks.map((option) => [type(option), option])),
    begun: false,
    acked: false,
    acking: false,
  };
}

function type(option: string): number {
  return Number.parseInt(option.slice(0, 2), 16);
}

function optionsOf(body: string): string[] {
  const options: string[] = [];
  for (let at = 0; at < body.length; ) {
    const length = Number.parseInt(body.slice(at + 2, at + 4), 16) * 2;
    options.push(body.slice(at, at + length));
    at += length;
  }
  return options;
}
