import { isIPv6 } from 'node:net';
import type { OpenvpnRemote } from '@culvert/config';
import { UsageError } from '@culvert/terminal';

const DEFAULT_PORT = 1194;

/** `vpn.example.com`, `192.0.2.1:443:tcp`, `[2001:db8::1]:1194`. Throws UsageError. */
export function parseRemote(text: string): OpenvpnRemote {
  const [, bracketed, plain, portText, protocol = 'udp'] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?(?::(udp|tcp))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = portText === undefined ? DEFAULT_PORT : Number(portText);
  const valid =
    host !== undefined &&
    !host.startsWith('-') &&
    (bracketed === undefined || isIPv6(bracketed)) &&
    port >= 1 &&
    port <= 65_535;
  if (!valid) throw new UsageError(`--remote ${JSON.stringify(text)} is not HOST[:PORT[:udp|tcp]] (IPv6 in brackets)`);
  return { host, port, protocol: protocol === 'tcp' ? 'tcp' : 'udp', family: undefined };
}
