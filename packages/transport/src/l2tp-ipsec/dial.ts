/** `dial` of the l2tp-ipsec transport: IPsec, one tunnel of L2TP and one call to one server. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import type { CloseReason, Logger } from '@culvert/base';
import type { Link, Principal, TransportEvent } from '@culvert/core';
import type { PeerFacts, Session } from '@culvert/l2tp';
import type { DatagramBatch } from '@culvert/netio';
import type { AuthOffer } from '@culvert/ppp';
import { sourceOf } from '@culvert/wire';
import { systemClock, systemRandom } from '../clock.ts';
import { TransportError } from '../errors.ts';
import { FaultLog } from '../fault-log.ts';
import { PppClient } from '../ppp/client.ts';
import { handshakeWindowOf } from '../ppp/settings.ts';
import { type BareCounts, createBareCounts, createSocketCounts, type SocketCounts } from '../socket-counts.ts';
import type { UdpPath } from '../udp-port.ts';
import { Call } from './call.ts';
import { Calls } from './calls.ts';
import type { Carrier } from './carrier.ts';
import { type Credentials, createCredentials } from './credentials.ts';
import type { Scratch } from './data-path.ts';
import { Ipsec } from './ipsec.ts';
import type { L2tpIpsecDialOptions } from './options.ts';
import type { IpsecPeer } from './peer.ts';
import type { Refusal } from './peer-table.ts';
import { familyOf, IpsecPorts, pathTo, usualPorts } from './ports.ts';
import { noNewKeys, noProposal } from './refusals.ts';
import { ikeSettings } from './settings.ts';
import { bringUp } from './terms.ts';

const UDP = 17;
const L2TP_PORT = 1_701;
/** Ports that nobody serves on (RFC 6335, section 6). */
const FIRST_EPHEMERAL = 49_152;
const EPHEMERALS = 16_384;

