/**
 * For which users a transport with PPP is: those of its groups, where the configuration names some. For the others nothing that the
 * transport needs is kept either: no NT hash.
 */
import type { GatewayConfig } from '@culvert/config';
import type { TransportName } from '@culvert/core';
import type { User } from '@culvert/store';

type Transports = Pick<GatewayConfig, 'transports'>;

/** A transport, as links and logs name it, and its section. */
const sections = { pptp: 'pptp', 'l2tp-ipsec': 'l2tpIpsec' } as const;

/** Why who has this record may not come in by `transport`; undefined: it may. */
export function barredFrom(
  transport: TransportName,
  record: Pick<User, 'groups'> | undefined,
  { transports }: Transports,
): string | undefined {
  if (!isPpp(transport)) return undefined;
  const { groups } = transports[sections[transport]];
  if (isOneOf(groups, record?.groups ?? [])) return undefined;
  return `is in none of the groups that may come in by ${transport} (transports.${sections[transport]}.groups: ${groups?.join(', ')})`;
}

/** Whether a transport is on that proves passwords by MS-CHAPv2. */
export function provesByMsChapV2({ transports }: Transports): boolean {
  return withMsChapV2(transports).length > 0;
}

/** Whether such a transport is on for users in these groups: then the store keeps an NT hash of each one's password. */
export function needsNtHash(groups: readonly string[], { transports }: Transports): boolean {
  return withMsChapV2(transports).some((section) => isOneOf(section.groups, groups));
}

function withMsChapV2({ pptp, l2tpIpsec }: GatewayConfig['transports']) {
  const isOn = l2tpIpsec.enabled && l2tpIpsec.authentication.includes('mschapv2');
  return [...(pptp.enabled ? [pptp] : []), ...(isOn ? [l2tpIpsec] : [])];
}

function isPpp(transport: TransportName): transport is keyof typeof sections {
  return Object.hasOwn(sections, transport);
}

/** @param wanted undefined: everybody is */
function isOneOf(wanted: readonly string[] | undefined, groups: readonly string[]): boolean {
  return wanted === undefined || wanted.some((group) => groups.includes(group));
}
