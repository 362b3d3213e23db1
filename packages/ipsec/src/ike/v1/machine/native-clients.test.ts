import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, IkeBed } from '../../../../test/ike-bed.ts';
import { phase1Offers, phase2Offers, windowsPeer } from '../../../../test/peers.ts';
import { bodyOf, hex, type Part, ScriptedInitiator, type ScriptedSuite } from '../../../../test/scripted-initiator.ts';

const server = '192.0.2.1';
const publicAddress = '198.51.100.7';
const privateAddress = '172.16.11.171';
const privateBytes = hex('ac100bab');
const serverBytes = hex('c0000201');

interface Client {
  readonly name: 'windows' | 'apple' | 'android';
  readonly vendorIds: readonly Uint8Array[];
  readonly quick: 'windows' | 'apple';
  readonly suite: ScriptedSuite;
  readonly identity: Buffer;
  readonly ids: readonly [Buffer, Buffer];
  readonly originals: readonly Part[];
  readonly integrityBytes: number;
  readonly espKeyBytes: number;
}

const original = (address: Buffer): Part => [21, Buffer.concat([hex('01000000'), address])];
/** RFC 3947, draft 02 and dead peer detection, of what racoon sends. */
const racoonVendorIds = [
  '4a131c81070358455c5728f20e95452f',
  '90cb80913ebb696e086381b5ec427b1f',
  'afcad71368a1f1c96b8696fc77570100',
].map(hex);
const clients: readonly Client[] = [
  {
    name: 'windows',
    vendorIds: windowsPeer.vendorIds,
    quick: 'windows',
    suite: { hash: 'sha1', keyBytes: 32, group: 'secp384r1' },
    identity: Buffer.concat([hex('01000000'), privateBytes]),
    ids: [Buffer.concat([hex('011106a5'), privateBytes]), Buffer.concat([hex('011106a5'), serverBytes])],
    originals: [original(privateBytes), original(serverBytes)],
    espKeyBytes: 16,
    integrityBytes: 20,
  },
  {
    name: 'apple',
    vendorIds: racoonVendorIds,
    quick: 'apple',
    suite: { hash: 'sha256', keyBytes: 32, group: 'modp14' },
    identity: Buffer.concat([hex('011101f4'), privateBytes]),
    ids: [Buffer.concat([hex('0111d1a3'), privateBytes]), Buffer.concat([hex('011106a5'), serverBytes])],
    originals: [original(privateBytes), original(serverBytes)],
    espKeyBytes: 32,
    integrityBytes: 32,
  },
  {
    name: 'android',
    vendorIds: racoonVendorIds,
    quick: 'apple',
    suite: { hash: 'sha256', keyBytes: 32, group: 'modp2' },
    identity: Buffer.concat([hex('01000000'), privateBytes]),
    ids: [Buffer.concat([hex('01110000'), privateBytes]), Buffer.concat([hex('011106a5'), serverBytes])],
    originals: [],
    espKeyBytes: 32,
    integrityBytes: 32,
  },
];

const marker = Buffer.alloc(4);

/** Main mode from behind a NAT, port 500 then 4500. */
function mainMode(bed: IkeBed, host: Host, client: Client, port: number): ScriptedInitiator {
  const peer = new ScriptedInitiator(client.suite, 'secret');
  const from500 = { address: publicAddress, port };
  const from4500 = { address: publicAddress, port: port + 1, local: 4500 };
  bed.inject(host, peer.first(phase1Offers[client.name], client.vendorIds), from500);
  const second = peer.takeSecond(last(bed));
  assert.deepEqual(second.filter(([type, body]) => type === 13 && body.length === 16 && body[0] === 0x4a).length, 1);
  bed.inject(host, peer.third(20, { own: privateAddress, ownPort: 500, server }), from500);
  const fourth = peer.takeFourth(last(bed));
  assert.deepEqual(
    fourth.filter(([type]) => type === 20).map(([, body]) => Buffer.from(body)),
    [peer.natHash(publicAddress, port), peer.natHash(server, 500)],
    'the peer as we see it, then ourselves',
  );
  bed.inject(host, Buffer.concat([marker, peer.fifth(client.identity)]), from4500);
  peer.takeSixth(last(bed).subarray(4));
  assert.deepEqual(bed.sent.at(-1)?.port, port + 1, 'the answer goes to the new port');
  return peer;
}

