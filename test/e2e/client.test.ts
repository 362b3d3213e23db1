/** culvert against culvertd, end to end: what it changes on its host, and how it gives that back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labIsPossible } from '@culvert/testkit';
import { GATEWAY, networkOf, Office, officeAddress, reaches } from './office.ts';

const tools = ['ping', 'nft', 'sysctl'];

test('pushed name servers are used while the link is up; down leaves the host as it was', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({ push: 'dns: { servers: [10.77.0.2], search: [office.example] }' });
  const laptop = office.host('laptop');
  laptop.setResolvConf('nameserver 192.0.2.53\n');
  const before = await networkOf(laptop);
  await office.startGateway();
  const client = await office.connect(laptop, 'alice');
  assert.match(await laptop.exec('cat', ['/etc/resolv.conf']), /nameserver 10\.77\.0\.2/);
  await office.culvert(laptop, 'down', 'alice').succeeded();
  assert.equal((await client.exited).code, 0);
  assert.equal(await networkOf(laptop), before);
});

test('after kill -9, down undoes what the killed one left', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({
    push: 'dns: { servers: [10.77.0.2] }\nredirect: { ipv4: true, ipv6: false }',
  });
  const laptop = office.host('laptop');
  laptop.setResolvConf('nameserver 192.0.2.53\n');
  const before = await networkOf(laptop);
  await office.startGateway();
  const client = await office.connect(laptop, 'alice');
  await client.stop('SIGKILL');
  assert.notEqual(await networkOf(laptop), before, 'it left something');
  await office.culvert(laptop, 'down', 'alice').succeeded();
  assert.equal(await networkOf(laptop), before);
});

test('with redirect all traffic goes through the tunnel, save what carries it', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({ push: 'redirect: { ipv4: true, ipv6: false }' });
  const laptop = office.host('laptop');
  await office.startGateway();
  await office.connect(laptop, 'alice');
  assert.match(await laptop.ip('route get 203.0.113.7'), /dev tun0/);
  assert.match(await laptop.ip(`route get ${GATEWAY}`), /dev eth0/);
  await reaches(laptop, officeAddress.ipv4);
});

test('it tries every remote: where UDP goes nowhere it comes in over TCP', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({
    listen: '{ protocol: tcp, port: 443 }',
    remotes: ['192.0.2.77:1194:udp', `${GATEWAY}:443:tcp`],
  });
  await office.startGateway();
  const client = await office.startClient(office.host('laptop'), 'alice');
  await client.waitFor(/tunnel is up/);
  await reaches(office.host('laptop'), officeAddress.ipv4);
});

test('it comes back by itself after the wire was cut for longer than the keepalive', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open();
  const gateway = await office.startGateway();
  const client = await office.connect(office.host('laptop'), 'alice');
  const street = office.host('street');
  await street.ip('link set bridge down');
  await gateway.waitFor(/session ended .*lost/);
  await street.ip('link set bridge up');
  await reaches(office.host('laptop'), officeAddress.ipv4);
  assert.equal(client.end, undefined);
});
