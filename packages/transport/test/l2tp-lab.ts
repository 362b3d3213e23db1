/** An L2TP/IPsec listener in this process' own network namespace, who knows alice's password, and clients of it. */
import type { CloseReason, Logger } from '@culvert/base';
import type { Claim, Link, Listener, TransportEvent } from '@culvert/core';
import { ntPasswordHash, verifyMsChapV2 } from '@culvert/ppp';
import {
  batchOf,
  eventually,
  ipv4Packet,
  nullLogger,
  openRelay,
  packetsOf,
  type Relay,
  ScriptedAdmission,
  type WireOptions,
} from '@culvert/testkit';
import { systemClock } from '../src/clock.ts';
import { FaultLog } from '../src/fault-log.ts';
import { Ipsec } from '../src/l2tp-ipsec/ipsec.ts';
import type { L2tpIpsecDialOptions, L2tpIpsecListenOptions } from '../src/l2tp-ipsec/options.ts';
import type { IpsecPeer } from '../src/l2tp-ipsec/peer.ts';
import { familyOf, IpsecPorts, pathTo } from '../src/l2tp-ipsec/ports.ts';
import { createL2tpIpsecTransport } from '../src/l2tp-ipsec/transport.ts';
import { createDatagrams } from '../src/udp-port.ts';
import { gateway, type Heard, laptop, password, stranger, withKeys } from './pptp-lab.ts';
import { UdpTap } from './udp-tap.ts';

const over: CloseReason = { cause: 'shutdown', detail: 'the test is over' };
export const key = Buffer.from('a key for everyone');

interface Also {
  readonly onEvent?: (event: TransportEvent) => void;
  readonly onLink?: (link: Link) => void;
  readonly log?: Logger;
}

export class L2tpLab {
  readonly events: TransportEvent[] = [];
  readonly dialEvents: TransportEvent[] = [];
  readonly accepted: Heard[] = [];
  readonly admission = new ScriptedAdmission();
  readonly #transport = createL2tpIpsecTransport();
  readonly #stop = new AbortController();
  readonly #dialled: Link[] = [];
  readonly #wires: { close(): unknown }[] = [];
  #listener: Listener | undefined;