export interface DialHandlers {
  onEvent(event: TransportEvent): void;
  nextId(): number;
  readonly datagrams: DatagramBatch;
  readonly scratch: Scratch;
  readonly auth: readonly AuthOffer[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export async function dial(to: L2tpIpsecDialOptions, on: DialHandlers): Promise<Link> {
  const { address } = to.remote;
  if (isIP(address) === 0)
    throw new TransportError('CULVERT_TRANSPORT_UNREACHABLE', `${JSON.stringify(address)} is no address`);
  const local = to.localAddress ?? (await addressTowards(address));
  if (on.signal.aborted) throw new TransportError('CULVERT_TRANSPORT_STOPPED');
  return new Dialling(to, on, local).link;
}

/** From the first message of IKE to the link, and on to its end. */
class Dialling {
  readonly link: Promise<Link>;
  readonly #to: L2tpIpsecDialOptions;
  readonly #on: DialHandlers;
  readonly #id: number;
  readonly #faults: FaultLog;
  readonly #client: PppClient;
  readonly #credentials: Credentials | undefined;
  readonly #ports: IpsecPorts;
  readonly #ipsec: Ipsec;
  readonly #calls: Calls;
  /** The one conversation of IPsec that we dialled for. */
  #peer: IpsecPeer | undefined;
  #call: Call | undefined;
  #carrier: Carrier | undefined;
  #over = false;

  /** Throws NetioError or TlsError. */
  constructor(to: L2tpIpsecDialOptions, on: DialHandlers, local: string) {
    this.#to = to;
    this.#on = on;
    this.#id = on.nextId();
    const { proof, localAddress: address, remote, trains } = to;
    const { log, datagrams, nextId } = on;
    this.#faults = new FaultLog(log, systemClock);
    this.#ports = IpsecPorts.open({
      family: familyOf(remote.address),
      address,
      datagrams,
      trains,
      nextId,
      log,
      faults: this.#faults,
      onIke: (batch, first, port) => this.#ipsec.handleIke(batch, first, port),
      onNatTraversal: (batch, first, port) => this.#ipsec.handleNatTraversal(batch, first, port),
      onBareEsp:
        to.forceEncapsulation === false ? (batch, first) => this.#ipsec.handleBareEsp(batch, first) : undefined,
    });
    try {
      this.#credentials =
        proof.kind === 'certificate' ? createCredentials({ ...proof, role: 'client', log }) : undefined;
    } catch (error) {
      this.#ports.close();
      throw error;
    }
    const innerPort = to.innerPort ?? ephemeralPort();
    this.#ipsec = this.#createIpsec();
    this.#calls = new Calls({
      port: innerPort,
      answers: false,
      settings: to,
      halfOpen: 1,
      tunnels: 1,
      clock: systemClock,
      createCall: (session, carrier, facts) => this.#createCall(session, carrier, facts),
      onNote: (_, message, fields) => this.#client.note(message, fields),
      onIdle: (_, reason) => this.#finish(reason),
      onFault: (error) => this.#faults.tell('a message or event of L2TP', error, 'lost'),
    });
    const { ike, natTraversal } = to.ports ?? usualPorts;
    const path = pathTo(this.#ports.ike, local, { ...remote, port: ike });
    const natPath = pathTo(this.#ports.natTraversal, local, { ...remote, port: natTraversal });
    this.#client = this.#createClient(natPath);
    this.link = this.#client.link;
    const selector = (host: string, port: number) => ({
      network: `${host}/${familyOf(host) === 4 ? 32 : 128}`,
      protocol: UDP,
      port,
    });
    const selectors = { local: selector(local, innerPort), remote: selector(remote.address, L2TP_PORT) };
    const child = { mode: 'transport', ...selectors, group: to.forwardSecrecy } as const;
    this.#client.start(() => this.#ipsec.connect({ path, natPath, authentication: proof.kind, child }));
  }

  #createClient(path: UdpPath): PppClient {
    const { auth, signal, onEvent } = this.#on;
    const principal: Principal = {
      user: this.#to.remote.address,
      groups: [],
      certificate: undefined,
      proofs: this.#to.proof.kind === 'certificate' ? ['certificate', 'password'] : ['password'],
    };
    return new PppClient({
      id: this.#id,
      path,
      to: this.#to,
      auth,
      signal,
      onEvent,
      createLink: (terms, config) => {
        if (this.#call === undefined || this.#carrier === undefined) return undefined;
        return bringUp(this.#call, this.#carrier, terms, { id: this.#id, principal, config, wire: () => this.#wire });
      },
      stop: (why) => (this.#call === undefined ? this.#finish(why) : this.#call.close(why)),
    });
  }

  get #wire(): SocketCounts & BareCounts {
    const counts = { ...createSocketCounts(), ...createBareCounts() };
    this.#ports.addCounts(counts);
    return counts;
  }

  #createIpsec(): Ipsec {
    const { proof, cipherImplementation: implementation } = this.#to;
    return new Ipsec({
      ike: {
        ...ikeSettings(this.#to),
        presharedKey: (address) => (proof.kind === 'pre-shared-key' && this.#isServer(address) ? proof.key : undefined),
        ports: this.#ports.numbers,
        limits: { negotiation: handshakeWindowOf(this.#to) },
      },
      credentials: () => this.#credentials,
      implementation,
      bareOutbox: (path) => this.#ports.bareOutbox(path),
      clock: systemClock,
      log: this.#on.log,
      faults: this.#faults,
      onPeer: (peer) => this.#handlePeer(peer),
      onPackets: (peer, batch) => this.#calls.handlePackets(peer, batch),
      onRekeyed: (peer) => {
        if (peer === this.#peer) this.#on.onEvent({ kind: 'rekeyed', id: this.#id });
      },
      onMoved: (peer, from) => {
        if (peer !== this.#peer) return;
        const { path: to } = peer;
        this.#call?.link?.move(to);
        this.#on.onEvent({ kind: 'roamed', id: this.#id, from, to });
      },
      onKeysFailed: (peer, fields) => {
        if (peer === this.#peer) this.#client.note(noNewKeys, fields);
      },
      onGone: (peer, reason) => {
        if (peer !== this.#peer) return;
        this.#calls.handleGone(peer, reason);
        this.#finish(reason);
      },
      onRefused: (refusal) => this.#handleRefused(refusal),
      onSuspected: (reason) => this.#on.onEvent({ kind: 'trouble', id: this.#id, reason }),
    });
  }

  /** Anybody may say anything to our ports: of the server is what has its address. */
  #isServer(address: string): boolean {
    return sourceOf(address) === sourceOf(this.#to.remote.address);
  }

  #handlePeer(peer: IpsecPeer): void {
    if (this.#peer !== undefined) {
      // L2TP has no tunnel there, so what the server sent by it would be lost: it shall go on with what it has.
      this.#client.note('a second pair of SAs was deleted', { remote: peer.path.remote.address });
      this.#ipsec.closePeer(peer, { cause: 'refused', detail: 'there is a call already' });
      return;
    }
    this.#peer = peer;
    if (this.#over || this.#calls.dial(peer, L2TP_PORT)) return;
    this.#finish({ cause: 'error', detail: 'no tunnel is free' });
  }

  #createCall(session: Session, carrier: Carrier, { hostName, vendorName: vendor, firmware }: PeerFacts): Call {
    this.#client.note('the call is up', { hostName, vendor, firmware });
    this.#carrier = carrier;
    this.#call = new Call({
      session,
      carrier,
      settings: this.#to,
      clock: systemClock,
      scratch: this.#on.scratch,
      ppp: this.#client.createSession(),
      onPpp: (event) => this.#client.handle(event),
      hangUp: (reason) => this.#calls.hangUp(session, reason),
      onFault: (error) => this.#faults.tell('a call', error),
      onOver: (reason) => this.#finish(reason),
    });
    return this.#call;
  }

  #handleRefused({ role, phase, reason, offers }: Refusal): void {
    // What others begin here and fail at is nothing of ours.
    if (role === 'responder') return;
    if (this.#peer !== undefined) {
      this.#client.note(noNewKeys, { phase, reason: reason.detail });
      return;
    }
    if (offers !== undefined) this.#on.onEvent(noProposal(this.#id, phase, offers));
    this.#finish(reason);
  }

  /** Says what is left to be said below PPP, and lets go of everything. */
  #finish(reason: CloseReason): void {
    if (this.#over) return;
    this.#over = true;
    // Not in the middle of somebody's turn.
    queueMicrotask(() => {
      this.#calls.close(reason);
      this.#ipsec.close();
      this.#ports.close();
      this.#credentials?.close();
      this.#client.end(reason);
    });
  }
}

function ephemeralPort(): number {
  const [high = 0, low = 0] = systemRandom.bytes(2);
  return FIRST_EPHEMERAL + (((high << 8) | low) % EPHEMERALS);
}

/** Our address on the way to `remote`. Nothing is sent. */
async function addressTowards(remote: string): Promise<string> {
  const socket = createSocket(familyOf(remote) === 4 ? 'udp4' : 'udp6');
  try {
    socket.connect(usualPorts.ike, remote);
    await once(socket, 'connect');
    return socket.address().address;
  } catch (cause) {
    throw new TransportError('CULVERT_TRANSPORT_UNREACHABLE', `there is no way to ${remote}`, { cause });
  } finally {
    socket.close();
  }
}
