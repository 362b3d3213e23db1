import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, IkeBed } from '../../../../test/ike-bed.ts';
import { phase2Offers, windowsPeer } from '../../../../test/peers.ts';
import { hex, type Part, ScriptedInitiator } from '../../../../test/scripted-initiator.ts';
import { type Phase1Suite, phase1Offer } from '../phase1-proposal.ts';
import { encodeSecurityAssociation } from '../security-association.ts';

const key = { presharedKey: () => Buffer.from('secret') };
const server = { ...key, address: '192.0.2.1' };
const client = { ...key, address: '198.51.100.2' };
const HOUR = 3_600_000;
const often = { idle: 10_000, interval: 10_000, questions: 5 };
const seldom = { idle: 24 * HOUR, interval: 24 * HOUR, questions: 1 };
const SECONDS = hex('800b0001');
const KILOBYTES = hex('800b0002');
const DURATION = hex('800c');

/** Makes the server's answer agree on so many of another unit, in its own octets: no hash of the server covers them. */
function answerWith(bed: IkeBed, unit: Buffer, duration: number): void {
  bed.filter = ({ from, datagram }) => {
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length);
    const at = from === server.address && datagram[18] === 2 ? bytes.indexOf(Buffer.concat([SECONDS, DURATION])) : -1;
    if (at >= 0) {
      bytes.set(unit, at);
      bytes.writeUInt16BE(duration, at + 6);
    }
    return true;
  };
}

function up(bed: IkeBed, a: Host, b: Host): void {
  bed.connect(a, b);
  assert.ok(bed.until(() => a.of('child-ready').length > 0 && b.of('child-ready').length > 0, 10_000));
}

test('an initiator renews a phase 1 before the kilobytes are over that its peer agreed on, and children go on', () => {
  const bed = new IkeBed();
  const [a, b] = [
    bed.host({ ...client, deadPeerDetection: often }),
    bed.host({ ...server, deadPeerDetection: seldom }),
  ];
  answerWith(bed, KILOBYTES, 8);
  up(bed, a, b);
  bed.run(60_000);
  assert.equal(a.of('established').length, 1);
  bed.run(2 * HOUR);
  const renewed = a.of('established').length - 1;
  assert.ok(renewed >= 3 && renewed <= 30, `${renewed} times in two hours of questions each ten seconds`);
  assert.deepEqual(
    [...new Set(a.of('child-deleted').map(({ by }) => by))],
    ['us'],
    'those that were renewed in their time',
  );
  for (const { endpoint } of [a, b]) assert.deepEqual([endpoint.sizes.ikeSas, endpoint.sizes.children], [1, 1]);
});

test('new keys that few kilobytes ask for are a minute apart at least', () => {
  const bed = new IkeBed();
  const [a, b] = [
    bed.host({ ...client, deadPeerDetection: often }),
    bed.host({ ...server, deadPeerDetection: seldom }),
  ];
  answerWith(bed, KILOBYTES, 1);
  up(bed, a, b);
  bed.run(HOUR / 2);
  const times = a.of('established').length;
  assert.ok(times > 5 && times <= 31, `${times}`);
});

test('a shorter life that the responder answers with counts', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host(server)];
  answerWith(bed, SECONDS, 1_000);
  up(bed, a, b);
  bed.run(1_000_000);
  assert.equal(a.of('established').length, 2);
});

test('a responder lets a peer go on for two minutes once its kilobytes are over, then ends phase 1 and no child', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, deadPeerDetection: seldom });
  const from = { address: client.address, port: 500 };
  const suite: Phase1Suite = {
    cipher: { name: 'aes-cbc', keyBytes: 32, blockBytes: 16 },
    hash: 'sha1',
    group: 'ecp384',
    authentication: 'pre-shared-key',
  };
  const offer = phase1Offer([suite], 28_800).map(({ transforms, ...proposal }) => {
    const life = [
      { type: 11, value: 2 },
      { type: 12, value: 4 },
    ];
    return {
      ...proposal,
      transforms: transforms.map((each) => ({ ...each, attributes: [...each.attributes, ...life] })),
    };
  });
  const peer = new ScriptedInitiator({ hash: 'sha1', keyBytes: 32, group: 'secp384r1' }, 'secret');
  const answer = (): Uint8Array => bed.sent.at(-1)?.datagram ?? Buffer.alloc(0);
  bed.inject(
    b,
    peer.first(encodeSecurityAssociation(offer), [...windowsPeer.vendorIds, hex('afcad71368a1f1c96b8696fc77570100')]),
    from,
  );
  peer.takeSecond(answer());
  bed.inject(b, peer.third(20, { own: client.address, ownPort: 500, server: server.address }), from);
  peer.takeFourth(answer());
  bed.inject(b, peer.fifth(hex('01000000c6336402')), from);
  peer.takeSixth(answer());
  const ids = ['011106a5c6336402', '011106a5c0000201'].map((body): Part => [5, hex(body)]);
  bed.inject(b, peer.quickFirst(1, phase2Offers.windows(2), ids), from);
  peer.takeQuickSecond(answer());
  bed.inject(b, peer.quickThird(1), from);
  assert.equal(b.of('child-ready').length, 1);
  const ask = (sequence: number) => {
    const cookies = Buffer.concat([peer.cookie, peer.responderCookie]);
    const body = Buffer.concat([hex('0000000101108d28'), cookies, Buffer.from([0, 0, 0, sequence])]);
    bed.inject(b, peer.informational(100 + sequence, [11, body]), from);
  };
  for (let n = 0; n < 10; n++) ask(n);
  bed.run(HOUR / 2);
  assert.equal(b.of('closed').length, 0, 'these were half of it');
  for (let n = 10; n < 30; n++) ask(n);
  bed.run(119_000);
  assert.equal(b.of('closed').length, 0);
  bed.run(2_000);
  assert.equal(b.one('closed').code, 'expired');
  assert.equal(b.of('child-deleted').length, 0);
});
