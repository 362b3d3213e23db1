/** How long children and their phase 1 live where the two ends have different ideas of it, and by how much they carried. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, type HostOptions, IkeBed } from '../../../../test/ike-bed.ts';
import { hex } from '../../../../test/scripted-initiator.ts';
import { responderLifetime, shortestLife } from '../notification.ts';
import { ProtocolId } from '../security-association.ts';

const key = { presharedKey: () => Buffer.from('secret') };
const HOUR = 3_600_000;
const GIBIBYTE = 2 ** 30;
const tripleDes = {
  weak: true,
  esp: [{ encryption: '3des-cbc', keyBytes: 24, integrity: 'hmac-sha1-96' }],
} as const;

function joined(options: Partial<HostOptions> = {}, theirs = options): { bed: IkeBed; a: Host; b: Host } {
  const bed = new IkeBed();
  const a = bed.host({ ...key, ...options, address: '198.51.100.2' });
  const b = bed.host({ ...key, ...theirs, address: '192.0.2.1' });
  bed.connect(a, b);
  assert.ok(bed.until(() => a.of('child-ready').length > 0 && b.of('child-ready').length > 0, 10_000));
  return { bed, a, b };
}

test('blocks of eight bytes carry a gibibyte and get new keys; those of sixteen go on', () => {
  for (const [algorithms, renewed] of [
    [tripleDes, 1],
    [undefined, 0],
  ] as const) {
    const { bed, a } = joined({ algorithms });
    a.endpoint.handleSent(a.one('child-created').child, GIBIBYTE, bed.now);
    bed.run(5_000);
    assert.equal(a.of('child-created').length - 1, renewed);
  }
});

test('blocks of eight bytes end at two gibibytes one way, at whichever end, where no new keys come', () => {
  for (const end of ['a', 'b'] as const) {
    const pair = joined({ algorithms: tripleDes });
    const { bed, [end]: host } = pair;
    bed.filter = () => false;
    const { child } = host.one('child-created');
    host.endpoint.handleTraffic(child, 2 * GIBIBYTE - 1, bed.now);
    host.endpoint.handleSent(child, 2 * GIBIBYTE - 1, bed.now);
    assert.equal(host.of('child-deleted').length, 0);
    host.endpoint.handleTraffic(child, 1, bed.now);
    bed.run(1);
    assert.equal(host.one('child-deleted').by, 'expiry');
    assert.equal(host.spis.size, end === 'a' ? 1 : 0, 'that of the new keys that are under way');
  }
});

test('a peer that names no bytes may send as many as it likes by a cipher of large blocks', () => {
  const { bed, b } = joined();
  b.endpoint.handleTraffic(b.one('child-created').child, 2 ** 45, bed.now);
  bed.run(1_000);
  assert.equal(b.of('child-deleted').length, 0);
});

test('who asks for more than its responder keeps is told so, and makes new keys of children before', () => {
  const { bed, a, b } = joined({}, { lifetimes: { mostSeconds: 600 } });
  bed.run(HOUR);
  assert.ok(a.of('child-created').length >= 6, `${a.of('child-created').length}`);
  for (const host of [a, b]) assert.equal(host.of('child-deleted').filter(({ by }) => by === 'expiry').length, 0);
});

test('who asks for more of phase 1 than its responder keeps is told so, and makes the next before', () => {
  const { bed, a, b } = joined({}, { lifetimes: { mostSeconds: 600 } });
  bed.run(HOUR);
  assert.ok(a.of('established').length >= 6, `${a.of('established').length}`);
  assert.equal(b.of('closed').filter(({ code }) => code === 'expired').length, 0);
});

test('no life is longer than a day, whatever both want', () => {
  const lifetimes = { phase1Seconds: 172_800, phase2Seconds: 172_800 };
  const { bed, a } = joined({ lifetimes });
  bed.run(24 * HOUR);
  assert.equal(a.of('established').length, 2);
  assert.ok(a.of('child-created').length >= 2);
});

test('RESPONDER-LIFETIME is written as RFC 2407 has it, and of each unit the least counts', () => {
  const spi = hex('c0ffee01');
  const told = responderLifetime(ProtocolId.esp, spi, { seconds: 86_400, kilobytes: 1_000 });
  assert.equal(told.type, 11);
  const attributes = ['80010001', '000200040001 5180', '80010002', '800203e8'].join('').replaceAll(' ', '');
  assert.equal(Buffer.from(told.body).toString('hex'), `00000001 03 04 6000 c0ffee01`.replaceAll(' ', '') + attributes);
  const asked = { seconds: 3_600, kilobytes: 2_000 };
  assert.deepEqual(shortestLife([told], ProtocolId.esp, asked), { seconds: 3_600, kilobytes: 1_000 });
  assert.deepEqual(shortestLife([told], ProtocolId.isakmp, asked), asked, 'of another SA');
  const none = responderLifetime(ProtocolId.esp, spi, { seconds: 0 });
  assert.deepEqual(shortestLife([none], ProtocolId.esp, asked), asked, 'no life at all is none that could be kept');
  const cut = { ...told, body: told.body.subarray(0, told.body.length - 1) };
  assert.throws(() => shortestLife([cut], ProtocolId.esp, asked), { name: 'WireError' });
});