for (const client of clients) {
  test(`${client.name} behind a NAT: main mode, quick mode, rekeying, deletes`, () => {
    const bed = new IkeBed();
    const host = bed.host({ address: server, presharedKey: () => Buffer.from('secret'), algorithms: { weak: true } });
    const peer = mainMode(bed, host, client, 1025);
    const established = host.one('established');
    assert.deepEqual([established.localBehindNat, established.remoteBehindNat], [false, true]);
    const from = { address: publicAddress, port: 1026, local: 4500 };
    // Windows counts message ids from 1.
    for (const messageId of [1, 2]) {
      const ids = client.ids.map((body): Part => [5, body]);
      const first = peer.quickFirst(messageId, phase2Offers[client.quick](4), [...ids, ...client.originals]);
      bed.inject(host, Buffer.concat([marker, first]), from);
      const second = peer.takeQuickSecond(last(bed).subarray(4));
      const returned = second.filter(([type]) => type === 5).map(([, body]) => Buffer.from(body));
      assert.deepEqual(returned, client.ids, 'identifications go back byte for byte');
      const created = host.of('child-created').at(-1);
      assert.ok(created);
      assert.equal(host.of('child-ready').length, messageId - 1, 'not to send by before HASH(3)');
      const spi = bodyOf(second, 1).subarray(8 + 8, 8 + 8 + 4);
      const keys = peer.keymat(spi, client.espKeyBytes + client.integrityBytes);
      assert.deepEqual(Buffer.from(created.sa.inbound.encryptionKey), keys.subarray(0, client.espKeyBytes));
      assert.deepEqual(Buffer.from(created.sa.inbound.integrityKey), keys.subarray(client.espKeyBytes));
      assert.equal(created.sa.outbound.spi, 0xc0ffee01);
      assert.equal(created.sa.mode, 'transport');
      assert.ok(created.sa.udpEncapsulated);
      assert.deepEqual(created.sa.remote.network, `${publicAddress}/32`);
      assert.equal(created.sa.remote.port, client.ids[0].readUInt16BE(2));
      assert.equal(created.peerOriginal, client.originals.length > 0 ? privateAddress : undefined);
      bed.inject(host, Buffer.concat([marker, peer.quickThird(messageId)]), from);
      assert.equal(host.of('child-ready').length, messageId);
    }
    assert.equal(host.of('child-created')[1]?.replaces, host.of('child-created')[0]?.child);
    const deletes: Part[] = [
      [12, hex('00000001030400 01c0ffee01'.replaceAll(' ', ''))],
      [12, Buffer.concat([hex('0000000101100001'), peer.cookie, peer.responderCookie])],
    ];
    for (const [n, part] of deletes.entries())
      bed.inject(host, Buffer.concat([marker, peer.informational(77 + n, part)]), from);
    assert.equal(host.of('child-deleted').length, 2);
    assert.equal(host.one('closed').code, 'peer-deleted');
  });
}

for (const unit of ['seconds', 'kilobytes'] as const) {
  test(`a child of Windows that gets no new keys ends by the life in ${unit} that Windows offers, and some grace`, () => {
    const bed = new IkeBed();
    const host = bed.host({ address: server, presharedKey: () => Buffer.from('secret') });
    const [windows] = clients;
    assert.ok(windows);
    const peer = mainMode(bed, host, windows, 1025);
    const from = { address: publicAddress, port: 1026, local: 4500 };
    bed.inject(host, Buffer.concat([marker, peer.quickFirst(1, phase2Offers.windows(4), [])]), from);
    peer.takeQuickSecond(last(bed).subarray(4));
    bed.inject(host, Buffer.concat([marker, peer.quickThird(1)]), from);
    const { child } = host.one('child-ready');
    const life = 250_000 * 1024;
    if (unit === 'seconds') bed.run(3_600_000 - 1000);
    else {
      host.endpoint.handleTraffic(child, life, bed.now);
      host.endpoint.handleSent(child, 2 * life - 1, bed.now);
      bed.run(1000);
    }
    assert.equal(host.of('child-deleted').length, 0);
    if (unit === 'seconds') bed.run(60_000);
    else {
      host.endpoint.handleSent(child, 1, bed.now);
      bed.run(1);
    }
    assert.equal(host.one('child-deleted').by, 'expiry');
    const [[type, body] = [0, Buffer.alloc(0)]] = peer.openInformational(last(bed).subarray(4));
    assert.deepEqual([type, body.length], [12, 12], 'and Windows is told');
  });
}

test('a first message or a delete that comes a second time makes and ends nothing', () => {
  const bed = new IkeBed();
  const host = bed.host({ address: server, presharedKey: () => Buffer.from('secret') });
  const [windows] = clients;
  assert.ok(windows);
  const peer = mainMode(bed, host, windows, 1025);
  const from = { address: publicAddress, port: 1026, local: 4500 };
  const first = Buffer.concat([marker, peer.quickFirst(1, phase2Offers.windows(4), [])]);
  bed.inject(host, first, from);
  peer.takeQuickSecond(last(bed).subarray(4));
  bed.inject(host, Buffer.concat([marker, peer.quickThird(1)]), from);
  bed.run(120_000);
  const sent = bed.sent.length;
  bed.inject(host, first, { ...from, address: '203.0.113.66' });
  assert.equal(bed.sent.length, sent);
  host.one('child-created');
  assert.equal(host.of('moved').length, 0, 'nor does it move the peer to who replays it');
});

