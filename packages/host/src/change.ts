/**
 * The changes of a host, as plain values that fit a journal, and what each kind must be able to do.
 *
 * Owns the shapes and their checks. Leaves the doing to a file for each kind, the order and the journal to `host-changes.ts`.
 */
import { isIP, SocketAddress } from 'node:net';
import type { Tools } from './command.ts';

/** An address of a device. Undone by taking it away, unless it was there before. */
export interface AddressChange {
  readonly kind: 'address';
  readonly device: string;
  /** With its prefix: `10.8.0.2/24`, `fd00::2/64`. */
  readonly address: string;
}

/** State of a device. What is left out stays as it is. */
export interface LinkChange {
  readonly kind: 'link';
  readonly device: string;
  readonly up?: boolean;
  /** Bytes. */
  readonly mtu?: number;
  /** Packets. */
  readonly txQueueLength?: number;
}

/** A route. One that stands in its place (same network, metric, table) is put back by undo. */
export interface RouteChange {
  readonly kind: 'route';
  /** `10.0.0.0/8`, `::/1`, or one host's address. */
  readonly network: string;
  /** `unreachable` answers with an ICMP error, and needs neither `via` nor `device`. @default 'unicast' */
  readonly type?: 'unicast' | 'unreachable';
  readonly via?: string;
  readonly device?: string;
  /** @default 0 for IPv4, 1024 for IPv6, as the kernel has it */
  readonly metric?: number;
  /** @default 254, the main table */
  readonly table?: number;
}

/** A policy rule: packets that match look into `table`. */
export interface RuleChange {
  readonly kind: 'rule';
  readonly family: 4 | 6;
  readonly priority: number;
  readonly table: number;
  readonly from?: string;
  readonly to?: string;
  readonly mark?: number;
}

/** A whole nft table of family `inet`. It replaces one of the same name in one transaction; undo deletes it. */
export interface NftChange {
  readonly kind: 'nft';
  /** `culvert_` and a name of ours. */
  readonly table: string;
  /** What stands between the table's braces. */
  readonly body: string;
}

/** A kernel setting under /proc/sys/net. */
export interface SysctlChange {
  readonly kind: 'sysctl';
  /** With slashes, since device names may have dots: `net/ipv4/ip_forward`. */
  readonly key: string;
  readonly value: string;
}

/** Name servers for what goes through a device: by systemd-resolved where it serves this host, else in resolv.conf. */
export interface DnsChange {
  readonly kind: 'dns';
  readonly device: string;
  readonly servers: readonly string[];
  readonly search: readonly string[];
  /** All names are asked of these servers. Otherwise the host's own servers stay, after them. */
  readonly all: boolean;
}

export type HostChange = AddressChange | LinkChange | RouteChange | RuleChange | NftChange | SysctlChange | DnsChange;

/** A change, and what the host was like before it. */
export interface Step<Change, Before> {
  readonly change: Change;
  readonly before: Before;
}

/** What a kind of change can do. It works on several at once, since 1,000 routes are one command. */
export interface Kind<Change, Before> {
  /** Throws TypeError for a value that no host would take. */
  check(change: Change): void;
  /** For each change what undo needs (JSON), or undefined where the host is already as wanted. */
  before(changes: readonly Change[], tools: Tools): Promise<readonly (Before | undefined)[]>;
  make(steps: readonly Step<Change, Before>[], tools: Tools): Promise<void>;
  /** Undoes in the order given. What is gone already is well. For each step what went wrong, if anything. */
  undo(steps: readonly Step<Change, Before>[], tools: Tools): Promise<readonly (string | undefined)[]>;
}

export function checkDevice(name: string): void {
  if (!/^[A-Za-z0-9_.@-]{1,15}$/.test(name) || name === '.' || name === '..' || name.startsWith('-')) {
    throw new TypeError(`not a device name: ${JSON.stringify(name)}`);
  }
}

export function checkAddress(text: string): void {
  if (isIP(text) === 0 || text.includes('%')) throw new TypeError(`not an IP address: ${JSON.stringify(text)}`);
}

/** An address with or without a prefix. */
export function checkNetwork(text: string): void {
  const [address = '', prefix, ...rest] = text.split('/');
  checkAddress(address);
  const bits = address.includes(':') ? 128 : 32;
  if (rest.length > 0 || (prefix !== undefined && !(/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits))) {
    throw new TypeError(`not a network: ${JSON.stringify(text)}`);
  }
}

export function checkNumber(what: string, value: number | undefined, least: number, most: number): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= most)) {
    throw new TypeError(`${what} is ${value}; it lies between ${least} and ${most}`);
  }
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** An address as the kernel spells it. */
export function canonicalAddress(address: string): string {
  return familyOf(address) === 4 ? address : new SocketAddress({ address, family: 'ipv6' }).address;
}

/** A network as `ip route show` spells it: no prefix for one host, `default` for all. */
export function canonicalNetwork(network: string): string {
  const [address = '', prefixText] = network.split('/');
  const bits = familyOf(address) === 4 ? 32 : 128;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  if (prefix === 0) return 'default';
  return prefix === bits ? canonicalAddress(address) : `${canonicalAddress(address)}/${prefix}`;
}
