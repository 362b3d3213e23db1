/** What a change of the users means for who is in: addresses kept, networks behind, sessions that must end. */
import type { CloseReason } from '@culvert/base';
import type { GatewayConfig } from '@culvert/config';
import type { User } from '@culvert/store';
import { contains, parseAddress, parseNetwork } from '@culvert/wire';
import { gatewayAddress } from './gateway-host.ts';
import type { Session } from './sessions.ts';

/** Address → user, for the pool; those that no link can have are told to `onMistake` and left out. */
export function staticAddresses(
  users: readonly User[],
  network: GatewayConfig['network'],
  onMistake: (sentence: string) => void,
): ReadonlyMap<string, string> {
  const addresses = new Map<string, string>();
  for (const { name, ipv4, ipv6 } of users) {
    for (const address of [ipv4, ipv6]) {
      if (address === undefined) continue;
      const mistake = addressMistake(address, network);
      if (mistake === undefined) addresses.set(address, name);
      else onMistake(`${name}: ${mistake}`);
    }
  }
  return addresses;
}

/** Why no link can have `address`; undefined when one can. Throws WireError for what is no address. */
export function addressMistake(address: string, network: GatewayConfig['network']): string | undefined {
  const parsed = parseAddress(address);
  const text = parsed.version === 4 ? network.ipv4 : network.ipv6;
  if (text === undefined) return `${address} has no network: there is no network.ipv${parsed.version}`;
  const inner = parseNetwork(text);
  if (!contains(inner, parsed)) return `${address} lies outside of network.ipv${parsed.version} (${text})`;
  if (address === gatewayAddress(text).address) return `${address} is the gateway's own`;
  const hostBits = hostPart(parsed.bytes, inner.prefix);
  const broadcast = parsed.version === 4 && hostBits.every((bit) => bit === 1);
  if (hostBits.every((bit) => bit === 0) || broadcast) return `${address} is no host's address in ${text}`;
  return undefined;
}

/** Networks behind users who may connect. */
export function networksBehind(users: readonly User[]): string[] {
  return users.filter(({ enabled }) => enabled).flatMap((user) => user.networksBehind);
}

/** Why a session must end now that its user's record is `record`; undefined when it goes on. */
export function mustEnd(
  session: Session,
  record: User | undefined,
  auth: GatewayConfig['auth'],
): CloseReason | undefined {
  const { user, groups, proofs } = session.principal;
  if (record?.enabled === false) return { cause: 'revoked', detail: `${user} was disabled` };
  if (record === undefined) {
    const unwelcome = auth.unlistedUsers === 'refuse' || proofs.includes('password') || groups.length > 0;
    return unwelcome ? { cause: 'revoked', detail: `${user} was removed` } : undefined;
  }
  const same = JSON.stringify([...groups].sort()) === JSON.stringify([...record.groups].sort());
  // A cause after which clients connect again: with the new groups.
  return same ? undefined : { cause: 'session-limit', detail: `the groups of ${user} changed` };
}

function hostPart(bytes: Uint8Array, prefix: number): number[] {
  const bits = [...bytes].flatMap((byte) => Array.from({ length: 8 }, (_, i) => (byte >> (7 - i)) & 1));
  return bits.slice(prefix);
}
