/** What a gateway changes on its host: forwarding between its device and the networks, and NAT. */
import { readdir, readFile } from 'node:fs/promises';
import { checkDevice, checkNetwork, familyOf, type HostChange, type NftChange } from './change.ts';

/**
 * Turns on forwarding of the IP versions named. IPv6 forwarding makes a device ignore router advertisements unless its accept_ra
 * is 2, and drops the routes learnt from them at once: so devices that listen to them (accept_ra=1) are set to 2 first.
 */
export async function forwardingChanges(families: {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}): Promise<HostChange[]> {
  const changes: HostChange[] = [];
  if (families.ipv4) changes.push({ kind: 'sysctl', key: 'net/ipv4/ip_forward', value: '1' });
  if (!families.ipv6) return changes;
  const directory = 'net/ipv6/conf';
  for (const device of await readdir(`/proc/sys/${directory}`)) {
    if (device === 'all' || device === 'lo') continue;
    const key = `${directory}/${device}/accept_ra`;
    const value = await readFile(`/proc/sys/${key}`, 'utf8').catch(() => '0');
    if (value.trim() === '1') changes.push({ kind: 'sysctl', key, value: '2' });
  }
  changes.push({ kind: 'sysctl', key: `${directory}/all/forwarding`, value: '1' });
  return changes;
}

/**
 * The nft table of a gateway. Packets from outside that claim an inner source are dropped. With `masquerade`, what leaves by
 * another device takes that device's address.
 */
export function gatewayTable(options: {
  /** Names the table: `culvert_NAME`. Letters, digits and `_`. */
  readonly name: string;
  /** The tunnel's device. */
  readonly device: string;
  /** The inner networks of both IP versions. */
  readonly networks: readonly string[];
  readonly masquerade: boolean;
}): NftChange {
  checkDevice(options.device);
  for (const network of options.networks) checkNetwork(network);
  const family = (network: string) => (familyOf(network) === 4 ? 'ip' : 'ip6');
  const guard = options.networks.map((net) => `    ${family(net)} saddr ${net} iifname != "${options.device}" drop`);
  const nat = options.networks.map(
    (net) => `    ${family(net)} saddr ${net} oifname != "${options.device}" masquerade`,
  );
  const forward = [
    '  chain forward {',
    '    type filter hook forward priority filter; policy accept;',
    ...guard,
    '  }',
  ];
  const postrouting = [
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    ...nat,
    '  }',
  ];
  const body = [...forward, ...(options.masquerade ? postrouting : [])].join('\n');
  return { kind: 'nft', table: `culvert_${options.name}`, body };
}
