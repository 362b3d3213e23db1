/** Mutated packets through a whole core: it never throws, and lets nothing pass that its rules forbid. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { complain, forge } from '../test/forged-packets.ts';
import { Office } from '../test/office.ts';

const whole = forge({ from: '10.8.0.2', to: '192.168.10.5', protocol: 'tcp', flags: 'S', mss: 1460 });
const whole6 = forge({ from: 'fd00::2', to: 'fd10::5', protocol: 'tcp', flags: 'S', mss: 1460, extension: 60 });
const seeds = [
  whole,
  whole6,
  complain('192.168.10.5', whole),
  complain('fd10::5', whole6),
  forge({ from: '10.8.0.2', to: '10.8.0.3', hopLimit: 2 }),
  forge({ from: 'fd00::2', to: 'fd00::3', fragment: [0, true, 77] }),
  forge({ from: '192.168.10.5', to: '10.8.0.2', payload: 1500, dontFragment: false }),
  forge({ from: 'fd10::5', to: 'fd00::2', payload: 1500 }),
];
/** Most changes hit headers. */
const change = fc.tuple(fc.oneof(fc.nat(60), fc.nat(1600)), fc.nat(255));
const packet = fc
  .tuple(fc.constantFrom(...seeds), fc.array(change, { maxLength: 4 }), fc.option(fc.nat(100)))
  .map(([seed, changes, cut]) => {
    const bytes = seed.slice(0, cut ?? seed.length);
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return bytes;
  });
const traffic = fc.array(fc.record({ packet, way: fc.constantFrom('office', 'alice', 'bob') }), { maxLength: 30 });

for (const clientIsolation of [true, false]) {
  test(`hostile packets pass only where their addresses may (isolation ${clientIsolation ? 'on' : 'off'})`, () => {
    fc.assert(
      fc.property(traffic, (steps) => {
        const office = new Office({
          clientIsolation,
          filter: { rules: [{ action: 'allow', direction: 'fromOffice' }], default: 'allow' },
        });
        const [alice, bob] = [office.connect({ mtu: 1400 }), office.connect({ mtu: 1300 })];
        for (const { packet, way } of steps) {
          if (way === 'office') office.send(packet);
          else if (way === 'alice') alice.bring(packet);
          else bob.bring(packet);
          for (const passed of office.delivered())
            assert.ok(['10.8.0.2', '10.8.0.3', 'fd00::2', 'fd00::3'].includes(sourceOf(passed)), 'a link’s own source');
          for (const [link, n] of [
            [alice, 2],
            [bob, 3],
          ] as const) {
            for (const passed of link.received()) {
              assert.ok([`10.8.0.${n}`, `fd00::${n}`].includes(destinationOf(passed)), 'a link’s own destination');
              assert.ok(passed.length <= (n === 2 ? 1400 : 1300));
              if (clientIsolation) assert.ok(!sourceOf(passed).startsWith('10.8.0.3') || way === 'office');
            }
          }
        }
      }),
      { numRuns: 500 },
    );
  });
}

function sourceOf(packet: Uint8Array): string {
  return (packet[0] ?? 0) >> 4 === 6 ? ipv6(packet.subarray(8, 24)) : packet.subarray(12, 16).join('.');
}

function destinationOf(packet: Uint8Array): string {
  return (packet[0] ?? 0) >> 4 === 6 ? ipv6(packet.subarray(24, 40)) : packet.subarray(16, 20).join('.');
}

/** Only addresses like fd00::2 matter here. */
function ipv6(bytes: Uint8Array): string {
  const middle = bytes.subarray(2, 15).every((byte) => byte === 0);
  return middle && bytes[0] === 0xfd && bytes[1] === 0
    ? `fd00::${bytes[15]?.toString(16)}`
    : Buffer.from(bytes).toString('hex');
}
