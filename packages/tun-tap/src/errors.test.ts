import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enterFreshNamespace, runChild } from '@culvert/testkit';
import { sentences } from './errors.ts';
import { createBatch, openTun, type TunError } from './index.ts';

const entry = new URL('./index.ts', import.meta.url);

const skip = enterFreshNamespace();

const openAndTell = `try { subject.openTun(); } catch (error) { console.log(error.code + '\\n' + error.message + '\\n' + error.cause.code); }`;

test('without /dev/net/tun the error says how to get it', { skip }, async () => {
  const hidden = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh'];
  const { output } = await runChild(entry, openAndTell, hidden);
  assert.equal(output, `CULVERT_TUN_NO_DEVICE\n${sentences.CULVERT_TUN_NO_DEVICE}\nENOENT`);
});

test('without CAP_NET_ADMIN the error names the capability', { skip }, async () => {
  const { output } = await runChild(entry, openAndTell, [
    'setpriv',
    '--bounding-set',
    '-net_admin',
    '--inh-caps',
    '-net_admin',
  ]);
  assert.equal(output, `CULVERT_TUN_PERMISSION\n${sentences.CULVERT_TUN_PERMISSION}: a new device\nEPERM`);
});

test('a /dev/net/tun that is closed to us is told from a missing capability', { skip }, async () => {
  const closed =
    'mount -t tmpfs none /dev/net && mknod -m 600 /dev/net/tun c 10 200 && chown 1:1 /dev/net/tun && exec "$@"';
  const confined = ['setpriv', '--bounding-set', '-dac_override', '--inh-caps', '-dac_override'];
  const { output } = await runChild(entry, openAndTell, ['unshare', '-m', 'sh', '-c', closed, 'sh', ...confined]);
  assert.match(output, /^CULVERT_TUN_PERMISSION\n.*closed to this user \(chmod 666 \/dev\/net\/tun\)\nEACCES$/);
});

test('a name that another program has open is taken', { skip }, () => {
  using first = openTun({ name: 'mine' });
  assert.throws(
    () => openTun({ name: first.name }),
    (error: TunError) => error.code === 'CULVERT_TUN_NAME_TAKEN' && error.message.includes('"mine"'),
  );
});

test('an interface of another kind is not opened', { skip }, () => {
  assert.throws(() => openTun({ name: 'lo' }), { code: 'CULVERT_TUN_NAME_KIND' });
  openTun({ name: 'tapped', mode: 'tap', persist: true }).close();
  assert.throws(() => openTun({ name: 'tapped', mode: 'tun' }), { code: 'CULVERT_TUN_NAME_KIND' });
});

test('names that the kernel would refuse, cut or change are refused here', () => {
  assert.throws(() => openTun({ name: 'sixteen-letters-' }), { code: 'CULVERT_TUN_NAME_LENGTH' });
  assert.throws(() => openTun({ name: 'zwölf-und-vier' + 'ü' }), { code: 'CULVERT_TUN_NAME_LENGTH' });
  for (const name of ['.', '..', 'a/b', 'a b', 'a:1', 'a%', 'a%s', 'a%d%d', 'a\u0000b', 'a\n']) {
    assert.throws(() => openTun({ name }), { code: 'CULVERT_TUN_NAME_INVALID' }, JSON.stringify(name));
  }
  assert.throws(() => openTun({ name: 7 as unknown as string }), TypeError);
  assert.throws(() => openTun({ mode: 'tunnel' as 'tun' }), TypeError);
});

test('every call on a closed device says that it is closed', { skip }, () => {
  const device = openTun({ multiQueue: true });
  device.close();
  device.close();
  assert.equal(device.closed, true);
  const batch = createBatch(1, 65_536);
  const calls = [
    () => device.readBatch(batch),
    () => device.writeBatch(batch),
    () => device.onReadable(() => undefined),
    () => device.onReadable(undefined),
    () => device.addQueue(),
    () => device.mtu,
    () => device.setMtu(1_400),
    () => device.setUp(),
    () => device.setDown(),
    () => device.setPersist(true),
    () => device.setOffloads([]),
  ];
  for (const call of calls) assert.throws(call, { code: 'CULVERT_TUN_CLOSED' }, String(call));
});
