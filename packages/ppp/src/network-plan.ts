/**
 * The network phase of one session, as its owner sees it: which protocols it has, by role and configuration, what they came to, when data may
 * flow, and the router messages that follow.
 *
 * Sans-IO: call an input, then drain `pollTransmit`, `pollPacket`, `pollEvent`, `pollTimeout`.
 */
import type { CloseReason, Instant } from '@culvert/base';
import { type IpVersion, parseAddress, parseNetwork } from '@culvert/wire';
import type { Authentication } from './authentication.ts';
import type { Ipv4Config, Ipv6Config, NetworkConfig, PppClientOptions, PppSessionOptions, PppTerms } from './face.ts';
import { IpcpClientPolicy, type IpcpPolicy, IpcpServerPolicy } from './ipcp-policy.ts';
import { Ipv6cpPolicy } from './ipv6cp-policy.ts';
import { DEFAULT_ASYNC_MAP, type LcpTerms } from './lcp-policy.ts';
import { type NetworkEvent, NetworkPhase } from './network-phase.ts';
import { PppProtocol } from './protocol.ts';
import { ROUTER_LIFETIME, RouterAdvertiser } from './router/advertiser.ts';
import { AddressConfiguration } from './router/host.ts';
import { type Advertisement, linkLocal } from './router/message.ts';
import { startKeysOf } from './start-keys.ts';
import { describeTerms, innerMtu } from './terms.ts';

/** IPv6 does not work on a link that takes less (RFC 8200, section 5). */
const LEAST_MTU_6 = 1_280;
/** Hosts make an interface identifier of the other half (RFC 4862, section 5.5.3 d). */
const PREFIX_BITS = 64;
// The RFC's defaults, in seconds (RFC 4861, section 6.2.1). They end with the link in any case.
const VALID_LIFETIME = 2_592_000;
const PREFERRED_LIFETIME = 604_800;

export type PlanEvent =
  | Extract<NetworkEvent, { readonly kind: 'note' | 'encryption-reset' | 'failed' }>
  /** Data may flow. */
  | { readonly kind: 'up'; readonly terms: PppTerms }
  /** Addresses came, went or are other ones. */
  | { readonly kind: 'changed'; readonly terms: PppTerms };

export class NetworkPlan {
  readonly #options: PppSessionOptions;
  readonly #events: PlanEvent[] = [];
  /** A server: what its peer gets. */
  #network: NetworkConfig | undefined;
  #phase: NetworkPhase | undefined;
  #authentication: Authentication | undefined;
  #ipcp: IpcpPolicy | undefined;
  #ipv6cp: Ipv6cpPolicy | undefined;
  #lcp: LcpTerms | undefined;
  #up = false;
  #router: RouterAdvertiser | undefined;
  #host: AddressConfiguration | undefined;
  /** The addresses that were told last, as text. */
  #told = '';

  constructor(options: PppSessionOptions) {
    this.#options = options;
    if (options.role === 'server' && options.network !== undefined) this.give(options.network);
    if (options.role === 'client') clientIpcp(options.ipv4);
  }

  /** A server: what its peer gets. Throws WireError or RangeError where an address is none. */
  give(network: NetworkConfig): void {
    serverIpcp(network.ipv4);
    if (network.ipv6 !== undefined) advertisementOf(network.ipv6, 0);
    this.#network = network;
  }

