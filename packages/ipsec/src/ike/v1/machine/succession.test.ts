/** What a holder of the shared key can do to another one behind the same NAT (succession.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IkeWork, IkeWorkResult, OwnCertificate } from '@culvert/ipsec';
import { type Host, IkeBed, type Sent } from '../../../../test/ike-bed.ts';
import { phase1Offers, phase2Offers, windowsPeer } from '../../../../test/peers.ts';
import { type Part, ScriptedInitiator } from '../../../../test/scripted-initiator.ts';

const presharedKey = () => Buffer.from('secret');
const server = { address: '192.0.2.1', presharedKey };
const suite = { hash: 'sha1', keyBytes: 32, group: 'secp384r1' } as const;
const nat = '198.51.100.7';
const marker = Buffer.alloc(4);
const initialContact: Part = [11, Buffer.from([0, 0, 0, 1, 1, 0, 0x60, 0x02])];
const question: Part = [11, Buffer.from([0, 0, 0, 1, 1, 0, 0x8d, 0x28, 0, 0, 0, 1])];

/** The vendor id of RFC 3706, section 5.1. */
const deadPeerDetection = Buffer.from('afcad71368a1f1c96b8696fc77570100', 'hex');

/** Stands in for a certificate that all believe. */
const certificate: OwnCertificate = {
  chain: [new Uint8Array(100)],
  method: 'rsa-signature',
  subject: Uint8Array.of(0x30, 7),
  authorities: [Uint8Array.of(0x30, 9)],
};
const work = ({ kind }: IkeWork): IkeWorkResult => (kind === 'sign' ? new Uint8Array(256) : true);

interface Place {
  readonly address: string;
  readonly port: number;
  readonly local: number;
}

/** A gateway with one peer, 10.0.0.2 behind a NAT, and a neighbour of it that says it is the peer. */
class Neighbourhood {
  readonly bed = new IkeBed();
  readonly gateway: Host;
  readonly victim: Host;
  /** The victim's endpoint as the gateway sees it. */
  readonly there: Place;
  readonly here: Place = { address: nat, port: 61_000, local: 4500 };
  script = new ScriptedInitiator(suite, 'secret');

  constructor({ certificates = false } = {}) {
    const { bed } = this;
    const more = certificates ? { certificate, work } : {};
    this.gateway = bed.host({ ...server, ...more });
    this.victim = bed.host({ address: '10.0.0.2', nat, presharedKey, ...more });
    bed.connect(this.victim, this.gateway, certificates ? { authentication: 'certificate' } : {});
    assert.ok(bed.until(() => this.gateway.of('child-ready').length > 0, 5000));
    this.there = { ...this.gateway.one('child-created').path.remote, local: 4500 };
    bed.run(100);
  }

  /** Main mode up to our claim, which the gateway takes to come from `place`. */
  claim(
    place: Place,
    {
      identity = Buffer.from([1, 0, 0, 0, 10, 0, 0, 2]),
      more = [] as readonly Part[],
      vendorIds = windowsPeer.vendorIds,
    } = {},
  ): void {
    const { bed, gateway, script } = this;
    const ike = { address: nat, port: 60_999 };
    bed.inject(gateway, script.first(phase1Offers.windows, vendorIds), ike);
    script.takeSecond(this.last());
    bed.inject(gateway, script.third(20, { own: '10.0.0.3', ownPort: 500, server: server.address }), ike);
    script.takeFourth(this.last());
    this.say(script.fifth(identity, more), place);
    script.takeSixth(this.last().subarray(4));
  }

  makeChild(place: Place): void {
    this.say(this.script.quickFirst(1, phase2Offers.windows(4), []), place);
    this.script.takeQuickSecond(this.last().subarray(4));
    this.say(this.script.quickThird(1), place);
  }

  say(datagram: Buffer, place: Place): void {
    this.bed.inject(this.gateway, Buffer.concat([marker, datagram]), place);
  }

