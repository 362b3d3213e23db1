import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransportName } from '@culvert/core';
import { ScriptedAdmission } from '@culvert/testkit';
import { Verdicts } from './verdict.ts';

const pap = { method: 'pap', username: 'alice', password: 'secret' } as const;

async function show(transport: TransportName) {
  const admission = new ScriptedAdmission();
  const remote = { address: '192.0.2.2', port: 1_024 };
  const verdicts = new Verdicts({ transport, admission, remote, peerInfo: new Map() });
  return { verdict: await verdicts.decide(pap), asked: admission.claims.length, why: verdicts.refusal };
}

test('a password in the clear is refused over PPTP before admission sees it, and taken inside IPsec', async () => {
  const { verdict, asked, why } = await show('pptp');
  assert.deepEqual([verdict?.kind, asked, why], ['refused', 0, 'pap is not allowed']);
  assert.equal((await show('openvpn')).verdict?.kind, 'refused', 'nor by a transport that has no PPP');
  const inside = await show('l2tp-ipsec');
  assert.deepEqual([inside.verdict?.kind, inside.asked], ['admitted', 1]);
});
