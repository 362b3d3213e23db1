/** The programs without the native ciphers: everything works by their portable twins, slower. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type HostProcess, labIsPossible, missingForLab } from '@culvert/testkit';
import { GATEWAY, Office, officeAddress, reaches } from './office.ts';
import { serveTraffic, transfer } from './train-lab.ts';

const tools = ['ping', 'nft', 'sysctl'];
/** The gateway's inside. */
const INSIDE = '10.88.0.1';
const BYTES = 3_000_000;
const USER_PASSWORD = 'wallpaper engine';
const FILE_PASSWORD = 'opens it';
/** Of every program of the lab. */
const hide = `
const load = process.dlopen;
process.dlopen = (module, file, ...flags) => {
  if (file.endsWith('/cipher.node')) throw new Error('it is not there');
  return load.call(process, module, file, ...flags);
};`;

let office: Office;
let gateway: HostProcess;
before(async () => {
  if (missingForLab(tools).length > 0) return;
  process.env['NODE_OPTIONS'] = `--import=data:text/javascript,${encodeURIComponent(hide)}`;
  const server = 'ca: server/ca.crt, certificate: server/vpn.example.com.crt, privateKey: server/vpn.example.com.key';
  office = await Office.open({
    yaml: 'auth: { certificate: optional, password: optional }',
    transports: `l2tpIpsec: { enabled: true, certificate: { ${server} } }`,
  });
  office.lab.write('password', `${USER_PASSWORD}\n`);
  await office.culvertd('user', 'add', 'alice', '--password-file', join(office.lab.folder, 'password'));
  gateway = await office.startGateway();
  for (const label of ['office', 'gateway'] as const) await serveTraffic(office.host(label));
});
after(() => office?.[Symbol.asyncDispose]());

/** Both ways, checked by hash. */
async function carries(address: string): Promise<void> {
  const laptop = office.host('laptop');
  await reaches(laptop, address);
  for (const what of ['get', 'put'] as const) await transfer(laptop, what, address, BYTES);
}

test('OpenVPN carries, and both ends say that it is slower', async (t) => {
  if (!labIsPossible(t, tools)) return;
  const laptop = office.host('laptop');
  const client = await office.connect(laptop, 'alice');
  for (const address of [officeAddress.ipv4, officeAddress.ipv6]) await carries(address);
  for (const { output } of [client, gateway]) assert.match(output, /packets are protected without native code/);
  await office.culvert(laptop, 'down', 'alice').succeeded();
});

test('L2TP/IPsec with ECDSA certificates carries', async (t) => {
  if (!labIsPossible(t, tools)) return;
  const laptop = office.host('laptop');
  const { folder } = office.lab;
  const profile = join(folder, 'alice.mobileconfig');
  const opens = office.lab.write('opens', `${FILE_PASSWORD}\n`);
  const words = ['--password-file', opens, '--split-tunnel', '--out', profile];
  await office.ca('export', 'alice', '--format', 'mobileconfig', '--remote', GATEWAY, ...words);
  await office.culvert(laptop, 'import', profile, '--name', 'apple', '--passphrase-file', opens).succeeded();
  const up = office.culvert(laptop, 'up', 'apple', '--password-file', join(folder, 'password'));
  await up.waitFor('the tunnel is up');
  const { stdout } = await office.culvert(laptop, 'status', 'apple').succeeded();
  assert.match(stdout, /ecdsa-256/);
  await carries(INSIDE);
  await office.culvert(laptop, 'down', 'apple').succeeded();
});