  last(): Buffer {
    return Buffer.from(this.bed.sent.at(-1)?.datagram ?? []);
  }

  assertUnharmed({ created = 1 } = {}): void {
    const { gateway } = this;
    assert.deepEqual([gateway.of('succeeded'), gateway.of('closed'), gateway.of('child-deleted')], [[], [], []]);
    const later = gateway.of('child-created').slice(1);
    assert.deepEqual(
      later.map(({ replaces }) => replaces),
      Array(created - 1).fill(undefined),
    );
    assert.equal(gateway.of('child-ready').length, created);
  }
}

const deleteVictims = ({ gateway }: Neighbourhood): Part => {
  const spi = gateway.of('child-created')[0]?.sa.outbound.spi ?? 0;
  return [12, Buffer.from(`0000000103040001${spi.toString(16).padStart(8, '0')}`, 'hex')];
};

test('a claim that seems to come from a neighbour’s endpoint takes, ends and moves nothing of it', () => {
  const n = new Neighbourhood();
  n.claim(n.there, { more: [initialContact] });
  n.say(n.script.informational(5, initialContact), n.there);
  n.say(n.script.informational(6, deleteVictims(n)), n.there);
  n.bed.run(10_000);
  n.assertUnharmed();
  assert.equal(n.gateway.of('moved').length, 0);
});

test('quick mode from elsewhere makes SAs of its own after such a claim, in no place of the neighbour’s', () => {
  const n = new Neighbourhood();
  n.claim(n.there, { more: [initialContact] });
  n.makeChild(n.here);
  n.say(n.script.informational(6, deleteVictims(n)), n.there);
  n.assertUnharmed({ created: 2 });
});

test('an answer that was lured elsewhere proves nothing about the endpoint', () => {
  const n = new Neighbourhood();
  n.claim(n.there);
  const first = n.script.quickFirst(1, phase2Offers.windows(4), []);
  n.say(first, n.there);
  assert.equal(n.bed.sent.at(-1)?.port, n.there.port);
  // The SA moves by a message of its own, and the answer is sent again.
  n.say(n.script.informational(5, question), n.here);
  n.say(first, n.here);
  assert.equal(n.bed.sent.at(-1)?.port, n.here.port);
  n.script.takeQuickSecond(n.last().subarray(4));
  n.say(n.script.quickThird(1), n.there);
  n.assertUnharmed({ created: 2 });
});

test('who sits where a peer was has nothing of it once it could be dead', () => {
  for (const silence of [50_000, 60_000]) {
    const n = new Neighbourhood();
    n.claim(n.here);
    n.makeChild(n.here);
    const { cookie, responderCookie } = n.script;
    const phase1 = Buffer.concat([Buffer.from('0000000101100001', 'hex'), cookie, responderCookie]);
    n.say(n.script.informational(9, [12, phase1]), n.here);
    n.bed.run(silence);
    n.script = new ScriptedInitiator(suite, 'secret');
    n.claim(n.here);
    n.makeChild(n.here);
    assert.equal(n.gateway.of('succeeded').length, silence < 55_000 ? 1 : 0);
  }
});

test('who made its own SAs seem to be where a neighbour is does not get the neighbour to go on with them', () => {
  const n = new Neighbourhood();
  const { path } = n.gateway.one('child-created');
  n.claim(n.here);
  n.makeChild(n.here);
  n.gateway.endpoint.handleTraffic(n.gateway.of('child-created')[1]?.child ?? 0, 1, n.bed.now, path);
  n.bed.connect(n.victim, n.gateway);
  assert.ok(n.bed.until(() => n.gateway.of('succeeded').length > 0, 5000));
  assert.deepEqual(n.gateway.one('succeeded').from, [n.gateway.of('established')[0]?.ikeSa]);
});

