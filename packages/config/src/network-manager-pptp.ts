/**
 * NetworkManager's keyfiles (.nmconnection) with a PPTP connection: parse and print.
 *
 * Keys are those of the plugin NetworkManager-pptp (shared/nm-service-defines.h), and `[culvert] accept-insecure`, which is ours.
 * What is printed is read back as it was.
 */
import { isIPv6 } from 'node:net';
import { printKeyfile } from './keyfile.ts';
import { readVpnNetwork, vpnNetworkGroups } from './network-manager-network.ts';
import { echoKeys, readEcho, readUser } from './network-manager-ppp.ts';
import { ConnectionReader } from './network-manager-reader.ts';
import type { PptpProfile } from './pptp-profile.ts';
import type { ParsedProfileOf } from './problem.ts';

const PPTP = 'org.freedesktop.NetworkManager.pptp';

/**
 * Parses a connection. Never throws for what the text holds.
 *
 * @param options.file its name, for problems
 */
export function parseNetworkManagerPptp(
  text: string,
  { file }: { readonly file: string },
): ParsedProfileOf<PptpProfile> {
  const from = new ConnectionReader(text, file);
  if (from.text('vpn', 'service-type') !== PPTP) from.report('vpn', 'service-type', PPTP);
  const server = from.need('gateway');
  if (isIPv6(server)) from.report('vpn', 'gateway', 'a name or an IPv4 address: PPTP has no other');
  if (from.isYes('refuse-mschapv2')) {
    from.report('vpn', 'refuse-mschapv2', 'no: MS-CHAPv2 is the only way to sign in that is spoken');
  }
  return from.result({
    name: from.text('connection', 'id') ?? server,
    server,
    username: readUser(from),
    domain: from.text('vpn', 'domain'),
    password: from.secret('password'),
    strengths: strengthsOf(from),
    stateful: from.isYes('mppe-stateful'),
    echo: readEcho(from),
    network: readVpnNetwork(from),
    acceptInsecure: from.isTrue('culvert', 'accept-insecure'),
  });
}

/** 40 bits only where the connection names them: encryption is required here in any case, and `require-mppe` says no more than that. */
function strengthsOf(from: ConnectionReader): PptpProfile['strengths'] {
  if (!from.isYes('require-mppe-40')) return [128];
  return from.isYes('require-mppe-128') ? [128, 40] : [40];
}

/** The connection's text, password included: for a file that root alone reads. */
export function printNetworkManagerPptp(profile: PptpProfile): string {
  const { name, server, username, domain, password, strengths, echo } = profile;
  const flag = (set: boolean) => (set ? 'yes' : undefined);
  return printKeyfile({
    connection: { id: name, type: 'vpn', autoconnect: 'false' },
    vpn: {
      'service-type': PPTP,
      gateway: server,
      user: username,
      domain,
      'refuse-eap': 'yes',
      'refuse-pap': 'yes',
      'refuse-chap': 'yes',
      'refuse-mschap': 'yes',
      'require-mppe': 'yes',
      'require-mppe-128': flag(strengths.includes(128)),
      'require-mppe-40': flag(strengths.includes(40)),
      'mppe-stateful': flag(profile.stateful),
      ...echoKeys(echo),
    },
    'vpn-secrets': { password },
    ...vpnNetworkGroups(profile.network),
    culvert: { 'accept-insecure': profile.acceptInsecure ? 'true' : undefined },
  });
}
