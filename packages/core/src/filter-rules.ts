/**
 * The filter policy as one link needs it: the rules of its groups, by direction, as numbers.
 *
 * A packet that hides something never gains by it: where its ports cannot be read no rule that names ports allows it and every
 * such rule denies it; where not even its protocol is certain the same holds for rules that name one.
 */
import { Protocol } from '@culvert/wire';
import type { LinkConfig } from './contracts.ts';
import { CoreError } from './errors.ts';
import type { FilterPolicy, FilterRule } from './filter-policy.ts';
import type { FlowKey } from './flow-key.ts';
import { innerNetwork, maskWord, networkWords } from './network-words.ts';

const ANY_PROTOCOL = -1;
/** ICMP or ICMPv6, by the packet's version. */
const ICMP = -2;
/** TCP or UDP: a rule that names ports and no protocol. */
const WITH_PORTS = -3;

const PROTOCOLS_WITH_PORTS: readonly unknown[] = ['any', 'tcp', 'udp', Protocol.tcp, Protocol.udp];

interface CompiledRule {
  readonly allow: boolean;
  readonly fromOffice: boolean;
  readonly groups: readonly string[] | undefined;
  readonly protocol: number;
  /** Pairs from, to. */
  readonly ports: Uint16Array | undefined;
  /** Pairs address, mask; undefined: anywhere. */
  readonly ipv4: Int32Array | undefined;
  /** Four words of address, then four of mask; undefined: anywhere. */
  readonly ipv6: Int32Array | undefined;
}

/** A policy, checked and compiled once for all links. */
export class CompiledPolicy {
  readonly #rules: readonly CompiledRule[];
  readonly #default: FilterPolicy['default'];
  /** The last of the rules for what is pushed: most links are pushed the same. */
  #pushed: { readonly networks: string; readonly rule: CompiledRule } | undefined;

  /** Throws CoreError: names the rule by its place, counted from 1. */
  constructor(policy: FilterPolicy) {
    this.#rules = policy.rules.map((rule, i) => {
      try {
        return compileRule(rule);
      } catch (cause) {
        throw new CoreError('CULVERT_CORE_FILTER', `rule ${i + 1}: ${(cause as Error).message}`, { cause });
      }
    });
    this.#default = policy.default;
  }

  /** The rules for a link of these groups. `config` tells what is pushed, for a policy without a default of its own. */
  forLink(groups: readonly string[], config: LinkConfig, clientsMayMeet: boolean): LinkRules {
    const mine = this.#rules.filter((rule) => rule.groups?.some((group) => groups.includes(group)) ?? true);
    const fromClient = mine.filter((rule) => !rule.fromOffice);
    if (this.#default === undefined) {
      const networks = pushedNetworks(config, clientsMayMeet);
      if (networks.length > 0) fromClient.push(this.#allow(networks));
    }
    const fromOffice = mine.filter((rule) => rule.fromOffice);
    return new LinkRules(fromClient, fromOffice, this.#default === 'allow');
  }

  #allow(networks: readonly string[]): CompiledRule {
    const text = networks.join();
    if (this.#pushed?.networks !== text) {
      this.#pushed = { networks: text, rule: compileRule({ action: 'allow', networks }) };
    }
    return this.#pushed.rule;
  }
}

export class LinkRules {
  readonly #fromClient: readonly CompiledRule[];
  readonly #fromOffice: readonly CompiledRule[];
  readonly #defaultAllow: boolean;

  constructor(fromClient: readonly CompiledRule[], fromOffice: readonly CompiledRule[], defaultAllow: boolean) {
    this.#fromClient = fromClient;
    this.#fromOffice = fromOffice;
    this.#defaultAllow = defaultAllow;
  }

  /** Whether a packet of this flow may pass as the first one, opened from inside (a client) or outside (the office). */
  allows(key: FlowKey, fromInside: boolean): boolean {
    const rules = fromInside ? this.#fromClient : this.#fromOffice;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as CompiledRule;
      if (networkFits(rule, key) && trafficFits(rule, key, fromInside)) return rule.allow;
    }
    return fromInside && this.#defaultAllow;
  }

  /** An ICMP error about a flow that nobody knows: only a rule for ICMP itself allows it, as it may be forged to disturb others. */
  allowsStrayIcmpError(key: FlowKey, fromInside: boolean): boolean {
    const rules = fromInside ? this.#fromClient : this.#fromOffice;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as CompiledRule;
      if (!networkFits(rule, key) || !trafficFits(rule, key, fromInside)) continue;
      if (!rule.allow) return false;
      if (rule.protocol !== ANY_PROTOCOL) return true;
    }
    return false;
  }
}