test('INITIAL-CONTACT from the proven endpoint ends what was there before, once and at the beginning alone', () => {
  for (const when of ['in main mode', 'after it', 'late'] as const) {
    const n = new Neighbourhood();
    n.claim(n.there, { more: when === 'in main mode' ? [initialContact] : [] });
    if (when === 'after it') n.say(n.script.informational(5, initialContact), n.there);
    n.say(n.script.quickFirst(1, phase2Offers.windows(4), []), n.there);
    n.script.takeQuickSecond(n.last().subarray(4));
    assert.equal(n.gateway.of('closed').length, 0, 'nothing is shown yet');
    n.say(n.script.quickThird(1), n.there);
    if (when === 'late') n.say(n.script.informational(5, initialContact), n.there);
    const ended = when === 'late' ? 0 : 1;
    assert.deepEqual([n.gateway.of('closed').length, n.gateway.of('child-deleted').length], [ended, ended], when);
    assert.equal(n.gateway.of('succeeded').length, 1 - ended);
  }
});

test('who was shown to hear elsewhere ends nothing by an INITIAL-CONTACT that seems to come from a neighbour’s endpoint', () => {
  const n = new Neighbourhood();
  n.claim(n.here);
  n.makeChild(n.here);
  const spi = n.gateway.of('child-created')[1]?.sa.outbound.spi ?? 0;
  const deletion = Buffer.from(`0000000103040001${spi.toString(16).padStart(8, '0')}`, 'hex');
  n.say(n.script.informational(6, [12, deletion]), n.here);
  assert.equal(n.gateway.of('child-deleted').length, 1, 'its own, so that it has none');
  n.say(n.script.informational(7, initialContact), n.there);
  assert.deepEqual([n.gateway.of('closed').length, n.gateway.of('child-deleted').length], [0, 1]);
});

test('a peer that moved is asked at its new place, so that its next phase 1 may go on', () => {
  const n = new Neighbourhood();
  n.claim(n.here, { vendorIds: [...windowsPeer.vendorIds, deadPeerDetection] });
  n.makeChild(n.here);
  const elsewhere = { ...n.here, port: 62_000 };
  const before = n.bed.sent.length;
  n.say(n.script.informational(5, question), elsewhere);
  const ports = n.bed.sent.slice(before).map(({ port }) => port);
  assert.deepEqual(ports, [elsewhere.port, elsewhere.port], 'its question is answered, and ours is asked');
});

test('what a certificate proved is not of who says the same name by the shared key', () => {
  const n = new Neighbourhood({ certificates: true });
  assert.equal(n.gateway.one('established').authentication, 'certificate');
  n.claim(n.there, { identity: Buffer.from([9, 0, 0, 0, 0x30, 7]) });
  n.makeChild(n.there);
  assert.deepEqual(n.gateway.of('established')[1]?.identity.data, n.gateway.of('established')[0]?.identity.data);
  n.assertUnharmed({ created: 2 });
});

test('who has a certificate goes on with what it had as soon as it proved it', () => {
  const n = new Neighbourhood({ certificates: true });
  n.bed.connect(n.victim, n.gateway, { authentication: 'certificate' });
  assert.ok(n.bed.until(() => n.gateway.of('established').length === 2, 5000));
  assert.deepEqual(n.gateway.one('succeeded').from, [n.gateway.of('established')[0]?.ikeSa]);
});

const exchanges = { main: 2, informational: 5, quick: 32 };

/** Without the marker of port 4500. */
function messageOf({ port, datagram }: Sent): Uint8Array {
  return datagram.subarray(port === 4500 ? 4 : 0);
}

function isOf(sent: Sent, from: string, exchange: keyof typeof exchanges): boolean {
  return sent.from === from && messageOf(sent)[18] === exchanges[exchange];
}

