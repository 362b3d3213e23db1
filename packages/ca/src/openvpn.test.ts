/**
 * Certificates and profiles against the real openvpn, unmodified, at both ends of a loopback:
 *
 *   openvpn server (files of `issue server --out`)  ◄── 127.0.0.1 ──►  openvpn client (file of `export`)
 *
 * Both run in a network namespace of their own, with --dev null: no device, no route, no address of the host is touched.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { Lab, labIsPossible, OpenvpnPeer, startOpenvpn, type TestHost } from '@culvert/testkit';

const program = join(import.meta.dirname, '../bin/culvert-ca');
const PORT = 21_194;

const serverConfig = (wrap: string) => `dev null
dev-type tun
mode server
tls-server
topology subnet
ifconfig 10.8.0.1 255.255.255.0
ifconfig-noexec
ifconfig-pool 10.8.0.2 10.8.0.9
local 127.0.0.1
port ${PORT}
ca etc/ca.crt
cert etc/vpn.example.com.crt
key etc/vpn.example.com.key
crl-verify etc/crl.pem
${wrap}
dh none
keepalive 1 5
auth SHA256
remote-cert-tls client
verb 3
`;

/** Starts a client with an exported profile as it is; only what would touch a host is switched off. */
function connect(lab: Lab, host: TestHost, profile: string): OpenvpnPeer {
  const args = [
    '--config',
    profile,
    '--dev',
    'null',
    '--ifconfig-noexec',
    '--route-noexec',
    '--connect-retry-max',
    '1',
  ];
  return new OpenvpnPeer(host.spawn('openvpn', args, { cwd: lab.folder }));
}

for (const algorithm of ['ec-p256', 'rsa-3072']) {
  test(`openvpn connects to openvpn with an exported profile, and not with a revoked or misdirected one (${algorithm})`, async (t) => {
    if (!labIsPossible(t, ['openvpn'])) return;
    await using lab = new Lab();
    const host = await lab.createHost('ovpn');
    const run = (...args: string[]) =>
      execFileSync(program, [...args, '--dir', 'ca'], { cwd: lab.folder, encoding: 'utf8' });
    const remote = ['--remote', `127.0.0.1:${PORT}`];
    run('init', '--no-passphrase', '--algorithm', algorithm);
    run('issue', 'server', 'vpn.example.com', '--algorithm', algorithm, '--out', 'etc');
    for (const name of ['alice', 'bob']) run('issue', 'client', name, '--algorithm', algorithm);
    run('export', 'alice', ...remote);
    run('export', 'bob', ...remote);
    run('export', 'alice', ...remote, '--server', 'another.example.com', '--out', 'misdirected.ovpn');
    run('revoke', 'bob', '--out', 'etc/crl.pem');

    const server = startOpenvpn(lab, host, {
      config: serverConfig('tls-crypt-v2 etc/tls-crypt-v2-server.key'),
      label: 'server',
    });
    await server.up();
    const alice = connect(lab, host, 'alice.ovpn');
    await alice.up();
    assert.match(alice.log, /\[vpn\.example\.com\] Peer Connection Initiated/);
    await alice.stop();
    const bob = connect(lab, host, 'bob.ovpn');
    await server.process.waitFor('certificate revoked');
    await bob.stop();
    assert.ok(!bob.log.includes('Initialization Sequence Completed'));
    const misdirected = connect(lab, host, 'misdirected.ovpn');
    await misdirected.process.waitFor('VERIFY X509NAME ERROR');
    await misdirected.stop();
    await server.stop();
  });
}
