/** What the compliance suite does not ask of L2TP/IPsec: proofs and refusals, strangers, NAT, changes of keys, restarts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { enterFreshNamespace, eventually } from '@culvert/testkit';
import { carry, key, L2tpLab, rawPeer } from '../../test/l2tp-lab.ts';
import { gateway, laptop, stranger } from '../../test/pptp-lab.ts';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop, stranger]) {
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  }
}

test('both ends tell what they agreed on', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const client = await lab.dial();
  await carry(lab, client);
  for (const { facts } of [client.link, lab.peerOf(client).link]) {
    assert.match(facts['ike'] ?? '', /^aes256-sha2-256-ecp384 \(pre-shared-key\)$/);
    assert.equal(facts['esp'], 'aes256gcm16');
    assert.equal(facts['authentication'], 'mschapv2');
    assert.equal(facts['nat'], 'yes', 'encapsulation was forced');
  }
  assert.equal(lab.peerOf(client).link.facts['peer'], laptop);
});

test('a gateway with several addresses answers from the one that was asked', { skip }, async () => {
  for (const listen of [[{ address: gateway }, { address: stranger }], [{ address: undefined }]]) {
    await using lab = await L2tpLab.open({ listen, forceEncapsulation: false });
    assert.equal(lab.listener.endpoints.length, 2 * listen.length);
    for (const address of [gateway, stranger]) {
      for (const forceEncapsulation of [true, false]) {
        const client = await lab.dial({ remote: { address }, forceEncapsulation });
        assert.equal(lab.peerOf(client).link.path.local.address, address);
        await carry(lab, client);
      }
    }
  }
});

test('a wrong pre-shared key is refused, and both ends know why', { skip }, async () => {
  await using lab = await L2tpLab.open({ handshakeWindow: 3_000 });
  const proof = { kind: 'pre-shared-key', key: Buffer.from('guess') } as const;
  await assert.rejects(lab.dial({ proof }), {
    code: 'CULVERT_TRANSPORT_REFUSED',
    message: /pre-shared key probably differs/,
  });
  const trouble = lab.dialEvents.flatMap((event) => (event.kind === 'trouble' ? [event.reason] : []));
  assert.match(trouble.join(), /^the pre-shared key probably differs$/, 'before it was over');
  const refused = await eventually('the refusal', () => lab.events.find(({ kind }) => kind === 'refused'));
  assert.match(refused.kind === 'refused' ? refused.reason : '', /pre-shared key probably differs/);
  assert.equal(lab.admission.claims.length, 0);
});

test('the key is that of the longest network that the peer is in', { skip }, async () => {
  const wrong = Buffer.from('another');
  await using lab = await L2tpLab.open({
    presharedKeys: [
      { network: undefined, key: wrong },
      { network: '10.77.0.0/24', key: wrong },
      { network: '10.77.0.2/32', key },
    ],
  });
  await lab.dial();
  await assert.rejects(lab.dial({ localAddress: stranger }), { code: 'CULVERT_TRANSPORT_REFUSED' });
});

test('without a proposal in common the refusal has both offers side by side, at both ends', { skip }, async () => {
  await using lab = await L2tpLab.open({ presharedKeys: [] });
  await assert.rejects(lab.dial(), { code: 'CULVERT_TRANSPORT_REFUSED', message: /aes256-sha2-256-ecp384/ });
  const note = lab.events.find((event) => event.kind === 'note' && event.message === 'no proposal in common');
  assert.ok(note?.kind === 'note' && Array.isArray(note.fields['offered']) && Array.isArray(note.fields['accepted']));
  const refused = lab.events.find(({ kind }) => kind === 'refused');
  assert.match(
    refused?.kind === 'refused' ? refused.reason : '',
    /the peer offers aes256.*there is no key for this address/,
  );
});

test('where UDP 4500 is blocked both ends know', { skip }, async () => {
  await using lab = await L2tpLab.open({ handshakeWindow: 3_000 });
  const nowhere = createSocket('udp4').bind(0, gateway);
  await once(nowhere, 'listening');
  const ports = { ike: lab.ports.ike, natTraversal: nowhere.address().port };
  await assert.rejects(lab.dial({ ports }), /UDP 4500 does not get there/);
  const failed = await eventually('the failure', () => lab.events.find(({ kind }) => kind === 'failed'));
  assert.match(
    failed.kind === 'failed' ? failed.reason.detail : '',
    /what it sends to UDP 4500 probably does not get here/,
  );
  assert.equal(lab.listener.stats['ipsecTimeouts'], 1);
  nowhere.close();
});

test('a wrong password is refused, and the listener knows why', { skip }, async () => {
  await using lab = await L2tpLab.open();
  await assert.rejects(lab.dial({ password: 'guess' }), { code: 'CULVERT_TRANSPORT_REFUSED' });
  const refused = await eventually('the refusal', () => lab.events.find(({ kind }) => kind === 'refused'));
  assert.equal(refused.kind === 'refused' && refused.reason, 'wrong password');
});

test('PAP shows the password to admission where both ends allow it, and nowhere else', { skip }, async () => {
  await using lab = await L2tpLab.open({ authentication: ['pap'] });
  const client = await lab.dial({ authentication: ['mschapv2', 'pap'] });
  assert.equal(client.link.facts['authentication'], 'pap');
  assert.deepEqual(lab.admission.claims[0]?.password, { username: 'alice', password: 'secret' });
  await carry(lab, client);
  await assert.rejects(lab.dial(), /no way to authenticate itself that is allowed here/);
});

test('a peer that makes no call is let go', { skip }, async () => {
  await using lab = await L2tpLab.open({ handshakeWindow: 2_000 });
  const { peer, close } = await rawPeer(lab, 1_701);
  try {
    await eventually('it is there', () => lab.listener.stats['peers'] === 1);
    await eventually('it is gone', () => lab.listener.stats['peers'] === 0 && lab.listener.stats['handshakes'] === 0);
    assert.ok(lab.events.some((event) => event.kind === 'failed' && /no call over L2TP/.test(event.reason.detail)));
    await eventually('it was told', () => peer.chain.standing === 0);
  } finally {
    close();
  }
});

test('links are bounded', { skip }, async () => {
  await using lab = await L2tpLab.open({ maxLinks: 2 });
  const first = await lab.dial();
  await lab.dial();
  await assert.rejects(lab.dial(), /the peer hung up/);
  assert.equal(lab.listener.stats['linksFull'], 1);
  await first.link.close({ cause: 'operator', detail: 'enough' });
  await lab.dial();
});

test('handshakes are bounded, half of them a source', { skip }, async () => {
  await using lab = await L2tpLab.open({ maxHandshakes: 4 });
  const peers = [await rawPeer(lab, 1_701), await rawPeer(lab, 1_701)];
  try {
    const third = await rawPeer(lab, 1_701);
    await eventually('it is one too many', () => lab.listener.stats['handshakesFull'] === 1);
    await eventually('and told so', () => third.peer.chain.standing === 0);
    third.close();
    await lab.dial();
    assert.equal(lab.listener.stats['handshakes'], 2);
  } finally {
    for (const { close } of peers) close();
  }
});

test('a dial that cannot begin says why, and leaves nothing open', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const before = process.getActiveResourcesInfo().length;
  await assert.rejects(lab.dial({ remote: { address: 'vpn.example.org' } }), /"vpn.example.org" is no address/);
  const files = { certificate: 'none', privateKey: 'none', ca: 'none' };
  await assert.rejects(lab.dial({ proof: { kind: 'certificate', ...files } }), { name: 'TlsError' });
  await assert.rejects(lab.dial({ localAddress: '192.0.2.9' }), { name: 'NetioError' });
  await eventually('nothing is open', () => process.getActiveResourcesInfo().length <= before);
});

test('L2TP in the clear reaches nobody', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const socket = createSocket('udp4');
  try {
    socket.bind(0, stranger);
    const sccrq = Buffer.from('c8020014000000000000000080080000000000018008000000020100', 'hex');
    const { promise, resolve } = Promise.withResolvers<string>();
    socket.connect(1_701, gateway, () => socket.send(sccrq));
    socket.on('error', (error) => resolve('code' in error ? String(error.code) : 'error'));
    socket.on('message', () => resolve('an answer'));
    assert.equal(await promise, 'ECONNREFUSED', 'nobody listens there');
    await lab.dial();
  } finally {
    socket.close();
  }
});

test('the portable cipher talks to the native one', { skip }, async () => {
  await using lab = await L2tpLab.open({ cipherImplementation: 'portable' });
  await carry(lab, await lab.dial());
});
