import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../eventually.ts';
import { Lab } from './lab.ts';
import { labIsPossible } from './prerequisites.ts';

const namespaces = () => readdirSync('/run/netns').filter((name) => name.startsWith(`cv-t${process.pid}-`));

test('two hosts that are joined reach each other over both IP versions, and nothing is left afterwards', async (t) => {
  if (!labIsPossible(t, ['ping'])) return;
  const lab = new Lab();
  try {
    const [client, server] = [await lab.createHost('client'), await lab.createHost('server')];
    await lab.joinHosts(client, server, {
      addresses: [
        ['192.0.2.1/24', 'fd01::1/64'],
        ['192.0.2.2/24', 'fd01::2/64'],
      ],
    });
    await client.exec('ping', ['-c', '1', '-W', '5', '192.0.2.2']);
    await client.exec('ping', ['-c', '1', '-W', '5', 'fd01::2']);
    await assert.rejects(client.exec('ping', ['-c', '1', '-W', '1', '192.0.2.9']), /exit code 1/);
  } finally {
    await lab.close();
  }
  assert.deepEqual(namespaces(), []);
  assert.ok(!existsSync(lab.folder));
});

test('a host has its own resolv.conf', async (t) => {
  if (!labIsPossible(t)) return;
  await using lab = new Lab();
  const host = await lab.createHost('client');
  host.setResolvConf('nameserver 192.0.2.53\n');
  assert.equal(await host.exec('cat', ['/etc/resolv.conf']), 'nameserver 192.0.2.53\n');
});

test('a process can be waited for, asked to end, and tells how it ended', async (t) => {
  if (!labIsPossible(t)) return;
  await using lab = new Lab();
  const host = await lab.createHost('client');
  const script = 'trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 0.05; done';
  const child = host.spawn('sh', ['-c', script]);
  await child.waitFor('ready');
  await assert.rejects(child.waitFor('never', 50), /did not say never within 50 ms/);
  assert.deepEqual(await child.stop(), { code: 3, signal: null });
  assert.equal(child.stdout, 'ready\nbye\n');
  await assert.rejects(host.spawn('sh', ['-c', 'echo oops >&2']).waitFor('fine'), /ended before it said fine.*oops/s);
});

test('the namespaces of a killed test run are removed when the next lab opens, with what runs in them', async (t) => {
  if (!labIsPossible(t)) return;
  const owner = spawn(process.execPath, [fileURLToPath(new URL('../../test/lab-to-kill.ts', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(owner.stdout.setEncoding('utf8'), 'data');
  const { name, pid } = JSON.parse(line);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  assert.ok(existsSync(`/run/netns/${name}`), 'it is left behind');
  await new Lab().close();
  assert.ok(!existsSync(`/run/netns/${name}`));
  assert.ok(!existsSync(`/etc/netns/${name}`));
  await eventually('its process is gone', () => !runs(pid));
});

/** A process that has ended but was not yet reaped has no command line. */
function runs(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}
