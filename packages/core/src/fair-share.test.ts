/** Links that share a device's queue, in virtual time: the queue is first come first served, the rule decides who loses. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Instant } from '@culvert/base';
import { forge } from '../test/forged-packets.ts';
import { batchOf, Office, type StubLink } from '../test/office.ts';
import { FairShare, PATIENCE, ShareUse } from './fair-share.ts';
import { Handed } from './index.ts';

const server = '192.168.10.5';
const everything = { filter: { rules: [{ action: 'allow', direction: 'fromOffice' }], default: 'allow' } } as const;
/** Packets that one read takes. */
const BATCH = 128;

/** `flood` is what part of the office's packets goes to link 1; the others share the rest. */
function overload(options: { readonly links: number; readonly flood: number; readonly rounds: number }) {
  const office = new Office(everything);
  const links = Array.from({ length: options.links }, () => office.connect());
  const sent = links.map(() => 0);
  let n = 0;
  for (let round = 0; round < options.rounds; round++) {
    const packets: Uint8Array[] = [];
    for (let i = 0; i < BATCH; i++) {
      const to = i < BATCH * options.flood ? 0 : 1 + (n++ % (options.links - 1));
      packets.push(forge({ from: server, to: addressOf(to), ports: [7, (sent[to] ?? 0) & 0xffff] }));
      sent[to] = (sent[to] ?? 0) + 1;
    }
    office.core.handleDevicePackets(batchOf(packets), office.now, false);
    office.pass(1);
  }
  return { office, links, sent };
}

const addressOf = (link: number) => `10.8.0.${link + 2}`;
const portsOf = (link: StubLink) => link.received().map((packet) => ((packet[22] ?? 0) << 8) | (packet[23] ?? 0));

describe('when the device holds more than we can carry', () => {
  test('a flood to one link loses packets, and links under their share lose none', () => {
    const { office, links, sent } = overload({ links: 4, flood: 0.95, rounds: 60 });
    const [flooded, ...others] = links.map((link) => office.core.view(link)?.counters);
    for (const [i, counters] of others.entries()) {
      assert.equal(counters?.packetsOut, sent[i + 1]);
      assert.equal(counters?.dropped.overShare, 0);
    }
    assert.ok((flooded?.dropped.overShare ?? 0) > (sent[0] ?? 0) / 2, 'most of the flood goes');
    assert.equal(
      (flooded?.packetsOut ?? 0) + (flooded?.dropped.overShare ?? 0),
      sent[0],
      'each packet is counted once',
    );
  });

  test('links that all bring too much are cut alike', () => {
    const { office, links } = overload({ links: 4, flood: 0.25, rounds: 400 });
    const out = links.map((link) => office.core.view(link)?.counters.packetsOut ?? 0);
    assert.ok(Math.min(...out) > Math.max(...out) * 0.9, String(out));
  });

  test('what another thread hands over arrives once the own queue is silent', () => {
    const { office, links } = overload({ links: 2, flood: 0.9, rounds: 60 });
    const [link] = links as [StubLink];
    const before = office.core.view(link)?.counters.packetsOut ?? 0;
    const packet = forge({ from: server, to: addressOf(0) });
    for (let i = 0; i < 1_000; i++) {
      office.pass(10);
      const batch = batchOf([packet]);
      batch.tags[0] = Handed.fromDevice;
      office.core.handleHandedOver(batch, office.now);
    }
    assert.equal((office.core.view(link)?.counters.packetsOut ?? 0) - before, 1_000);
  });

  test('the packets that pass stay in order', () => {
    const { links } = overload({ links: 2, flood: 0.9, rounds: 100 });
    for (const link of links) {
      const ports = portsOf(link);
      assert.deepEqual(
        ports,
        ports.toSorted((a, b) => a - b),
      );
    }
  });

  test('a burst that is worked off within the patience loses nothing', () => {
    const { office, links, sent } = overload({ links: 2, flood: 0.9, rounds: PATIENCE + 1 });
    assert.deepEqual(
      links.map((link) => office.core.view(link)?.counters.packetsOut),
      sent,
    );
  });

  test('nobody loses a packet while batches empty the device, however much one link brings', () => {
    const office = new Office(everything);
    const link = office.connect();
    const packets = Array.from({ length: BATCH }, () => forge({ from: server, to: addressOf(0) }));
    for (let round = 0; round < 200; round++, office.pass(1)) office.send(...packets);
    assert.equal(office.core.view(link)?.counters.packetsOut, 200 * BATCH);
  });

  test('a link that is alone loses nothing, and is cut once another has packets too', () => {
    const office = new Office(everything);
    const [flooded, other] = [office.connect(), office.connect()];
    const flood = Array.from({ length: BATCH }, () => forge({ from: server, to: addressOf(0) }));
    const rounds = (count: number, ...more: Uint8Array[]) => {
      for (let n = 0; n < count; n++, office.pass(1)) {
        office.core.handleDevicePackets(batchOf([...flood, ...more]), office.now, false);
      }
    };
    rounds(200);
    assert.equal(office.core.view(flooded)?.counters.dropped.overShare, 0);
    rounds(100, forge({ from: server, to: addressOf(1) }));
    assert.ok((office.core.view(flooded)?.counters.dropped.overShare ?? 0) > 50 * BATCH);
    assert.equal(office.core.view(other)?.counters.packetsOut, 100);
    office.pass(2_000);
    const before = office.core.view(flooded)?.counters.dropped.overShare;
    rounds(1, forge({ from: server, to: addressOf(0) }));
    rounds(100);
    assert.equal(office.core.view(flooded)?.counters.dropped.overShare, before, 'the other has been silent for long');
  });

  test('what the filter denies takes nothing from the share', () => {
    const office = new Office({ filter: { rules: [{ action: 'allow', direction: 'fromOffice', protocol: 'tcp' }] } });
    const link = office.connect();
    const denied = Array.from({ length: BATCH - 1 }, () => forge({ from: server, to: addressOf(0) }));
    const wanted = forge({ from: server, to: addressOf(0), protocol: 'tcp', flags: 'S' });
    for (let round = 0; round < 100; round++, office.pass(1)) {
      office.core.handleDevicePackets(batchOf([...denied, wanted]), office.now, false);
    }
    assert.equal(office.core.view(link)?.counters.packetsOut, 100);
  });
});

