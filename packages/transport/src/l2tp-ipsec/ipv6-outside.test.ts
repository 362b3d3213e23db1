/** IPsec over IPv6, in UDP and outside of it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { enterFreshNamespace, eventually } from '@culvert/testkit';
import { checksum, parseAddress } from '@culvert/wire';
import { carry, L2tpLab, rawPeer } from '../../test/l2tp-lab.ts';
import { Carrier } from './carrier.ts';
import type { IpsecPeer } from './peer.ts';

const gateway = 'fd77::1';
const laptop = 'fd77::2';
const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop])
    execFileSync('ip', ['address', 'add', `${address}/128`, 'dev', 'lo', 'nodad']);
}

for (const forceEncapsulation of [true, false]) {
  test(`a call over IPv6, ESP ${forceEncapsulation ? 'in UDP' : 'as protocol 50'}`, { skip }, async () => {
    await using lab = await L2tpLab.open({ listen: [{ address: gateway }], forceEncapsulation });
    const to = { remote: { address: gateway }, localAddress: laptop, forceEncapsulation };
    const client = await lab.dial({ ...to, lifetimes: { phase2Seconds: 3 } });
    assert.equal(client.link.facts['nat'], forceEncapsulation ? 'yes' : 'no');
    assert.equal(lab.peerOf(client).link.path.remote.address, laptop);
    assert.ok((client.link.unfragmented ?? 0) > 1_380 && (client.link.unfragmented ?? 0) < 1_410);
    while (!lab.events.some(({ kind }) => kind === 'rekeyed')) await carry(lab, client);
    await client.link.close({ cause: 'operator', detail: 'enough' });
    await eventually('the peer is gone', () => lab.listener.stats['peers'] === 0);
  });
}

/** Sends SCCRQ. The sum of the answer that comes, with the pseudo-header of what it says its addresses are: 0 where it is right. */
async function checksumOfAnswer(peer: IpsecPeer, heard: readonly Uint8Array[]): Promise<number> {
  const sccrq = 'c80200460000000000000000800800000000000180080000000201008009000000076170658008000000090007';
  const padded = Buffer.from(sccrq, 'hex');
  padded.writeUInt16BE(padded.length, 2);
  new Carrier(peer, { local: 1_701, remote: 1_701 }).sendMessage(padded);
  const udp = await eventually('an answer', () => heard[0]);
  assert.notEqual(Buffer.from(udp).readUInt16BE(6), 0);
  const bytes = Buffer.concat([
    parseAddress(gateway).bytes,
    parseAddress(laptop).bytes,
    Buffer.from([0, 0, udp.length >>> 8, udp.length & 0xff, 0, 0, 0, 17]),
    udp,
  ]);
  return checksum(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
}

test('UDP inside has a right checksum over IPv6: a kernel drops it without', { skip }, async () => {
  await using lab = await L2tpLab.open({ listen: [{ address: '::' }] });
  const { peer, heard, close } = await rawPeer(lab, 1_701, { from: laptop, to: gateway });
  try {
    assert.equal(await checksumOfAnswer(peer, heard), 0);
  } finally {
    close();
  }
});

test('behind a NAT of IPv6 the checksum is that of the address which the peer has itself', { skip }, async () => {
  await using lab = await L2tpLab.open({ listen: [{ address: gateway }] });
  const { relays } = await lab.wires();
  const [ike = 0, natTraversal = 0] = relays.map(({ endpoint }) => endpoint.port);
  const { peer, heard, close } = await rawPeer(lab, 1_701, { from: laptop, to: '::1', at: { ike, natTraversal } });
  try {
    assert.notEqual(lab.listener.stats['ikeEstablished'], 0);
    assert.equal(await checksumOfAnswer(peer, heard), 0);
  } finally {
    close();
  }
});
