/** Authentication of L2TP's tunnels (RFC 2661, section 5.1.1) between our own ends, over real sockets. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { enterFreshNamespace, eventually } from '@culvert/testkit';
import { carry, L2tpLab } from '../../test/l2tp-lab.ts';
import { gateway, laptop } from '../../test/pptp-lab.ts';

const skip = enterFreshNamespace();
if (skip === false)
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);

const ours = Buffer.from('of both');
const another = Buffer.from('another');

for (const [name, listens, dials, client, host] of [
  ['the same', ours, ours, undefined, undefined],
  ['another', ours, another, /the tunnel secrets differ/, /the peer made no call|deleted|ended/],
  [
    'one that the dialler lacks',
    ours,
    undefined,
    /asks for tunnel authentication and no secret is set/,
    /ended|no call/,
  ],
  ['one that the listener lacks', undefined, ours, /ended the tunnel/, /asks for tunnel authentication and no secret/],
] as const) {
  test(`the tunnel's secret: ${name}`, { skip }, async () => {
    await using lab = await L2tpLab.open({ tunnelSecret: listens });
    if (client === undefined) {
      await carry(lab, await lab.dial({ tunnelSecret: dials }));
      return;
    }
    await assert.rejects(lab.dial({ tunnelSecret: dials }), client);
    const told = () => lab.events.find(({ kind }) => kind === 'failed' || kind === 'refused');
    const event = await eventually('the listener tells', told);
    const reason = event.kind === 'refused' ? event.reason : event.kind === 'failed' ? event.reason.detail : '';
    assert.match(reason, host);
    assert.doesNotMatch(JSON.stringify(lab.events), /of both|another/);
    assert.equal(lab.admission.claims.length, 0);
  });
}

test('a listener whose secret changes asks for the new one from then on', { skip }, async () => {
  let secret: Buffer | undefined = ours;
  const options = {
    get tunnelSecret() {
      return secret;
    },
  };
  await using lab = await L2tpLab.open(options);
  const before = await lab.dial({ tunnelSecret: ours });
  secret = another;
  await assert.rejects(lab.dial({ tunnelSecret: ours }));
  await carry(lab, await lab.dial({ tunnelSecret: another }));
  await carry(lab, before);
});
