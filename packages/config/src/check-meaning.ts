/** What the shape of a value cannot tell: networks that fit each other, limits that make sense together. */
import { contains, formatNetwork, type IpNetwork, parseAddress, parseNetwork } from '@culvert/wire';
import { checkL2tpIpsec } from './check-l2tp-ipsec.ts';
import { doubt, type Finding, mistake } from './finding.ts';
import type { GatewayConfig } from './gateway-schema.ts';
import type { KeyPath } from './yaml-source.ts';

export function checkMeaning(config: GatewayConfig): Finding[] {
  return [
    ...checkNetwork(config),
    ...checkRoutes(config),
    ...checkRedirect(config),
    ...checkNameServers(config),
    ...checkAuth(config),
    ...checkKeepalive(config),
    ...checkListen(config),
    ...checkPptp(config),
    ...checkL2tpIpsec(config),
  ];
}

/** The largest networks that a pool of addresses is worth: below, no room for a gateway and a link. */
const maxPrefix = { ipv4: 30, ipv6: 126 } as const;

function checkNetwork({ network }: GatewayConfig): Finding[] {
  const findings: Finding[] = [];
  if (network.ipv4 === undefined && network.ipv6 === undefined) {
    findings.push(mistake(['network', 'ipv4'], 'nothing', 'an inner network: ipv4, ipv6 or both'));
  }
  for (const key of ['ipv4', 'ipv6'] as const) {
    const text = network[key];
    if (text === undefined) continue;
    if (parseNetwork(text).prefix > maxPrefix[key]) {
      findings.push(mistake(['network', key], `"${text}"`, `a network of /${maxPrefix[key]} or larger`));
    }
    if (!special(text).unicast) findings.push(mistake(['network', key], `"${text}"`, 'a network of unicast addresses'));
  }
  if (network.ipv6 !== undefined && network.mtu < 1280) {
    findings.push(mistake(['network', 'mtu'], String(network.mtu), 'at least 1280, as IPv6 wants'));
  }
  return findings;
}

function checkRoutes({ network, push }: GatewayConfig): Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, number>();
  for (const [i, route] of push.routes.entries()) {
    const path: KeyPath = ['push', 'routes', i];
    const parsed = parseNetwork(route);
    const ours = ownNetwork(network, parsed);
    if (ours === undefined) {
      findings.push(
        mistake(
          path,
          `"${route}"`,
          `network.ipv${parsed.address.version} as well: links have no address for this route`,
        ),
      );
    } else if (covers(ours, parsed)) {
      findings.push(
        doubt(path, `"${route}"`, `no route inside the inner network ${formatNetwork(ours)}: links have it anyway`),
      );
    }
    if (!special(route).unicast) findings.push(mistake(path, `"${route}"`, 'a network of unicast addresses'));
    const earlier = seen.get(route);
    if (earlier !== undefined)
      findings.push(doubt(path, `"${route}"`, `each route once; it is push.routes[${earlier}] too`));
    seen.set(route, earlier ?? i);
  }
  return findings;
}

function checkRedirect({ network, push }: GatewayConfig): Finding[] {
  return (['ipv4', 'ipv6'] as const)
    .filter((version) => push.redirect[version] && network[version] === undefined)
    .map((version) => mistake(['push', 'redirect', version], 'true', `false, or network.${version} as well`));
}

function checkNameServers({ network, push }: GatewayConfig): Finding[] {
  const reachable = [...push.routes, network.ipv4, network.ipv6].filter((text) => text !== undefined).map(parseNetwork);
  return push.dns.servers.flatMap((text, i) => {
    const server = parseAddress(text);
    const redirected = push.redirect[server.version === 4 ? 'ipv4' : 'ipv6'];
    if (redirected || reachable.some((each) => contains(each, server))) return [];
    return [
      doubt(
        ['push', 'dns', 'servers', i],
        `"${text}"`,
        'a name server inside the pushed networks: links ask this one outside of the tunnel',
      ),
    ];
  });
}

