/** Against pppd 2.4.9, in a guest, on a serial line: both roles. */
import { test } from 'node:test';
import { guestPrograms, Lab, labIsPossible } from '@culvert/testkit';
import { runCase } from './pppd/case.ts';
import { clientCases } from './pppd/client-cases.ts';
import { PppdGuest } from './pppd/pppd-guest.ts';
import { serverCases } from './pppd/server-cases.ts';

test('pppd on a serial line', async (t) => {
  if (!labIsPossible(t, [...guestPrograms, 'pppd', 'openssl'])) return;
  await using lab = new Lab();
  const peer = await PppdGuest.boot(lab);
  await t.test('pppd dials, our server answers', async (role) => {
    for (const one of serverCases) await role.test(one.name, (row) => runCase(row, peer, one));
  });
  await t.test('our client dials, pppd answers', async (role) => {
    for (const one of clientCases) await role.test(one.name, (row) => runCase(row, peer, one));
  });
  await peer.guest.end();
});
