/**
 * Our client's session in virtual time, with real TLS and a tunnel core behind it. Datagrams enter as the driver's do (packages/transport
 * dial.ts): control packets by `handleDatagram`, runs of data by `open`.
 */
import { createPacketBatch, type Instant, type PacketBatch } from '@culvert/base';
import { ClientSession, isData } from '@culvert/openvpn';
import { batchOf, packetsOf, type SeededRandom, simulatedPath, VirtualClock } from '@culvert/testkit';
import { Office, StubLink } from '../../packages/core/test/office.ts';
import type { ScriptedPeer, Variant } from './peer/peer.ts';
import type { Counters, Subject } from './subject.ts';
import type { World } from './world.ts';

const addresses = { ipv4: { address: '10.99.0.2', prefix: 16, gateway: '10.99.0.1' } };
const HANDSHAKE_MILLIS = 60_000;

export class ClientSubject implements Subject {
  readonly role = 'client';
  alive = true;
  readonly clock = new VirtualClock();
  readonly #session: ClientSession;
  readonly #office = new Office({
    role: 'client',
    accept: ['192.168.77.0/24'],
    filter: { rules: [], default: 'allow' },
  });
  readonly #link = new StubLink(
    1,
    { ...addresses, ipv6: { address: 'fd99::2', prefix: 64, gateway: 'fd99::1' } },
    [],
    0 as Instant,
  );
  readonly #dst = createPacketBatch(256, 256 * 2_048);
  #inner = 0;

  constructor(world: World, variant: Variant, random: SeededRandom) {
    const { keys } = world;
    this.#office.core.attach(this.#link);
    this.#session = new ClientSession({
      path: simulatedPath(0),
      protocol: 'udp',
      random,
      wallClock: this.clock,
      createTls: () => world.tls.client.createEngine(),
      now: this.clock.now(),
      wrap:
        variant.wrap === 'tls-crypt'
          ? { kind: 'tls-crypt', key: keys.shared }
          : { kind: 'tls-crypt-v2', clientKey: keys.client, wrapped: keys.wrapped },
      username: 'alice',
      password: 'secret',
      handshakeWindow: HANDSHAKE_MILLIS,
      renegotiateAfter: 0,
    });
  }

  async deliver(datagrams: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const now = this.clock.advance(1);
    for (let i = 0; i < datagrams.length; ) {
      if (!isData(datagrams[i]?.[0] ?? 0)) {
        this.#session.handleDatagram(datagrams[i++] ?? new Uint8Array(0), simulatedPath(0), now);
        continue;
      }
      const first = i;
      while (i < datagrams.length && isData(datagrams[i]?.[0] ?? 0)) i++;
      this.#open(batchOf(datagrams.slice(first, i)), now);
    }
    const due = this.#session.pollTimeout();
    if (due !== undefined && due <= now) this.#session.handleTimeout(now);
    return this.#drain();
  }

  counters(): Counters {
    const { malformed, unauthenticated, replayed, dataUnauthenticated, dataReplayed, dataNoKey } = this.#session.stats;
    return {
      controlRefused: unauthenticated + replayed + (this.alive ? 0 : malformed),
      dataRefused: dataUnauthenticated + dataReplayed + dataNoKey,
      inner: this.#inner,
    };
  }

  admit(): void {}

  close(): void {
    this.#session.close({ cause: 'operator', detail: 'the fuzzer wants a goodbye' }, this.clock.now());
  }

  async end(_peer: ScriptedPeer): Promise<void> {
    this.#session.dispose();
  }

  #open(batch: PacketBatch, now: Instant): void {
    this.#dst.count = this.#dst.used = 0;
    this.#session.open(batch, 0, batch.count, this.#dst, now);
    const packets = packetsOf(this.#dst);
    this.#inner += packets.length;
    if (packets.length > 0) this.#link.bring(...packets);
    this.#office.delivered();
  }

  #drain(): Uint8Array[] {
    const session = this.#session;
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent())
      if (event.kind === 'closed') this.alive = false;
    const out: Uint8Array[] = [];
    for (let t = session.pollTransmit(); t !== undefined; t = session.pollTransmit()) out.push(t.datagram);
    return out;
  }
}
