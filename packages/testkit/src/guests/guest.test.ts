import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lab } from '../namespaces/lab.ts';
import { labIsPossible } from '../namespaces/prerequisites.ts';
import { Guest, guestPrograms } from './guest.ts';

test('a guest boots, reaches its neighbour, runs commands, talks over its serial line, and ends', async (t) => {
  if (!labIsPossible(t, guestPrograms)) return;
  await using lab = new Lab();
  const [host, neighbour] = [await lab.createHost('guest'), await lab.createHost('neighbour')];
  await lab.joinHosts(host, neighbour, { addresses: [[], ['192.0.2.1/24']] });
  const guest = await Guest.boot(lab, host, {
    label: 'peer',
    addresses: ['192.0.2.2/24'],
    modules: [],
    role: 'ready "$GREETING"',
    variables: { GREETING: "it's up" },
    serial: true,
  });
  assert.equal(await guest.ready(), "it's up");
  assert.match(await guest.exec('ping -c1 -W5 192.0.2.1'), /1 received/);
  await assert.rejects(guest.exec('echo no; exit 7'), /exit code 7; its output:\nno/);
  // Open from here on: what arrives at a line that nobody holds open is lost.
  await guest.exec('exec 5<>/dev/ttyS0; stty raw -echo <&5; head -c 4 <&5 >/run/heard &');
  guest.serial.write('ping');
  assert.equal(await guest.exec('wait_for 200 test -s /run/heard; cat /run/heard'), 'ping');
  const answer = new Promise((resolve) => guest.serial.once('data', (bytes: Buffer) => resolve(bytes.toString())));
  await guest.exec('printf pong >/dev/ttyS0');
  assert.equal(await answer, 'pong');
  await guest.end();
});

test('a role that fails says why', async (t) => {
  if (!labIsPossible(t, guestPrograms)) return;
  await using lab = new Lab();
  const guest = await Guest.boot(lab, await lab.createHost('guest'), {
    label: 'peer',
    modules: [],
    role: 'failed "for the test"',
  });
  await assert.rejects(guest.ready(), /the guest peer failed: for the test/);
});
