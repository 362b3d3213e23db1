/**
 * What the network phase of one session is about: which protocols it has, by role and configuration, what they came to, and the router
 * messages that follow.
 */
import type { CloseReason, Instant } from '@culvert/base';
import { type IpVersion, parseAddress, parseNetwork } from '@culvert/wire';
import type { Authentication } from './authentication.ts';
import type { Ipv4Config, Ipv6Config, NetworkConfig, PppClientOptions, PppSessionOptions, PppTerms } from './face.ts';
import { IpcpClientPolicy, type IpcpPolicy, IpcpServerPolicy } from './ipcp-policy.ts';
import { Ipv6cpPolicy } from './ipv6cp-policy.ts';
import type { LcpTerms } from './lcp-policy.ts';
import { NetworkPhase } from './network-phase.ts';
import { PppProtocol } from './protocol.ts';
import { ROUTER_LIFETIME, RouterAdvertiser } from './router/advertiser.ts';
import { AddressConfiguration, type HostConfig } from './router/host.ts';
import { type Advertisement, linkLocal } from './router/message.ts';
import { startKeysOf } from './start-keys.ts';
import { describeTerms } from './terms.ts';

/** Hosts make an interface identifier of the other half (RFC 4862, section 5.5.3 d). */
const PREFIX_BITS = 64;
// The RFC's defaults, in seconds (RFC 4861, section 6.2.1). They end with the link in any case.
const VALID_LIFETIME = 2_592_000;
const PREFERRED_LIFETIME = 604_800;

export class NetworkPlan {
  readonly #options: PppSessionOptions;
  /** A server: what its peer gets. */
  #network: NetworkConfig | undefined;
  #phase: NetworkPhase | undefined;
  #ipcp: IpcpPolicy | undefined;
  #ipv6cp: Ipv6cpPolicy | undefined;
  #lcp: LcpTerms | undefined;
  #up = false;
  #router: RouterAdvertiser | undefined;
  #host: AddressConfiguration | undefined;
  #config: HostConfig | undefined;

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
    return (this.#router?.stats.malformed ?? 0) + (this.#host?.stats.malformed ?? 0);
  }

  /** The network phase, or why there is none. */
  begin(lcp: LcpTerms, authentication: Authentication | undefined, now: Instant): NetworkPhase | CloseReason {
    const options = this.#options;
    const { mppe } = options;
    const hasKey = startKeysOf(authentication?.material, options.role) !== undefined;
    if (mppe?.need === 'required' && !hasKey) {
      return { cause: 'protocol', detail: 'encryption is required, and the authentication gives no key' };
    }
    this.#lcp = lcp;
    this.#ipcp = options.role === 'server' ? serverIpcp(this.#network?.ipv4) : clientIpcp(options.ipv4);
    this.#ipv6cp = this.#createIpv6cp();
    if (this.#ipcp === undefined && this.#ipv6cp === undefined) {
      return { cause: 'error', detail: 'neither IPv4 nor IPv6 is configured for this peer' };
    }
    const policies = { ipcp: this.#ipcp, ipv6cp: this.#ipv6cp };
    const shared = { role: options.role, longest: lcp.mru };
    this.#phase = new NetworkPhase({ mppe: hasKey ? mppe : undefined, ...policies, ...shared }, now);
    return this.#phase;
  }

  /** Why what is open is no configuration. */
  problem(): string | undefined {
    const ipv4 = this.#isOpen(PppProtocol.ipcp) ? this.#ipcp?.terms : undefined;
    return ipv4?.local.every((byte) => byte === 0) === true ? 'the server gives no IPv4 address' : undefined;
  }

  handleUp(now: Instant): void {
    this.#up = true;
    this.#startRouter(now);
  }
  /** The protocols may be other ones than before: IPV6CP may be late. */
  handleChange(now: Instant): void {
    this.#startRouter(now);
    this.#config = this.#host?.pollConfig() ?? this.#config;
  }
  handlePacket(packet: Uint8Array, now: Instant): void {
    this.#router?.handlePacket(packet, now);
    this.#host?.handlePacket(packet);
  }
  handleTimeout(now: Instant): void {
    this.#router?.handleTimeout(now);
    this.#host?.handleTimeout(now);
  }
  stop(): void {
    this.#phase = undefined;
    this.#router = undefined;
    this.#host = undefined;
    this.#up = false;
  }

  pollPacket(): Uint8Array | undefined {
    return this.#router?.pollPacket() ?? this.#host?.pollPacket();
  }
  pollTimeout(): Instant | undefined {
    return this.#router?.pollTimeout() ?? this.#host?.pollTimeout();
  }

  /** Of a session in its network phase. */
  terms(authentication: Authentication | undefined): PppTerms {
    const { role, mtu } = this.#options;
    const ccp = this.#isOpen(PppProtocol.ccp) ? this.#phase?.ccp : undefined;
    if (this.#lcp === undefined) throw new TypeError('there are no terms before the network phase');
    return describeTerms({
      identity: authentication?.identity,
      method: authentication?.method,
      lcp: this.#lcp,
      mtu,
      ipv4: this.#isOpen(PppProtocol.ipcp) ? this.#ipcp?.terms : undefined,
      ipv6: this.#isOpen(PppProtocol.ipv6cp) ? this.#ipv6cp : undefined,
      host: this.#config,
      send: ccp?.send,
      receive: ccp?.receive,
      keys: startKeysOf(authentication?.material, role),
    });
  }

  #isOpen(protocol: number): boolean {
    return this.#phase?.isOpen(protocol) === true;
  }

  #createIpv6cp(): Ipv6cpPolicy | undefined {
    const options = this.#options;
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
      const { mtu } = this.terms(undefined);
      this.#router = new RouterAdvertiser(own, advertisementOf(this.#network.ipv6, mtu), now);
    }
  }
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