  get malformed(): number {
    const routers = (this.#router?.stats.malformed ?? 0) + (this.#host?.stats.malformed ?? 0);
    return routers + (this.#phase?.malformed ?? 0);
  }
  get unexpected(): number {
    return this.#phase?.unexpected ?? 0;
  }
  get isUp(): boolean {
    return this.#up;
  }

  // In: what happened.
  /** The phase begins; the result is why it does not. */
  begin(lcp: LcpTerms, authentication: Authentication | undefined, now: Instant): CloseReason | undefined {
    const options = this.#options;
    const { mppe } = options;
    const hasKey = startKeysOf(authentication?.material, options.role) !== undefined;
    if (mppe?.need === 'required' && !hasKey) {
      return { cause: 'protocol', detail: 'encryption is required, and the authentication gives no key' };
    }
    this.#lcp = lcp;
    this.#authentication = authentication;
    this.#ipcp = options.role === 'server' ? serverIpcp(this.#network?.ipv4) : clientIpcp(options.ipv4);
    const mtu = innerMtu(lcp, options.mtu, hasKey && mppe !== undefined);
    this.#ipv6cp = this.#createIpv6cp(mtu);
    if (this.#ipcp === undefined && this.#ipv6cp === undefined) {
      return { cause: 'error', detail: 'neither IPv4 nor IPv6 is configured for this peer, or fits its packets' };
    }
    const policies = { ipcp: this.#ipcp, ipv6cp: this.#ipv6cp };
    const shared = { role: options.role, longest: lcp.mru, isPppd: asksForAsyncMap(lcp) };
    this.#phase = new NetworkPhase({ mppe: hasKey ? mppe : undefined, ...policies, ...shared }, now);
    this.#settle(now);
    return undefined;
  }
  /** A packet of a control protocol. False: of none of ours. */
  handleControl(protocol: number, packet: Uint8Array, now: Instant): boolean {
    const isOurs = this.#phase?.handlePacket(protocol, packet, now) === true;
    this.#settle(now);
    return isOurs;
  }
  handleProtocolReject(protocol: number, now: Instant): void {
    this.#phase?.handleProtocolReject(protocol, now);
    this.#settle(now);
  }
  /** A router message. */
  handlePacket(packet: Uint8Array, now: Instant): void {
    this.#router?.handlePacket(packet, now);
    this.#host?.handlePacket(packet);
    this.#settle(now);
  }
  /** We lost our place in the peer's stateful MPPE. */
  requestReset(now: Instant): void {
    this.#phase?.requestReset(now);
    this.#settle(now);
  }
  handleTimeout(now: Instant): void {
    this.#phase?.handleTimeout(now);
    this.#router?.handleTimeout(now);
    this.#host?.handleTimeout(now);
    this.#settle(now);
  }
  stop(): void {
    this.#phase = undefined;
    this.#router = undefined;
    this.#host = undefined;
    this.#up = false;
  }

  // Out: what to do next.
  pollTransmit(): { readonly protocol: number; readonly packet: Uint8Array } | undefined {
    return this.#phase?.pollTransmit();
  }
  pollPacket(): Uint8Array | undefined {
    return this.#router?.pollPacket() ?? this.#host?.pollPacket();
  }
  pollEvent(): PlanEvent | undefined {
    return this.#events.shift();
  }
  pollTimeout(): Instant | undefined {
    const all = [this.#phase?.pollTimeout(), this.#router?.pollTimeout(), this.#host?.pollTimeout()];
    const known = all.filter((at) => at !== undefined);
    return known.length === 0 ? undefined : (Math.min(...known) as Instant);
  }

  #settle(now: Instant): void {
    const phase = this.#phase;
    for (let event = phase?.pollEvent(); event !== undefined; event = phase?.pollEvent()) {
      if (event.kind !== 'changed') this.#events.push(event);
      else if (!this.#up && phase?.isReady === true) this.#bringUp(phase, now);
    }
    if (this.#up) this.#tellChanges(now);
  }

  #bringUp(phase: NetworkPhase, now: Instant): void {
    const wrong = this.#problem();
    if (wrong !== undefined) {
      this.#events.push({ kind: 'failed', cause: 'protocol', reason: wrong });
      return;
    }
    this.#up = true;
    phase.handleUp();
    this.#startRouter(now);
    const terms = this.#terms();
    this.#told = wordsOf(terms);
    this.#events.push({ kind: 'up', terms });
  }

  #tellChanges(now: Instant): void {
    // The protocols may be other ones than before: IPV6CP may be late.
    this.#startRouter(now);
    const terms = this.#terms();
    const words = wordsOf(terms);
    if (words === this.#told) return;
    this.#told = words;
    this.#events.push({ kind: 'changed', terms });
  }

  /** Why what is open is no configuration. */
  #problem(): string | undefined {
    const ipv4 = this.#isOpen(PppProtocol.ipcp) ? this.#ipcp?.terms : undefined;
    return ipv4?.local.every((byte) => byte === 0) === true ? 'the server gives no IPv4 address' : undefined;
  }

  #terms(): PppTerms {
    const { role, mtu } = this.#options;
    const authentication = this.#authentication;
    const ccp = this.#isOpen(PppProtocol.ccp) ? this.#phase?.ccp : undefined;
    if (this.#lcp === undefined) throw new TypeError('there are no terms before the network phase');
    return describeTerms({
      identity: authentication?.identity,
      method: authentication?.method,
      lcp: this.#lcp,
      mtu,
      ipv4: this.#isOpen(PppProtocol.ipcp) ? this.#ipcp?.terms : undefined,
      ipv6: this.#isOpen(PppProtocol.ipv6cp) ? this.#ipv6cp : undefined,
      host: this.#host?.config,
      send: ccp?.send,
      receive: ccp?.receive,
      keys: startKeysOf(authentication?.material, role),
    });
  }

  #isOpen(protocol: number): boolean {
    return this.#phase?.isOpen(protocol) === true;
  }

  #createIpv6cp(mtu: number): Ipv6cpPolicy | undefined {
    const options = this.#options;
    const wanted = options.role === 'client' ? options.ipv6 : this.#network?.ipv6;
    if (wanted !== undefined && mtu < LEAST_MTU_6) {
      const fields = { mtu, least: LEAST_MTU_6 };
      this.#events.push({ kind: 'note', message: 'the link has no IPv6, as its packets are too small', fields });
      return undefined;
    }
    if (options.role === 'client') {
      return options.ipv6 && new Ipv6cpPolicy({ local: options.ipv6.interfaceId }, options.random);
    }
    const ipv6 = this.#network?.ipv6;
    return ipv6 && new Ipv6cpPolicy({ local: ipv6.localInterfaceId, peer: ipv6.peerInterfaceId }, options.random);
  }

  #startRouter(now: Instant): void {
    if (!this.#up || this.#router !== undefined || this.#host !== undefined) return;
    if (this.#ipv6cp === undefined || !this.#isOpen(PppProtocol.ipv6cp)) return;
    const own = linkLocal(this.#ipv6cp.local);
    if (this.#options.role === 'client') this.#host = new AddressConfiguration(own, now);
    else if (this.#network?.ipv6 !== undefined) {
      const { mtu } = this.#terms();
      this.#router = new RouterAdvertiser(own, advertisementOf(this.#network.ipv6, mtu), now);
    }
  }
}

/** pppd does where no line wants it, and so do Android and macOS, which have it; Windows and we ourselves do not. */
function asksForAsyncMap({ asyncMap }: LcpTerms): boolean {
  return asyncMap !== DEFAULT_ASYNC_MAP;
}

function wordsOf({ ipv4, ipv6 }: PppTerms): string {
  return JSON.stringify([ipv4, ipv6]);
}

function serverIpcp(ipv4: Ipv4Config | undefined): IpcpPolicy | undefined {
  return (
    ipv4 &&
    new IpcpServerPolicy({
      local: bytesOf(ipv4.local, 4),
      peer: bytesOf(ipv4.peer, 4),
      dns: ipv4.dns.map((server) => bytesOf(server, 4)),
      nbns: ipv4.nbns?.map((server) => bytesOf(server, 4)) ?? [],
    })
  );
}

function clientIpcp(ipv4: PppClientOptions['ipv4']): IpcpPolicy | undefined {
  const address = ipv4?.address === undefined ? undefined : bytesOf(ipv4.address, 4);
  return ipv4 && new IpcpClientPolicy({ address, dns: ipv4.dns, nbns: ipv4.nbns ?? false });
}

function advertisementOf({ prefix, dns }: Ipv6Config, mtu: number): Advertisement {
  const network = parseNetwork(prefix);
  if (network.address.version !== 6 || network.prefix !== PREFIX_BITS) {
    throw new RangeError(`${prefix}: a peer makes its addresses in an IPv6 network of ${PREFIX_BITS} bits`);
  }
  const entry = {
    prefix: network.address.bytes,
    bits: network.prefix,
    valid: VALID_LIFETIME,
    preferred: PREFERRED_LIFETIME,
    autonomous: true,
  };
  return {
    lifetime: ROUTER_LIFETIME,
    prefixes: [entry],
    mtu,
    nameServers: dns.map((server) => bytesOf(server, 6)),
  };
}

function bytesOf(text: string, version: IpVersion): Uint8Array {
  const address = parseAddress(text);
  if (address.version !== version) throw new RangeError(`${text} is not an IPv${version} address`);
  return address.bytes;
}
