/** What the roles of guests take for the state of a peer, where a wrong guess fails a test of something else. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Guest, guestPrograms, Lab, labIsPossible } from '@culvert/testkit';

test('a caller of PPP: its device is up, or free, by what the kernel says, and its pppd has ended when it has', async (t) => {
  if (!labIsPossible(t, guestPrograms)) return;
  await using lab = new Lab();
  const guest = await Guest.boot(lab, await lab.createHost('guest'), {
    label: 'caller',
    modules: ['ipv6', 'dummy'],
    role: `${readFileSync(new URL('ppp/caller-role.sh', import.meta.url), 'utf8')}ready`,
  });
  await guest.ready();
  const says = async (command: string) => (await guest.exec(`if ${command}; then echo yes; fi`)) === 'yes\n';

  assert.ok(await says('is_free 7'));
  await guest.exec('ip link add ppp7 type dummy && ip link set ppp7 up');
  assert.ok(!(await says('is_free 7')));
  await guest.exec('ip address add fd99::2/64 dev ppp7 nodad');
  assert.ok(!(await says('is_up 7')));
  await guest.exec('ip address add 10.99.0.2 peer 10.99.0.1 dev ppp7');
  assert.ok(await says('is_up 7'));
  assert.ok(!(await says('is_up 8 2>/dev/null')));

  assert.ok(await says('true & wait_for 50 has_ended $!'), 'nobody has asked for its end');
  assert.ok(await says('has_ended 99999'));
  assert.ok(!(await says('sleep 5 & has_ended $!')));
  // A kernel thread has no command line, as a process has none while it becomes another program.
  assert.ok(!(await says('has_ended 2')));
});
