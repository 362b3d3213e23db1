/**
 * Explicit congestion notification of the hosts (RFC 3168) goes through the tunnel: a router marks packets, the receiver tells the sender,
 * the sender slows down and says so. None of it is lost or added where packets move in trains.
 *
 *     client ═══ router ═══ gateway ─── office
 *      tun0: marks what goes out   culvert0: marks what goes out
 *
 * Outside, every packet says that it is not capable of ECN (RFC 6040, section 4.3, compatibility mode).
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, labIsPossible, missingForLab, type TestHost } from '@culvert/testkit';
import { PacketHeaders, Protocol } from '@culvert/wire';
import { culvert } from '../interop/ends/culvert.ts';
import { Capture } from './capture.ts';
import { badPackets, labTools, TrainLab } from './train-lab.ts';

const tools = [...labTools, 'tcpdump', 'ethtool', 'nstat'];
const BYTES = 1_000_000;
/** One packet of so many is marked, a train counting as one. */
const ONE_IN = 9;
const MTU = 1_500;
/** The last packet through the tunnel, each way: bytes of a ping's payload that nothing else has. */
const LAST = 1_111;
const ICMP_HEADERS = 28;
const CAPTURE_MILLIS = 30_000;

const Ecn = { notCapable: 0, capable: 2, congested: 3 } as const;
const TcpFlag = { syn: 0x02, ece: 0x40, cwr: 0x80 } as const;

/** What a capture tells. */
interface Congestion {
  /** Packets, and TCP's payload, by ECN field. */
  readonly packets: number[];
  readonly bytes: number[];
  /** Packets with ECE and with CWR, without SYN. */
  echoes: number;
  answers: number;
  largest: number;
  ended: boolean;
}

function congestionIn(capture: Capture): Congestion {
  const found = { packets: [0, 0, 0, 0], bytes: [0, 0, 0, 0], echoes: 0, answers: 0, largest: 0, ended: false };
  const h = new PacketHeaders();
  for (const { view, at, length } of capture.packets()) {
    assert.ok(h.read(view, at, length));
    const ecn = (h.version === 4 ? view.getUint8(at + 1) : view.getUint8(at + 1) >> 4) & 3;
    found.packets[ecn] = (found.packets[ecn] ?? 0) + 1;
    found.largest = Math.max(found.largest, length);
    if (h.protocol === Protocol.icmp && length === LAST + ICMP_HEADERS) found.ended = true;
    if (h.protocol !== Protocol.tcp) continue;
    const flags = view.getUint8(h.upperAt + 13);
    found.bytes[ecn] = (found.bytes[ecn] ?? 0) + h.upperLength - (view.getUint8(h.upperAt + 12) >> 4) * 4;
    if ((flags & TcpFlag.syn) !== 0) continue;
    if ((flags & TcpFlag.ece) !== 0) found.echoes++;
    if ((flags & TcpFlag.cwr) !== 0) found.answers++;
  }
  return found;
}

/** What the kernel counted: packets that came marked, and packets that the other end told to have come marked. */
async function kernelCounts(host: TestHost): Promise<Record<(typeof counters)[number], number>> {
  return JSON.parse(await host.exec('nstat', ['-a', '-s', '-z', '-j', ...counters])).kernel;
}
const counters = ['IpExtInCEPkts', 'Ip6InCEPkts', 'TcpExtTCPDeliveredCE'] as const;

const sum = (all: readonly number[]): number => all.reduce((one, other) => one + other, 0);

/** Marks some of the packets that are capable of it, of what goes into a device. */
async function markInto(host: TestHost, device: string): Promise<void> {
  const some = `numgen inc mod ${ONE_IN} == 0`;
  const rules = `
    table inet congestion {
      chain marking {
        type filter hook postrouting priority 0;
        oifname ${device} ip protocol tcp ip ecn != not-ect ${some} ip ecn set ce
        oifname ${device} ip6 nexthdr tcp ip6 ecn != not-ect ${some} ip6 ecn set ce
      }
    }\n`;
  await host.exec('nft', ['-f', '-'], { input: rules });
}

let lab: TrainLab;
before(async () => {
  if (missingForLab(tools).length > 0) return;
  lab = await TrainLab.open();
  const { client, gateway, office } = lab.world;
  for (const host of [client, office]) {
    // What the machine has as usual may not mind congestion that is told.
    await host.exec('sysctl', ['-qw', 'net.ipv4.tcp_ecn=1', 'net.ipv4.tcp_congestion_control=reno']);
  }
  await gateway.exec('ethtool', ['-K', 'eth1', 'tx', 'off']);
  await markInto(client, 'tun0');
  await markInto(gateway, 'culvert0');
});
after(() => lab?.[Symbol.asyncDispose]());

for (const offload of [true, false]) {
  test(`congestion is told through the tunnel with offloads ${offload ? 'on' : 'off'}`, async (t) => {
    if (!labIsPossible(t, tools)) return;
    const { client, gateway, office, lab: hosts } = lab.world;
    const router = lab.host('router');
    await lab.connect(culvert, culvert, { offload: { server: offload, client: offload } });
    const start = (host: TestHost, device: string, way: 'in' | 'out') => Capture.start(host, device, hosts.folder, way);
    const inside = [
      await start(client, 'tun0', 'out'),
      await start(office, 'eth0', 'in'),
      await start(gateway, 'culvert0', 'out'),
      await start(client, 'tun0', 'in'),
    ];
    const outside = [await start(router, 'eth0', 'in'), await start(router, 'eth1', 'in')];
    const before = [await kernelCounts(client), await kernelCounts(office)];

    // Routers mark trains as one, and packets one by one.
    for (const large of ['on', 'off']) {
      await office.exec('ethtool', ['-K', 'eth0', 'tso', large, 'gso', large]);
      for (const family of [4, 6] as const) {
        for (const what of ['get', 'put'] as const) await lab.transfer(what, family, BYTES);
      }
    }
    await lab.ping(4, LAST);
    await eventually('all is captured', () => inside.every((one) => congestionIn(one).ended), CAPTURE_MILLIS);
    for (const capture of [...inside, ...outside]) assert.equal((await capture.stop()).wrong, 0);
    for (const host of hosts.hosts) assert.deepEqual(await badPackets(host), []);

    const [sentUp, cameUp, sentDown, cameDown] = inside.map(congestionIn);
    for (const [sent, came] of [
      [sentUp, cameUp],
      [sentDown, cameDown],
    ]) {
      assert.ok(sent && came);
      const told = `${JSON.stringify(sent)} became ${JSON.stringify(came)}`;
      assert.ok((sent.bytes[Ecn.congested] ?? 0) > BYTES / 50, told);
      const lost = sum(sent.bytes) - sum(came.bytes);
      for (const ecn of [Ecn.capable, Ecn.congested]) {
        const missing = (sent.bytes[ecn] ?? 0) - (came.bytes[ecn] ?? 0);
        assert.ok(missing >= 0 && missing <= lost, told);
      }
      assert.ok(came.echoes > 5 && came.answers > 5, told);
    }
    assert.equal((cameDown?.largest ?? 0) > MTU, offload, 'what came in trains');
    for (const [i, host] of [client, office].entries()) {
      const now = await kernelCounts(host);
      for (const name of counters) assert.ok(now[name] > (before[i]?.[name] ?? 0) + 5, `${host.label}: ${name}`);
    }
    for (const { packets } of outside.map(congestionIn)) {
      assert.deepEqual(packets, [sum(packets), 0, 0, 0], 'by ECN field, outside');
    }
  });
}