/** A client and its server, which takes itself for behind a NAT, so that it does not say that it starts anew when it dials. */
function joinedPair(lifetimes: { phase1Seconds?: number; phase2Seconds?: number } = {}) {
  const bed = new IkeBed();
  const host = bed.host({ ...server, lifetimes });
  const client = bed.host({ address: '198.51.100.2', presharedKey, lifetimes, forceEncapsulation: true });
  bed.connect(client, host);
  assert.ok(bed.until(() => host.of('child-ready').length > 0, 5000));
  return { bed, host, client, first: client.one('child-created').child, phase1: client.one('established').ikeSa };
}

/** The server deletes its first phase 1 alone, children aside. */
function deleteFirstPhase1(bed: IkeBed, host: Host): void {
  let informs = 0;
  bed.filter = (sent) => !isOf(sent, server.address, 'informational') || ++informs > 1;
  host.endpoint.close(host.of('established')[0]?.ikeSa ?? 0);
  bed.run(100);
  bed.filter = () => true;
}

test('a server that makes the next phase 1, and a pair by it, goes on with what its client began', () => {
  const { bed, host, client, first, phase1 } = joinedPair();
  bed.connect(host, client);
  bed.run(5000);
  assert.deepEqual(client.one('succeeded').from, [phase1]);
  assert.deepEqual(
    client.of('child-created').map(({ replaces }) => replaces),
    [undefined, first],
  );
  bed.run(60_000);
  assert.equal(client.endpoint.sizes.ikeSas, 1, 'the old one ends, if the server does not end it');
});

test('a server that makes the next phase 1 and nothing by it: the client renews it all in time', () => {
  const { bed, host, client, first, phase1 } = joinedPair({ phase1Seconds: 1000, phase2Seconds: 200 });
  bed.filter = (sent) => !isOf(sent, server.address, 'quick');
  bed.connect(host, client);
  assert.ok(bed.until(() => client.of('succeeded').length === 1, 5000));
  bed.run(50_000);
  deleteFirstPhase1(bed, host);
  assert.deepEqual([client.one('closed').ikeSa, client.endpoint.sizes.children], [phase1, 1]);
  assert.ok(bed.until(() => client.of('child-created').length === 2, 200_000));
  const [, second] = client.of('established');
  assert.equal(second?.role, 'responder');
  assert.deepEqual(
    [client.of('child-created')[1]?.replaces, client.of('child-created')[1]?.ikeSa],
    [first, second?.ikeSa],
  );
  assert.ok(bed.until(() => client.of('established').length === 3, 1_000_000));
  assert.equal(client.of('established')[2]?.role, 'initiator');
  assert.deepEqual(client.of('succeeded')[1]?.from, [second?.ikeSa]);
  bed.run(3_600_000);
  assert.ok(client.of('established').length > 5, 'and so on');
  assert.ok(client.of('child-deleted').every(({ by }) => by === 'us'));
});

test('both make the next phase 1 at a time, and one of them stays', () => {
  const { bed, host, client } = joinedPair({ phase1Seconds: 1000, phase2Seconds: 200 });
  const begun = () => bed.sent.filter((sent) => isOf(sent, client.options.address, 'main'));
  const before = begun().length;
  assert.ok(bed.until(() => begun().length > before, 1_000_000));
  // The client's takes longer than the server's.
  const cookie =
    begun()
      .map((sent) => Buffer.from(messageOf(sent).subarray(0, 8)))
      .at(-1) ?? assert.fail();
  bed.filter = (sent) => !cookie.equals(messageOf(sent).subarray(0, 8));
  bed.connect(host, client);
  assert.ok(bed.until(() => client.of('succeeded').length === 1, 5000));
  bed.filter = () => true;
  assert.ok(bed.until(() => client.of('succeeded').length === 2, 5000));
  const [, theirs, ours] = client.of('established');
  assert.deepEqual([theirs?.role, ours?.role], ['responder', 'initiator']);
  assert.deepEqual(client.of('succeeded')[1], { kind: 'succeeded', ikeSa: ours?.ikeSa, from: [theirs?.ikeSa] });
  bed.connect(host, client);
  assert.ok(
    bed.until(() => client.of('succeeded').length === 3, 5000),
    'main mode alone shows that the server hears',
  );
  bed.run(100_000);
  assert.equal(client.endpoint.sizes.ikeSas, 1);
});

