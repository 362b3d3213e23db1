/*
 *   client 192.0.2.2 ── 192.0.2.1 server        inside: 10.99.0.0/24
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lab } from '../namespaces/lab.ts';
import { labIsPossible } from '../namespaces/prerequisites.ts';
import { openvpnVersion, startOpenvpn, tlsCryptV2Keys } from './openvpn.ts';
import { pem, TestCa } from './test-ca.ts';

test('two real openvpn programs come up and ping, with certificates of the test CA', async (t) => {
  if (!labIsPossible(t, ['openvpn', 'openssl', 'ping'])) return;
  assert.match((await openvpnVersion()) ?? '', /^2\./);
  await using lab = new Lab();
  const ca = await TestCa.create(`${lab.folder}/ca`);
  const [server, alice] = [await ca.issue('vpn', { role: 'server' }), await ca.issue('alice', { role: 'client' })];
  const keys = await tlsCryptV2Keys(lab);
  const [clientHost, serverHost] = [await lab.createHost('client'), await lab.createHost('server')];
  await lab.joinHosts(clientHost, serverHost, { addresses: [['192.0.2.2/24'], ['192.0.2.1/24']] });
  const common = `dev tun\nverb 3\n<ca>\n${pem(ca.certificate)}\n</ca>\n`;
  const serving = startOpenvpn(lab, serverHost, {
    label: 'server',
    config: `${common}server 10.99.0.0 255.255.255.0\ntopology subnet\ndh none\nproto udp\nkeepalive 1 5\ncert ${server.certificate}\nkey ${server.key}\ntls-crypt-v2 ${keys.server}\ncrl-verify ${ca.crl}\n`,
  });
  await serving.up();
  const client = startOpenvpn(lab, clientHost, {
    label: 'client',
    config: `${common}client\nnobind\nremote 192.0.2.1 1194 udp\nremote-cert-tls server\ncert ${alice.certificate}\nkey ${alice.key}\ntls-crypt-v2 ${keys.client}\n`,
  });
  await client.up();
  await clientHost.exec('ping', ['-c', '2', '-i', '0.2', '-W', '5', '10.99.0.1']);
  assert.equal((await client.stop()).code, 0);
});