  /** `also` hears what happens before the lab does. */
  static async open(options: Partial<L2tpIpsecListenOptions> = {}, also: Also = {}): Promise<L2tpLab> {
    const lab = new L2tpLab();
    const { admission } = lab;
    const welcome = admission.answer;
    admission.answer = async (index, claim) =>
      knowsPassword(claim)
        ? welcome(index, claim)
        : { kind: 'refused', reason: 'wrong password', tell: 'authentication failed' };
    const presharedKeys = [{ network: undefined, key }];
    const usual = { listen: [{ address: gateway }], presharedKeys, ports: { ike: 0, natTraversal: 0 } };
    // Accessors stay what they are.
    const at = Object.defineProperties(usual, Object.getOwnPropertyDescriptors(options)) as L2tpIpsecListenOptions;
    lab.#listener = await lab.#transport.listen(at, {
      admission: withKeys(admission),
      onLink: (link) => {
        also.onLink?.(link);
        lab.accepted.push(hear(link));
      },
      onEvent: (event) => {
        also.onEvent?.(event);
        lab.events.push(event);
      },
      log: also.log ?? nullLogger,
      signal: lab.#stop.signal,
    });
    return lab;
  }

  get listener(): Listener {
    if (this.#listener === undefined) throw new Error('the lab is not open');
    return this.#listener;
  }

  get ports(): { readonly ike: number; readonly natTraversal: number } {
    const [ike, natTraversal] = this.listener.endpoints;
    return { ike: ike?.port ?? 0, natTraversal: natTraversal?.port ?? 0 };
  }

  async dial(options: Partial<L2tpIpsecDialOptions> = {}): Promise<Heard> {
    const proof = { kind: 'pre-shared-key', key } as const;
    const remote = { address: gateway };
    const to = { remote, ports: this.ports, localAddress: laptop, proof, username: 'alice', password, ...options };
    const onEvent = (event: TransportEvent) => void this.dialEvents.push(event);
    const link = await this.#transport.dial(to, { onEvent, log: nullLogger, signal: this.#stop.signal });
    this.#dialled.push(link);
    return hear(link);
  }

  /** The listener's link of a client. */
  peerOf({ link }: Heard): Heard {
    const { address } = link.config.ipv4 ?? {};
    const found = this.accepted.find((heard) => heard.link.config.ipv4?.address === address);
    if (found === undefined) throw new Error('the listener does not have the link');
    return found;
  }

  /** Two wires to the ports, which give their diallers one address as a NAT does; and what to dial with through them. */
  async wires(
    noise?: WireOptions,
  ): Promise<{ readonly relays: readonly Relay[]; readonly through: Partial<L2tpIpsecDialOptions> }> {
    const relays = await Promise.all(this.listener.endpoints.map((endpoint) => openRelay('udp', endpoint, noise)));
    this.#wires.push(...relays);
    return { relays, through: throughPorts(relays.map(({ endpoint }) => endpoint.port)) };
  }

  /** Two wires for one dialler, that of ESP second. */
  async taps(): Promise<{
    readonly ike: UdpTap;
    readonly wire: UdpTap;
    readonly through: Partial<L2tpIpsecDialOptions>;
  }> {
    const [ike, natTraversal] = await Promise.all(this.listener.endpoints.map((endpoint) => UdpTap.open(endpoint)));
    if (ike === undefined || natTraversal === undefined) throw new Error('the lab has no two ports');
    this.#wires.push(ike, natTraversal);
    return { ike, wire: natTraversal, through: throughPorts([ike.port, natTraversal.port]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close(over);
    await Promise.all(this.#dialled.map((link) => link.close(over)));
    for (const wire of this.#wires) await wire.close();
  }
}

/** A packet each way. */
export async function carry(lab: L2tpLab, client: Heard): Promise<void> {
  const theirs = lab.peerOf(client);
  const [sent, heard] = [theirs.packets.length, client.packets.length];
  client.link.send(batchOf([ipv4Packet(100, sent)]));
  await eventually('it is heard', () => theirs.packets.length === sent + 1);
  theirs.link.send(batchOf([ipv4Packet(200, heard)]));
  await eventually('it hears', () => client.packets.length === heard + 1);
}

/** A client that speaks IPsec and sends through it what it likes. */
export async function rawPeer(
  lab: L2tpLab,
  remotePort: number,
  { localPort = 1_701, from = stranger, to = gateway, at = lab.ports, secret = key, bare = false } = {},
): Promise<{ readonly peer: IpsecPeer; readonly heard: Uint8Array[]; close(): void }> {
  const { promise, resolve, reject } = Promise.withResolvers<IpsecPeer>();
  const heard: Uint8Array[] = [];
  let numbers = 1_000;
  const faults = new FaultLog(nullLogger, systemClock);
  const ports = new IpsecPorts({
    family: familyOf(from),
    address: from,
    numbers: { ike: 0, natTraversal: 0 },
    datagrams: createDatagrams(),
    nextId: () => numbers++,
    log: nullLogger,
    faults,
    onIke: (batch, first, port) => ipsec.handleIke(batch, first, port),
    onNatTraversal: (batch, first, port) => ipsec.handleNatTraversal(batch, first, port),
    onBareEsp: bare ? (batch, first) => ipsec.handleBareEsp(batch, first) : undefined,
  });
  const ipsec = new Ipsec({
    ike: { presharedKey: () => secret, ports: ports.numbers },
    credentials: () => undefined,
    implementation: undefined,
    bareOutbox: (path) => ports.bareOutbox(path),
    clock: systemClock,
    log: nullLogger,
    faults,
    onPeer: resolve,
    onPackets: (_, batch) => void heard.push(...packetsOf(batch)),
    onRekeyed: () => {},
    onMoved: () => {},
    onKeysFailed: () => {},
    onGone: () => {},
    onRefused: ({ reason }) => {
      reject(new Error(reason.detail));
      close();
    },
  });
  const bits = familyOf(from) === 4 ? 32 : 128;
  const selector = (host: string, port: number) => ({ network: `${host}/${bits}`, protocol: 17, port });
  ipsec.connect({
    path: pathTo(ports.ike, from, { address: to, port: at.ike }),
    natPath: pathTo(ports.natTraversal, from, { address: to, port: at.natTraversal }),
    authentication: 'pre-shared-key',
    child: { mode: 'transport', local: selector(from, localPort), remote: selector(to, remotePort) },
  });
  const close = () => {
    ipsec.close();
    ports.close();
  };
  return { peer: await promise, heard, close };
}

function knowsPassword({ response, password: shown }: Claim): boolean {
  if (response?.kind === 'mschapv2') return verifyMsChapV2(response, ntPasswordHash(password)) !== undefined;
  return shown?.password === password;
}

function hear(link: Link): Heard {
  const packets: Uint8Array[] = [];
  link.onPackets((batch) => void packets.push(...packetsOf(batch)));
  return { link, packets };
}

function throughPorts([ike = 0, natTraversal = 0]: readonly number[]): Partial<L2tpIpsecDialOptions> {
  return { remote: { address: '127.0.0.1' }, localAddress: '127.0.0.1', ports: { ike, natTraversal } };
}