test('a server that deletes phase 1 alone gets another one when keys are due', () => {
  const { bed, host, client, first, phase1 } = joinedPair({ phase2Seconds: 200 });
  const begun = bed.now;
  deleteFirstPhase1(bed, host);
  assert.deepEqual([client.one('closed').ikeSa, client.endpoint.sizes.children], [phase1, 1]);
  assert.ok(bed.until(() => client.of('child-created').length === 2, 200_000));
  assert.deepEqual(client.one('succeeded').from, [phase1]);
  assert.equal(client.of('child-created')[1]?.replaces, first);
  assert.ok(bed.now - begun < 181_000, 'at once, by the phase 1 that was made for it');
  const [id] = client.of('established').slice(-1);
  client.endpoint.close(id?.ikeSa ?? 0);
  const { length } = bed.sent;
  bed.run(10_000_000);
  assert.ok(bed.sent.length < length + 10, 'what was closed stays closed');
});

test('a server that deletes phase 1 before it makes the next one goes on all the same', () => {
  const { bed, host, client, first, phase1 } = joinedPair();
  deleteFirstPhase1(bed, host);
  assert.equal(client.one('closed').ikeSa, phase1);
  bed.connect(host, client);
  assert.ok(bed.until(() => client.of('child-created').length === 2, 5000));
  assert.deepEqual([client.one('succeeded').from, client.of('child-created')[1]?.replaces], [[phase1], first]);
});

test('a change of keys that waits for a server which left its phase 1 goes on by the server’s next one', () => {
  const { bed, host, client, first } = joinedPair();
  const cookie = (sent: Sent) => Buffer.from(messageOf(sent).subarray(0, 8)).toString('hex');
  const left = bed.sent.map(cookie)[0];
  bed.filter = (sent) => cookie(sent) !== left || !isOf(sent, client.options.address, 'quick');
  client.endpoint.renewChild(first, bed.now);
  bed.run(1000);
  const other = { network: '192.0.2.1/32', protocol: 17, port: 53 };
  bed.connect(host, client, { child: { mode: 'transport', local: other, remote: other } });
  bed.run(2000);
  const made = client.of('child-created').find(({ replaces }) => replaces === first);
  assert.equal(made?.ikeSa, client.of('established')[1]?.ikeSa);
  assert.equal(client.one('succeeded').ikeSa, made?.ikeSa);
});

test('a claim that seems to come from a client’s server takes and ends nothing of it', () => {
  const { bed, client } = joinedPair();
  const script = new ScriptedInitiator(suite, 'secret');
  const last = () => Buffer.from(bed.sent.at(-1)?.datagram ?? []);
  const there = { address: server.address, port: 500 };
  const say = (datagram: Buffer) => bed.inject(client, datagram, there);
  bed.filter = ({ from }) => from !== client.options.address;
  say(script.first(phase1Offers.windows, windowsPeer.vendorIds));
  script.takeSecond(last());
  say(script.third(20, { own: server.address, ownPort: 500, server: client.options.address }));
  script.takeFourth(last());
  say(script.fifth(Buffer.from([1, 0, 0, 0, 192, 0, 2, 1]), [initialContact]));
  assert.equal(client.of('established').length, 2);
  script.takeSixth(last());
  const spi = client.one('child-created').sa.outbound.spi.toString(16).padStart(8, '0');
  say(script.informational(5, initialContact));
  say(script.informational(6, [12, Buffer.from(`0000000103040001${spi}`, 'hex')]));
  bed.run(10_000);
  assert.deepEqual([client.of('succeeded'), client.of('closed'), client.of('child-deleted')], [[], [], []]);
});
