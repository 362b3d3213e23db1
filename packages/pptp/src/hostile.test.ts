/** Hostile bytes to every decoder in every state, with counts: nothing throws, nothing grows, and none of the states is missed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { type SeededRandom, seededRandom, VirtualClock } from '@culvert/testkit';
import { captured, control, gre } from '../test/capture.ts';
import { batchOf, packetsOf, tunnel, wrapped } from '../test/frames.ts';
import { callIds, drain, StreamEnds } from '../test/stream-ends.ts';
import { windows } from '../test/vpn-clients.ts';
import { MessageType } from './control-message.ts';

const ROUNDS = 300;

function mutate(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice(0, random.chance(0.1) ? random.integer(bytes.length + 1) : bytes.length);
  for (let n = random.integer(4); n > 0 && changed.length > 0; n--) {
    changed[random.integer(changed.length)] = random.integer(256);
  }
  return random.chance(0.05) ? Uint8Array.of(...changed, ...random.bytes(random.integer(100))) : changed;
}

/** A message of any type whose frame is right, so that the change meets the decoder of its fields. */
function hostileMessage(random: SeededRandom): Uint8Array {
  const bases = [
    ...Object.values(control),
    windows.start,
    windows.call(0),
    windows.setLinkInfo(callIds.pac),
    windows.echo,
  ];
  const message = new Uint8Array(12 + random.integer(230));
  message.set((bases[random.integer(bases.length)] ?? windows.echo).subarray(0, message.length));
  for (let n = random.integer(6); n > 0; n--) message[8 + random.integer(message.length - 8)] = random.integer(256);
  if (random.chance(0.7)) message[9] = 1 + random.integer(15);
  const view = new DataView(message.buffer);
  view.setUint16(0, message.length);
  view.setUint32(4, 0x1a2b3c4d);
  view.setUint8(8, 0);
  return message;
}

const states = ['starting', 'started', 'call', 'closing', 'closed'] as const;

/** An end of either role in the wanted state. */
function endIn(role: 'pns' | 'pac', state: (typeof states)[number]): { end: StreamEnds['pns' | 'pac']; now: Instant } {
  const ends = new StreamEnds();
  const now = ends.clock.now();
  if (state === 'started' && role === 'pac') ends.pac.handleStream(control.startRequest, now);
  else if (state === 'started') ends.pns.handleStream(control.startReply, now);
  else if (state !== 'starting') ends.run();
  const end = ends[role];
  if (state === 'closing') end.close({ cause: 'operator', detail: 'enough' }, now);
  if (state === 'closed') end.handleEnd(undefined);
  drain(end);
  return { end, now };
}

for (const role of ['pns', 'pac'] as const) {
  test(`a ${role} takes any message in every state`, () => {
    const random = seededRandom(role === 'pns' ? 11 : 12);
    const reached: Record<string, number> = {};
    for (const state of states) {
      for (let round = 0; round < ROUNDS; round++) {
        const { end, now } = endIn(role, state);
        for (let n = 0; n < 12; n++) {
          const message = hostileMessage(random);
          const before = end.stats.messagesIn;
          end.handleStream(random.chance(0.9) ? message : mutate(random, message), (now + n) as Instant);
          const cell = `${state} ${message[9] ?? 0}`;
          if (end.stats.messagesIn > before || state === 'closed') reached[cell] = (reached[cell] ?? 0) + 1;
          assert.ok(drain(end).every((answer) => answer.length <= 168));
          if (random.chance(0.1)) end.handleTimeout((now + 30_000 * n) as Instant);
        }
        end.close({ cause: 'operator', detail: 'over' }, now);
        end.handleTimeout((now + 1e7) as Instant);
        end.handleTimeout((now + 2e7) as Instant);
        end.handleTimeout((now + 3e7) as Instant);
        assert.equal(end.pollTimeout(), undefined, 'it ends');
      }
    }
    for (const state of states) {
      for (const type of Object.values(MessageType)) {
        assert.ok((reached[`${state} ${type}`] ?? 0) > 0, `${role}, ${state}: no message of type ${type}`);
      }
    }
  });
}

test('a tunnel takes any packet in every state of its order, and gives only what lies in packets', () => {
  const random = seededRandom(13);
  const counts: Record<string, number> = {};
  const add = (name: string, by: number) => void (counts[name] = (counts[name] ?? 0) + by);
  for (let round = 0; round < ROUNDS; round++) {
    const clock = new VirtualClock();
    const { machine, given } = tunnel({ peerWindow: random.chance(0.5) ? 3 : 8_192 });
    const peer = tunnel({ peerCallId: captured.client });
    const packets = wrapped(
      peer.machine,
      Array.from({ length: 80 }, (_, n) => n),
      clock.now(),
    );
    for (let turn = 0; turn < 20; turn++) {
      const batch = Array.from({ length: 1 + random.integer(40) }, () => {
        const base = random.chance(0.1) ? gre.withAck : (packets[random.integer(packets.length)] ?? gre.first);
        return random.chance(0.5) ? mutate(random, base) : base;
      });
      const before = given.length;
      const arena = batchOf(batch, 0);
      machine.handleBatch(arena, 0, arena.count, clock.now());
      assert.ok(given.slice(before).every((frame) => frame.length <= 2_000));
      const out = batchOf(Array.from({ length: 20 }, () => gre.last.subarray(12)));
      machine.limit(out, 0, clock.now());
      machine.wrap(out, 0, clock.now());
      packetsOf(out);
      machine.pollTransmit();
      clock.advance(random.integer(80));
      machine.handleTimeout(clock.now());
    }
    for (const [name, count] of Object.entries(machine.stats)) add(name, count);
  }
  for (const [name, count] of Object.entries(counts)) assert.ok(count > 0, `no packet was ever counted as ${name}`);
});
