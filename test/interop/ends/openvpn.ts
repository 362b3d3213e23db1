/** The real openvpn as either end. */
import type { Millis } from '@culvert/base';
import { type OpenvpnPeer, openvpnVersion, pem, startOpenvpn } from '@culvert/testkit';
import type { ClientEnd, End, Program, Reasons, Scenario } from '../end.ts';
import { gatewayAddress, password, type World } from '../world.ts';

/** Seconds within which a handshake must be done; short, so that a silent refusal does not take a minute. */
const HAND_WINDOW = 8;

/** All that a client sees of a version 2.6 server that does not like its certificate: silence over UDP, a closed stream over TCP. */
const handshakeFailed = /TLS Error: TLS (?:key negotiation|handshake) failed|Connection reset, restarting/;

const reasons: Reasons = {
  server: {
    foreign: /VERIFY ERROR: .*(?:unable to get local issuer certificate|self-signed)/,
    expired: /VERIFY ERROR: .*certificate has expired/,
    revoked: /VERIFY ERROR: .*certificate revoked/,
    'wrong-password': /Auth Username\/Password verification failed for peer/,
  },
  // Our server tells by a TLS alert.
  client: (server) => ({
    foreign: server === 'openvpn' ? handshakeFailed : /fatal SSL alert: unknown CA/,
    expired: server === 'openvpn' ? handshakeFailed : /fatal SSL alert: certificate expired/,
    revoked: server === 'openvpn' ? handshakeFailed : /fatal SSL alert: certificate revoked/,
    'wrong-password': /AUTH_FAILED/,
  }),
};

/** What its users recommend for throughput over UDP; the kernel here allows buffers of 4 MiB. */
export const fastSettings: readonly string[] = ['sndbuf 4194304', 'rcvbuf 4194304', 'fast-io', 'txqueuelen 1000'];

export const openvpn: Program = {
  name: 'openvpn',
  reasons,
  version: openvpnVersion,
  startServer: async (world, scenario) => {
    const peer = startOpenvpn(world.lab, world.gateway, { label: 'server', config: serverConfig(world, scenario) });
    await peer.up();
    return endOf(peer);
  },
  startClient: async (world, scenario) => {
    const peer = startOpenvpn(world.lab, world.client, { label: 'client', config: clientConfig(world, scenario) });
    return { ...endOf(peer), up: (within) => peer.up(within), refused: (within) => refused(peer, within) };
  },
  keyExchanges: (log) => [...log.matchAll(/Control Channel: TLSv1/g)].length,
};

function endOf(peer: OpenvpnPeer): End & Pick<ClientEnd, 'log'> {
  return {
    log: () => peer.log,
    stop: async (signal) => void (await peer.stop(signal)),
  };
}

/** Its configuration makes it exit at the first refusal. */
async function refused(peer: OpenvpnPeer, within: Millis): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`openvpn did not give up within ${within} ms`)), within);
  await Promise.race([peer.process.exited, late]).finally(() => clearTimeout(timer));
}

function serverConfig(world: World, { protocol, renegotiateAfter, password: shown, mtu, fast }: Scenario): string {
  const { ca, server, wrap, lab } = world;
  const lines = [
    'dev tun0',
    'dev-type tun',
    `proto ${protocol === 'tcp' ? 'tcp6-server' : 'udp6'}`,
    'port 1194',
    'topology subnet',
    'server 10.99.0.0 255.255.255.0',
    'server-ipv6 fd99::/64',
    'push "route 10.77.0.0 255.255.255.0"',
    'push "route-ipv6 fd77::/64"',
    'push "dhcp-option DNS 10.77.0.2"',
    'keepalive 1 6',
    `tun-mtu ${mtu}`,
    'dh none',
    `ca ${ca.certificate}`,
    `cert ${server.certificate}`,
    `key ${server.key}`,
    `crl-verify ${ca.crl}`,
    `tls-crypt-v2 ${wrap.server}`,
    'remote-cert-tls client',
    `hand-window ${HAND_WINDOW}`,
    'verb 3',
  ];
  if (protocol === 'udp') lines.push('explicit-exit-notify 1');
  if (fast) lines.push(...fastSettings);
  if (renegotiateAfter !== undefined) lines.push(`reneg-sec ${renegotiateAfter} ${renegotiateAfter}`);
  if (shown !== undefined) {
    const known = lab.write('password', `alice\n${password.right}\n`);
    const script = `${lab.folder}/check-password`;
    lab.writeProgram('check-password', `#!/bin/sh\nexec cmp -s "$1" ${known}\n`);
    lines.push('script-security 2', `auth-user-pass-verify ${script} via-file`);
  }
  return `${lines.join('\n')}\n`;
}

export function clientConfig(world: World, scenario: Scenario): string {
  const { protocol, outer, who, renegotiateAfter, password: shown, mtu, fast } = scenario;
  const identity = world.clients[who];
  const lines = [
    'client',
    'dev tun0',
    'dev-type tun',
    'nobind',
    `remote ${gatewayAddress[outer]} 1194 ${protocol}${outer === 6 ? '6' : ''}`,
    'remote-cert-tls server',
    'verify-x509-name vpn.example name',
    `hand-window ${HAND_WINDOW}`,
    'connect-retry 1 2',
    `tun-mtu ${mtu}`,
    'data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305',
    'verb 3',
    `<ca>\n${pem(world.ca.certificate)}\n</ca>`,
    `<cert>\n${pem(identity.certificate)}\n</cert>`,
    `<key>\n${pem(identity.key)}\n</key>`,
    `<tls-crypt-v2>\n${pem(world.wrap.client)}\n</tls-crypt-v2>`,
  ];
  if (protocol === 'udp') lines.push('explicit-exit-notify 1');
  if (fast) lines.push(...fastSettings);
  if (renegotiateAfter !== undefined) lines.push(`reneg-sec ${renegotiateAfter} ${renegotiateAfter}`);
  if (shown !== undefined) lines.push(`auth-user-pass ${world.lab.write('credentials', `alice\n${shown}\n`)}`);
  if (who !== 'good' || (shown !== undefined && shown !== password.right))
    lines.push('tls-exit', 'connect-retry-max 1');
  return `${lines.join('\n')}\n`;
}