function checkAuth({ auth }: GatewayConfig): Finding[] {
  if (auth.certificate !== 'none' || auth.password !== 'none') return [];
  return [
    mistake(['auth', 'certificate'], '"none"', 'required or optional here or in auth.password: nobody could come in'),
  ];
}

function checkKeepalive({ keepalive }: GatewayConfig): Finding[] {
  if (keepalive.timeout >= 2 * keepalive.interval) return [];
  const least = `at least twice the interval (${(2 * keepalive.interval) / 1000}s)`;
  return [mistake(['keepalive', 'timeout'], `${keepalive.timeout / 1000}s`, least)];
}

function checkListen({ transports }: GatewayConfig): Finding[] {
  const seen: { readonly key: string; readonly address: string | undefined; readonly index: number }[] = [];
  const findings: Finding[] = [];
  for (const [index, { protocol, port, address }] of transports.openvpn.listen.entries()) {
    const key = `${protocol} port ${port}`;
    const taken = seen.find(
      (other) =>
        other.key === key && (other.address === undefined || address === undefined || other.address === address),
    );
    if (taken !== undefined) {
      findings.push(
        mistake(
          ['transports', 'openvpn', 'listen', index],
          key,
          `a port that listen[${taken.index}] does not take already`,
        ),
      );
    }
    seen.push({ key, address, index });
  }
  return findings;
}

function checkPptp({ auth, network, transports: { pptp } }: GatewayConfig): Finding[] {
  if (!pptp.enabled) return [];
  const findings: Finding[] = [];
  if (!pptp.acceptInsecure) {
    findings.push(
      mistake(
        ['transports', 'pptp', 'enabled'],
        'true',
        'false, or acceptInsecure: true beside it: PPTP keeps no secret from whoever records it (docs/pptp.md)',
      ),
    );
  }
  const [weak] = pptp.strengths.filter((strength) => strength < 128);
  if (weak !== undefined) {
    findings.push(
      doubt(['transports', 'pptp', 'strengths'], String(weak), '128 alone: shorter keys are read within hours'),
    );
  }
  if (pptp.stateful) {
    findings.push(
      doubt(['transports', 'pptp', 'stateful'], 'true', 'false: a key for 256 packets is weaker still, and slow'),
    );
  }
  for (const [key, wrong, right] of [
    ['certificate', 'required', 'optional or none'],
    ['password', 'none', 'required or optional'],
  ] as const) {
    if (auth[key] === wrong) {
      findings.push(mistake(['auth', key], `"${wrong}"`, `${right}: PPTP's clients have a password and nothing else`));
    }
  }
  if (network.threads > 1) {
    findings.push(mistake(['network', 'threads'], String(network.threads), '1: PPTP is carried by one thread'));
  }
  const everywhere = '0.0.0.0';
  const addresses = pptp.listen.map(({ address }) => address ?? everywhere);
  for (const [i, address] of addresses.entries()) {
    const first = addresses.findIndex((other) => other === address || [other, address].includes(everywhere));
    if (first >= i) continue;
    const right = `an address that listen[${first}] does not take already`;
    findings.push(mistake(['transports', 'pptp', 'listen', i], pptp.listen[i]?.address ?? 'every address', right));
  }
  return findings;
}

function ownNetwork(network: GatewayConfig['network'], other: IpNetwork): IpNetwork | undefined {
  const text = other.address.version === 4 ? network.ipv4 : network.ipv6;
  return text === undefined ? undefined : parseNetwork(text);
}

function covers(outer: IpNetwork, inner: IpNetwork): boolean {
  return outer.prefix <= inner.prefix && contains(outer, inner.address);
}

const notUnicast = [
  '127.0.0.0/8',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '169.254.0.0/16',
  '::1/128',
  'fe80::/10',
  'ff00::/8',
].map(parseNetwork);

function special(text: string): { readonly unicast: boolean } {
  const parsed = parseNetwork(text);
  return { unicast: !notUnicast.some((each) => covers(each, parsed)) };
}