function trafficFits(rule: CompiledRule, key: FlowKey, fromInside: boolean): boolean {
  if (rule.protocol === ANY_PROTOCOL) return true;
  if (key.opaque && !rule.allow) return true;
  if (!protocolFits(rule.protocol, key)) return false;
  if (rule.ports === undefined) return true;
  if (!key.legible) return !rule.allow;
  return portFits(rule.ports, fromInside ? key.outsidePort : key.insidePort);
}

function protocolFits(protocol: number, key: FlowKey): boolean {
  if (protocol === ICMP) return key.protocol === (key.version === 4 ? Protocol.icmp : Protocol.icmpv6);
  if (protocol === WITH_PORTS) return key.protocol === Protocol.tcp || key.protocol === Protocol.udp;
  return protocol === key.protocol;
}

function portFits(ports: Uint16Array, port: number): boolean {
  for (let i = 0; i < ports.length; i += 2) {
    if ((ports[i] as number) <= port && port <= (ports[i + 1] as number)) return true;
  }
  return false;
}

function networkFits(rule: CompiledRule, key: FlowKey): boolean {
  if (rule.ipv4 === undefined || rule.ipv6 === undefined) return true;
  return key.version === 4 ? ipv4Fits(rule.ipv4, key.outside0) : ipv6Fits(rule.ipv6, key);
}

function ipv4Fits(networks: Int32Array, address: number): boolean {
  for (let i = 0; i < networks.length; i += 2) {
    if ((address & (networks[i + 1] as number)) === networks[i]) return true;
  }
  return false;
}

function ipv6Fits(n: Int32Array, key: FlowKey): boolean {
  for (let i = 0; i < n.length; i += 8) {
    if (
      (key.outside0 & (n[i + 4] as number)) === n[i] &&
      (key.outside1 & (n[i + 5] as number)) === n[i + 1] &&
      (key.outside2 & (n[i + 6] as number)) === n[i + 2] &&
      (key.outside3 & (n[i + 7] as number)) === n[i + 3]
    )
      return true;
  }
  return false;
}

function compileRule(rule: FilterRule): CompiledRule {
  const networks = rule.networks?.map((text) => networkWords(text));
  const ipv4 = networks?.filter(({ version }) => version === 4);
  const ipv6 = networks?.filter(({ version }) => version === 6);
  return {
    allow: rule.action === 'allow',
    fromOffice: rule.direction === 'fromOffice',
    groups: rule.groups,
    protocol: protocolCode(rule),
    ports: rule.ports && Uint16Array.from(rule.ports.flatMap(checkedRange)),
    ipv4: ipv4 && Int32Array.from(ipv4.flatMap(({ a, prefix }) => [a, maskWord(prefix, 0)])),
    ipv6:
      ipv6 &&
      Int32Array.from(ipv6.flatMap((n) => [n.a, n.b, n.c, n.d, ...[0, 1, 2, 3].map((i) => maskWord(n.prefix, i))])),
  };
}

function protocolCode({ protocol = 'any', ports }: FilterRule): number {
  if (ports !== undefined && !PROTOCOLS_WITH_PORTS.includes(protocol)) {
    throw new RangeError(`ports go with TCP and UDP, and the protocol is ${protocol}`);
  }
  switch (protocol) {
    case 'any':
      return ports === undefined ? ANY_PROTOCOL : WITH_PORTS;
    case 'tcp':
      return Protocol.tcp;
    case 'udp':
      return Protocol.udp;
    case 'icmp':
      return ICMP;
    default:
      if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255) {
        throw new RangeError(`a protocol is a number from 0 to 255, not ${protocol}`);
      }
      return protocol;
  }
}

function checkedRange({ from, to }: { readonly from: number; readonly to: number }): [number, number] {
  const isPort = (n: number) => Number.isInteger(n) && n >= 0 && n <= 0xffff;
  if (!isPort(from) || !isPort(to) || from > to) throw new RangeError(`${from}-${to} is no range of ports`);
  return [from, to];
}

function pushedNetworks(config: LinkConfig, clientsMayMeet: boolean): string[] {
  const networks = [...config.routes];
  if (config.redirect.ipv4) networks.push('0.0.0.0/0');
  if (config.redirect.ipv6) networks.push('::/0');
  for (const inner of [config.ipv4, config.ipv6]) {
    if (inner === undefined) continue;
    networks.push(inner.gateway);
    if (clientsMayMeet) networks.push(innerNetwork(inner));
  }
  return networks;
}