test('children outlive their phase 1, and the next one of the same peer deletes them', () => {
  const bed = new IkeBed();
  const host = bed.host({ address: server, presharedKey: () => Buffer.from('secret') });
  const [windows] = clients;
  assert.ok(windows);
  const from = { address: publicAddress, port: 1026, local: 4500 };
  const send = (datagram: Buffer) => bed.inject(host, Buffer.concat([marker, datagram]), from);
  const first = mainMode(bed, host, windows, 1025);
  send(first.quickFirst(1, phase2Offers.windows(4), []));
  first.takeQuickSecond(last(bed).subarray(4));
  send(first.quickThird(1));
  send(first.informational(9, [12, Buffer.concat([hex('0000000101100001'), first.cookie, first.responderCookie])]));
  assert.equal(host.one('closed').code, 'peer-deleted');
  assert.equal(host.of('child-deleted').length, 0);
  const stranger = mainMode(bed, host, windows, 2025);
  const del: Part = [12, hex('0000000103040001c0ffee01')];
  bed.inject(host, Buffer.concat([marker, stranger.informational(5, del)]), { ...from, port: 2026 });
  assert.equal(host.of('child-deleted').length, 0, 'a neighbour behind the same NAT is another peer');
  const second = mainMode(bed, host, windows, 1025);
  send(second.informational(5, del));
  assert.equal(host.of('child-deleted').length, 0, 'whether it hears there is not known yet');
  send(second.quickFirst(1, phase2Offers.windows(4), []));
  second.takeQuickSecond(last(bed).subarray(4));
  assert.equal(host.of('child-created').length, 1);
  send(second.quickThird(1));
  assert.deepEqual(host.one('succeeded').from, [host.of('established')[0]?.ikeSa]);
  assert.equal(host.of('child-created')[1]?.replaces, host.of('child-created')[0]?.child);
  send(second.informational(6, del));
  assert.equal(host.of('child-deleted').length, 2, 'the script gives each the same SPI');
});

test('a peer that deletes everything before it makes new SAs goes on with them', () => {
  const bed = new IkeBed();
  const host = bed.host({ address: server, presharedKey: () => Buffer.from('secret') });
  const [windows] = clients;
  assert.ok(windows);
  const from = { address: publicAddress, port: 1026, local: 4500 };
  const send = (datagram: Buffer) => bed.inject(host, Buffer.concat([marker, datagram]), from);
  for (const after of [0, 4000]) {
    const first = mainMode(bed, host, windows, 1025);
    send(first.quickFirst(1, phase2Offers.windows(4), []));
    first.takeQuickSecond(last(bed).subarray(4));
    send(first.quickThird(1));
    send(first.informational(8, [12, hex('0000000103040001c0ffee01')]));
    send(first.informational(9, [12, Buffer.concat([hex('0000000101100001'), first.cookie, first.responderCookie])]));
    assert.equal(Math.max(...Object.values(host.endpoint.sizes)), 0);
    bed.run(after);
  }
  mainMode(bed, host, windows, 1025);
  assert.equal(host.of('succeeded').length, 1, 'the second time, not the third');
});

test('what nobody signed changes nothing: notifications and deletes in the clear, and with a wrong hash', () => {
  const bed = new IkeBed();
  const host = bed.host({ address: server, presharedKey: () => Buffer.from('secret') });
  const [windows] = clients;
  assert.ok(windows);
  const peer = mainMode(bed, host, windows, 1025);
  const from = { address: publicAddress, port: 1026, local: 4500 };
  const clear = Buffer.concat([
    peer.cookie,
    peer.responderCookie,
    hex('0c100500000000050000003c'),
    hex('0000002000000001 0110 0001'.replaceAll(' ', '')),
    peer.cookie,
    peer.responderCookie,
    hex('00000000'),
  ]);
  bed.inject(host, Buffer.concat([marker, clear]), from);
  const sealed = peer.informational(9, [
    12,
    Buffer.concat([hex('0000000101100001'), peer.cookie, peer.responderCookie]),
  ]);
  for (let at = 28; at < sealed.length; at += 7) {
    const forged = Buffer.from(sealed);
    forged[at] = (forged[at] ?? 0) ^ 0x40;
    bed.inject(host, Buffer.concat([marker, forged]), from);
  }
  assert.equal(host.of('closed').length, 0);
  assert.ok(host.endpoint.stats.unauthenticated > 5);
  bed.inject(host, Buffer.concat([marker, sealed]), from);
  assert.equal(host.one('closed').code, 'peer-deleted');
});

function last(bed: IkeBed): Buffer {
  const sent = bed.sent.at(-1);
  assert.ok(sent);
  return Buffer.from(sent.datagram);
}
