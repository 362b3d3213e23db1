import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowPackets, ipv4Packet } from '@culvert/testkit';
import { TunnelSelectors } from '../index.ts';

const any = (network: string, protocol = 0, port = 0) => ({ network, protocol, port });

function matches(
  selectors: { local: ReturnType<typeof any>; remote: ReturnType<typeof any> },
  packet: Uint8Array,
): boolean {
  // Behind bytes that are another's.
  const arena = Buffer.concat([Buffer.alloc(3), packet]);
  return new TunnelSelectors(selectors).matches(
    new DataView(arena.buffer, arena.byteOffset, arena.length),
    3,
    packet.length,
  );
}

/** TCP from 10.99.0.2 port 1000 to 10.99.0.1 port 7, or the same in fd99::. */
const flow = (version: 4 | 6): Buffer =>
  Buffer.from(
    flowPackets({ version, protocol: 'tcp', from: 2, to: 1, sourcePort: 1_000, count: 1, size: 10 })[0] ?? [],
  );
const changed = (packet: Buffer, at: number, to: number) => {
  const copy = Buffer.from(packet);
  copy[at] = to;
  return copy;
};

test('both addresses lie in the networks that were agreed, to the bit', () => {
  const ipv4 = flow(4);
  const within: [string, string, boolean][] = [
    ['10.99.0.1/32', '10.99.0.2/32', true],
    ['10.99.0.0/31', '10.99.0.2/31', true],
    ['0.0.0.0/0', '0.0.0.0/0', true],
    ['10.99.0.2/32', '10.99.0.1/32', false],
    ['10.99.0.0/32', '10.99.0.0/16', false],
    ['10.99.0.0/16', '10.99.0.0/31', false],
    ['10.99.0.0/16', '10.98.0.0/16', false],
    ['::/0', '::/0', false],
  ];
  for (const [local, remote, fits] of within)
    assert.equal(matches({ local: any(local), remote: any(remote) }, ipv4), fits, `${remote} to ${local}`);
  const ipv6 = flow(6);
  assert.equal(matches({ local: any('fd99::/64'), remote: any('fd99::2/128') }, ipv6), true);
  assert.equal(matches({ local: any('fd99::/64'), remote: any('fd99::3/128') }, ipv6), false);
  assert.equal(matches({ local: any('0.0.0.0/0'), remote: any('0.0.0.0/0') }, ipv6), false);
});

test('protocol and ports count where they are agreed, and not where they cannot be told', () => {
  const of = (local: [number, number], remote: [number, number]) => ({
    local: any('10.99.0.0/16', ...local),
    remote: any('10.99.0.0/16', ...remote),
  });
  const tcp = flow(4);
  assert.equal(matches(of([6, 7], [6, 1_000]), tcp), true);
  assert.equal(matches(of([6, 7], [6, 0]), tcp), true);
  assert.equal(matches(of([6, 8], [6, 0]), tcp), false);
  assert.equal(matches(of([6, 7], [6, 1_001]), tcp), false);
  assert.equal(matches(of([17, 0], [17, 0]), tcp), false);
  assert.equal(matches(of([6, 7], [6, 0]), changed(tcp, 6, 0x20)), false, 'a fragment');
  assert.equal(matches(of([0, 0], [0, 0]), changed(tcp, 6, 0x20)), true);
  assert.equal(matches(of([0, 7], [0, 0]), Buffer.from(ipv4Packet(60, 1))), false, 'other ports');
});

test('what is no whole IP packet is of no association', () => {
  const all = { local: any('0.0.0.0/0'), remote: any('0.0.0.0/0') };
  const tcp = flow(4);
  for (const length of [0, 1, 19]) assert.equal(matches(all, tcp.subarray(0, length)), false);
  assert.equal(matches(all, changed(tcp, 0, 0x44)), false);
  assert.equal(matches(all, changed(tcp, 0, 0x65)), false);
  assert.equal(matches(all, changed(tcp, 2, 0xff)), false);
  const all6 = { local: any('::/0'), remote: any('::/0') };
  assert.equal(matches(all6, flow(6).subarray(0, 39)), false);
  assert.equal(matches(all6, flow(6).subarray(0, 60)), false);
  assert.throws(() => new TunnelSelectors({ local: any('10.0.0.1/8'), remote: any('::/0') }), /host bits/);
});
