/** The l2tp-ipsec transport over real sockets passes the suite that every transport must pass; two relays are the wire that can be cut. */
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import type { Listener } from '@culvert/core';
import {
  enterFreshNamespace,
  openRelay,
  type Relay,
  type TransportBed,
  transportCompliance,
  type Wishes,
} from '@culvert/testkit';
import { key } from '../../test/l2tp-lab.ts';
import { password, withKeys } from '../../test/pptp-lab.ts';
import type { L2tpIpsecDialOptions, L2tpIpsecListenOptions } from './options.ts';
import { createL2tpIpsecTransport } from './transport.ts';

const skip = enterFreshNamespace();
const transport = createL2tpIpsecTransport();
const address = '127.0.0.1';
const keepalive = { interval: 1_000, timeout: 3_000 };

class Bed implements TransportBed<L2tpIpsecListenOptions, L2tpIpsecDialOptions> {
  readonly transport: TransportBed<L2tpIpsecListenOptions, L2tpIpsecDialOptions>['transport'] = {
    ...transport,
    listen: (at, on) => transport.listen(at, { ...on, admission: withKeys(on.admission) }),
  };
  readonly listenOptions: L2tpIpsecListenOptions;
  readonly #dialOptions: Omit<L2tpIpsecDialOptions, 'ports'>;
  readonly #stranger = createSocket('udp4');
  #opening: Promise<readonly Relay[]> | undefined;
  #relays: readonly Relay[] = [];
  #ports: readonly number[] = [];
  #cut = false;

  constructor({ rekeyAfter, links }: Wishes) {
    const lifetimes = rekeyAfter === undefined ? {} : { phase2Seconds: (4 * rekeyAfter) / 1_000 };
    // Both ends of many links are one thread, which their key exchanges keep from answering in a second.
    const settings = links === undefined ? { keepalive } : {};
    const presharedKeys = [{ network: undefined, key }];
    this.listenOptions = { listen: [{ address }], presharedKeys, ports: { ike: 0, natTraversal: 0 }, ...settings };
    const proof = { kind: 'pre-shared-key', key } as const;
    this.#dialOptions = { remote: { address }, proof, username: 'alice', password, lifetimes, ...settings };
    this.#stranger.on('error', () => {});
  }

  async dialOptions(listener: Listener): Promise<L2tpIpsecDialOptions> {
    this.#ports = listener.endpoints.map(({ port }) => port);
    this.#opening ??= Promise.all(listener.endpoints.map((endpoint) => openRelay('udp', endpoint)));
    this.#relays = await this.#opening;
    if (this.#cut) this.cutWire();
    const [ike = 0, natTraversal = 0] = this.#relays.map(({ endpoint }) => endpoint.port);
    return { ...this.#dialOptions, ports: { ike, natTraversal } };
  }

  cutWire(): void {
    this.#cut = true;
    for (const relay of this.#relays) relay.cut();
  }

  healWire(): void {
    this.#cut = false;
    for (const relay of this.#relays) relay.heal();
  }

  roam(): void {
    for (const relay of this.#relays) relay.roam();
  }

  hostile(bytes: Uint8Array): void {
    for (const port of this.#ports) this.#stranger.send(bytes, port, address, () => {});
  }

  async close(): Promise<void> {
    for (const relay of this.#relays) await relay.close();
    this.#stranger.close();
  }
}

if (skip === false) {
  transportCompliance({
    name: 'l2tp-ipsec',
    setup: (wishes) => new Bed(wishes),
    teardown: (bed) => (bed instanceof Bed ? bed.close() : undefined),
    mtu: 1_400,
    manyLinks: 100,
  });
} else test('l2tp-ipsec keeps the contract of a transport', { skip }, () => {});