describe('the share', () => {
  const after = (millis: number) => millis as Instant;

  /** A share whose level sank for so many rounds of a millisecond. */
  function scarce(rounds: number): FairShare {
    const share = new FairShare(after(0));
    share.begin(after(0), false);
    for (let link = 0; link < 2; link++) share.admits(new ShareUse(), 64, false);
    for (let n = 1; n <= PATIENCE + 1 + rounds; n++) share.begin(after(n), false);
    return share;
  }

  const admitted = (share: FairShare, use: ShareUse, bytes: number, isTrain: boolean, offered = 200) =>
    Array.from({ length: offered }, () => share.admits(use, bytes, isTrain)).filter(Boolean).length;

  test('it sinks slowly, has a floor that lets a train and some small packets pass, and rises as the device empties', () => {
    assert.equal(admitted(scarce(1), new ShareUse(), 65_000, true), 15);
    const share = scarce(1_000);
    assert.equal(admitted(share, new ShareUse(), 65_000, true), 1);
    assert.equal(admitted(share, new ShareUse(), 64, false), 4);
    share.begin(after(2_000), true);
    assert.equal(admitted(share, new ShareUse(), 64, false), 8);
    for (let n = 0; n < 4; n++) share.begin(after(2_001), true);
    assert.equal(admitted(share, new ShareUse(), 64, false), 200, 'nobody is measured');
  });

  test('a burst after a pause finds patience, however long ago the queue was emptied', () => {
    const share = scarce(0);
    share.begin(after(500), true);
    share.admits(new ShareUse(), 64, false);
    share.admits(new ShareUse(), 64, false);
    share.begin(after(1_500), false);
    assert.equal(share.isShort, false);
    share.begin(after(1_500 + PATIENCE), false);
    assert.equal(share.isShort, false);
    share.begin(after(1_501 + PATIENCE), false);
    assert.equal(share.isShort, true);
  });

  test("a link's trains take nothing from its single packets", () => {
    const share = scarce(1_000);
    const use = new ShareUse();
    admitted(share, use, 65_000, true);
    assert.ok(share.admits(use, 84, false));
  });

  test('each round starts anew', () => {
    const share = scarce(1_000);
    const use = new ShareUse();
    admitted(share, use, 64, false);
    share.begin(after(2_000), false);
    assert.equal(admitted(share, use, 64, false), 4);
  });
});
