/** A scripted LAC that reads and writes packets by itself. Sources of what each client says: INTEROP tables of the clients' code and logs. */

import { avp, latin, message, packet, u16, u32 } from './encoder.ts';
import type { End } from './ends.ts';

export interface Client {
  readonly sccrq: (tunnelId: number) => string;
  readonly icrq: (sessionId: number) => string;
  readonly iccn: string;
  /** Says SCCCN and ICRQ in one flight. */
  readonly hurries: boolean;
}
const version = avp(2, '0100');
const framing = (n: number) => avp(3, u32(n));

export const clients: Readonly<Record<'windows' | 'macos' | 'android' | 'mikrotik', Client>> = {
  windows: {
    sccrq: (id) =>
      message(
        1,
        version,
        framing(1),
        avp(4, u32(0)),
        avp(6, '0a00', 0),
        avp(7, latin('DESKTOP-1')),
        avp(8, latin('Microsoft'), 0),
        avp(9, u16(id)),
        avp(10, u16(8)),
      ),
    icrq: (id) => message(10, avp(14, u16(id)), avp(15, u32(0)), avp(18, u32(2)), avp(1, 'ab'.repeat(16), 0, 311)),
    iccn: message(12, avp(24, u32(100_000_000)), avp(19, u32(1)), avp(29, u16(4), 0)),
    hurries: false,
  },
  macos: {
    sccrq: (id) => message(1, version, framing(3), avp(7, `${latin('mac.local')}00`), avp(9, u16(id)), avp(10, u16(4))),
    icrq: (id) => message(10, avp(14, u16(id)), avp(15, u32(1))),
    iccn: message(12, avp(24, u32(1_000_000)), avp(19, u32(1))),
    hurries: true,
  },
  android: {
    sccrq: (id) => message(1, version, avp(7, latin('anonymous')), framing(3), avp(9, u16(id)), avp(10, u16(1))),
    icrq: (id) => message(10, avp(14, u16(id)), avp(15, u32(0x12345678))),
    iccn: message(12, avp(24, u32(100_000_000)), avp(19, u32(3))),
    hurries: false,
  },
  mikrotik: {
    sccrq: (id) =>
      message(
        1,
        version,
        framing(1),
        avp(4, u32(0)),
        avp(6, '0001', 0),
        avp(7, latin('MikroTik')),
        avp(8, latin('MikroTik'), 0),
        avp(9, u16(id)),
        avp(10, u16(4)),
      ),
    icrq: (id) => message(10, avp(14, u16(id)), avp(15, u32(0)), avp(18, u32(0))),
    iccn: message(12, avp(24, u32(0)), avp(19, u32(1))),
    hurries: false,
  },
};

/** What a packet of ours says, read by hand. */
export function parse(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const avps = new Map<number, string>();
  for (let at = 12; at < bytes.length; ) {
    const length = view.getUint16(at) & 0x3ff;
    avps.set(view.getUint16(at + 4), Buffer.from(bytes.subarray(at + 6, at + length)).toString('hex'));
    at += length;
  }
  const kind = avps.has(0) ? Number.parseInt(avps.get(0) ?? '', 16) : 0;
  const [tunnelId, sessionId, ns, nr] = [4, 6, 8, 10].map((at) => view.getUint16(at)) as [
    number,
    number,
    number,
    number,
  ];
  return { kind, tunnelId, sessionId, ns, nr, avps };
}

/** One client at one carrier. It counts as RFC 2661 says, and says one thing at a time unless it hurries. */
export class ScriptedLac {
  readonly heard: ReturnType<typeof parse>[] = [];
  ns = 0;
  nr = 0;
  serverTunnel = 0;
  serverSession = 0;
  readonly #end: End;
  readonly #carrier: unknown;

  constructor(end: End, carrier: unknown = 'wire') {
    this.#end = end;
    this.#carrier = carrier;
  }

  say(body: string, sessionId = 0): void {
    this.raw(packet(this.serverTunnel, sessionId, this.ns, this.nr, body));
    if (body !== '') this.ns = (this.ns + 1) & 0xffff;
    this.take();
  }
  raw(bytes: Uint8Array): void {
    this.#end.hear([bytes], this.#carrier);
  }
  /** Hears what waits for it; acknowledges at its next word. */
  take(): void {
    for (const { datagram, carrier } of this.#end.drain()) {
      if (carrier !== this.#carrier) throw new Error('a packet for another client');
      const said = parse(datagram);
      this.heard.push(said);
      if (said.kind === 0 || said.ns !== this.nr) continue;
      this.nr = (this.nr + 1) & 0xffff;
      if (said.kind === 2) this.serverTunnel = Number.parseInt(said.avps.get(9) ?? '', 16);
      if (said.kind === 11) this.serverSession = Number.parseInt(said.avps.get(14) ?? '', 16);
    }
  }
  zlb(): void {
    this.say('');
  }

  call(client: Client, tunnelId: number, sessionId: number): void {
    this.say(client.sccrq(tunnelId));
    if (client.hurries) {
      const [ns, nr] = [this.ns, this.nr];
      this.#end.hear(
        [
          packet(this.serverTunnel, 0, ns, nr, message(3)),
          packet(this.serverTunnel, 0, ns + 1, nr, client.icrq(sessionId)),
        ],
        this.#carrier,
      );
      this.ns += 2;
      this.take();
    } else {
      this.say(message(3));
      this.say(client.icrq(sessionId));
    }
    this.say(client.iccn, this.serverSession);
    this.zlb();
  }
}
