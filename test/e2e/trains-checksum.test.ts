/**
 * Checksums are right wherever packets leave our hands: what we write into the TUN device at either end, and what reaches the office.
 *
 *     client ── router ── gateway ── office
 *      tun0 in            culvert0 in  eth0 in (the gateway's eth1 finishes checksums in software)
 *
 * A train in a TUN device may have a partial checksum, which the kernel finishes; at the office none may be partial.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowPackets, labIsPossible } from '@culvert/testkit';
import { culvert } from '../interop/ends/culvert.ts';
import { Capture, complaintsIn, type Tally, tallyOf, verdictOf } from './capture.ts';
import { badPackets, labTools, TrainLab } from './train-lab.ts';

const tools = [...labTools, 'tcpdump', 'ethtool'];
const BYTES = 4_000_000;
const MTU = 1_500;

for (const offload of [true, false]) {
  test(`no checksum is wrong in either TUN device or at the office, with offloads ${offload ? 'on' : 'off'}`, async (t) => {
    if (!labIsPossible(t, tools)) return;
    await using lab = await TrainLab.open();
    const { client, gateway, office, lab: hosts } = lab.world;
    await gateway.exec('ethtool', ['-K', 'eth1', 'tx', 'off']);
    await lab.connect(culvert, culvert, { offload: { server: offload, client: offload } });
    const captures = await Promise.all(
      (
        [
          [client, 'tun0'],
          [gateway, 'culvert0'],
          [office, 'eth0'],
        ] as const
      ).map(([host, device]) => Capture.start(host, device, hosts.folder)),
    );
    for (const family of [4, 6] as const) {
      await lab.transfer('get', family, BYTES);
      await lab.transfer('put', family, BYTES);
      await lab.echo(family, 24, [1, 33, 700, 1_371, 1_372]);
      await lab.ping(family, 1_000);
    }
    const [atClient, atGateway, atOffice] = await Promise.all(captures.map((capture) => capture.stop()));
    for (const [name, tally] of Object.entries({ atClient, atGateway, atOffice })) {
      assert.ok(tally);
      assert.equal(tally.wrong, 0, `${name}: ${JSON.stringify(tally)}`);
      assert.ok(tally.bytes > 2 * BYTES, `${name}: ${JSON.stringify(tally)}`);
    }
    assert.equal(atOffice?.partial, 0);
    for (const [at, tally] of [atClient, atGateway, atOffice].entries()) {
      const complaints = captures[at]?.complaints() ?? [];
      assert.equal(complaints.length, tally?.partial, `tcpdump calls wrong what is not partial: ${complaints[0]}`);
    }
    for (const tally of [atClient, atGateway]) {
      assert.deepEqual([isOfTrains(tally), (tally?.partial ?? 0) > 0], [offload, offload], JSON.stringify(tally));
    }
    for (const host of hosts.hosts) assert.deepEqual(await badPackets(host), []);
  });
}

test('what tcpdump says of wrong checksums is understood', () => {
  const said = [
    '10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 1, length 64 (wrong icmp cksum ab (->cd)!)',
    'fd77::2 > fd99::2: [icmp6 sum ok] ICMP6, echo reply, id 1, seq 1',
    '    10.0.0.1.5 > 10.0.0.2.1: Flags [.], cksum 0x1234 (incorrect -> 0x4321), seq 1:41, win 64',
    '    10.0.0.1.5 > 10.0.0.2.1: Flags [.], cksum 0x1234 (correct), seq 1:41, win 64',
    '    10.0.0.1.5 > 10.0.0.2.1: [bad udp cksum 0x1234 -> 0x4321!] UDP, length 40',
    '    10.0.0.1.5 > 10.0.0.2.1: [udp sum ok] UDP, length 40',
    'IP (tos 0x0, ttl 64, id 0, offset 0, flags [DF], proto TCP (6), length 80, bad cksum 1234 (->4321)!)',
    'fd77::2 > fd99::2: [bad icmp6 cksum 0x1234 -> 0x4321!] ICMP6, echo reply, id 1, seq 1',
  ];
  assert.deepEqual(complaintsIn(said.join('\n')).length, 5);
});

test('a wrong byte anywhere behind the Ethernet header is seen', () => {
  for (const version of [4, 6] as const) {
    for (const protocol of ['tcp', 'udp'] as const) {
      const [packet] = flowPackets({ version, protocol, from: 2, to: 1, sourcePort: 5, count: 1, size: 40 });
      assert.ok(packet);
      const view = new DataView(packet.buffer);
      assert.equal(verdictOf(view, 0, packet.length), 'right');
      for (let at = version === 4 ? 0 : 8; at < packet.length; at++) {
        view.setUint8(at, view.getUint8(at) ^ 0x04);
        assert.notEqual(verdictOf(view, 0, packet.length), 'right', `byte ${at} of ${protocol} over IPv${version}`);
        view.setUint8(at, view.getUint8(at) ^ 0x04);
      }
    }
  }
  assert.throws(() => tallyOf(new Uint8Array(24)), /classic format/);
});

function isOfTrains(tally: Tally | undefined): boolean {
  return (tally?.largest ?? 0) > MTU;
}
