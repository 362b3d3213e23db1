import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
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

test('a command that comes while the role still works is run after it, though nothing else wakes the guest', async (t) => {
  if (!labIsPossible(t, guestPrograms)) return;
  await using lab = new Lab();
  const role = 'ready; wait_for 300 test -e /run/guest/command.0; wait_for 5 false; over=yes';
  const guest = await Guest.boot(lab, await lab.createHost('guest'), { label: 'peer', modules: [], role });
  await guest.ready();
  assert.equal(await guest.exec('echo $over', 30_000), 'yes\n');
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

/** Strings of all lengths are copied to memory that nobody has touched yet, by the C library, which takes the widest registers it may. */
const copies = `my $text = join '', map { chr(65 + $_ % 26) } 1 .. 700;
my ($wrong, @copies) = (0);
push @copies, substr $text, $_ % 90, 20 + $_ * 37 % 600 for 1 .. 40_000;
$wrong += $copies[$_ - 1] ne substr $text, $_ % 90, 20 + $_ * 37 % 600 for 1 .. 40_000;
print $wrong;`;

test('what is copied in a guest arrives whole, and by programs that are handed no environment where registers allow it', async (t) => {
  if (!labIsPossible(t, guestPrograms)) return;
  await using lab = new Lab();
  const guest = await Guest.boot(lab, await lab.createHost('guest'), { label: 'peer', modules: [], role: 'ready' });
  await guest.ready();
  const hasAmx = /^flags\b.*\bamx_tile\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
  for (const environment of ['', ...(hasAmx ? [] : ['env -i'])]) {
    assert.equal(await guest.exec(`cat >/run/copies.pl <<'X'\n${copies}\nX\n${environment} perl /run/copies.pl`), '0');
  }
});
