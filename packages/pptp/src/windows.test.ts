/** Windows as a scripted client: what it sends, in its order, and what it must get. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '@culvert/testkit';
import { drain, idsFrom } from '../test/stream-ends.ts';
import { fieldsOf, windows } from '../test/vpn-clients.ts';
import type { ControlEvent } from './control-connection.ts';
import { PacConnection } from './pac-connection.ts';

for (const callId of [0, 0x4000]) {
  test(`a Windows client with call id ${callId} calls, tells its link, echoes, and leaves`, () => {
    const clock = new VirtualClock();
    const pac = new PacConnection({ nextCallId: idsFrom(0x0202), now: clock.now() });
    const events: ControlEvent[] = [];
    const say = (bytes: Uint8Array) => {
      pac.handleStream(bytes, clock.advance(10));
      return drain(pac, events).map(fieldsOf);
    };
    const id = callId.toString(16).padStart(4, '0');

    // Version 1.0, result 1, no error, both kinds of framing and of bearer, no channels, revision 1, no names.
    assert.deepEqual(say(windows.start), [
      `00020000${'01000100'}${'00000003'.repeat(2)}${'00000001'}${'00'.repeat(128)}`,
    ]);
    // Our call id, its call id, result 1, its speed, window 8,192.
    assert.deepEqual(say(windows.call(callId)), [
      `00080000${'0202'}${id}${'0100'}${'0000'}${'05f5e100'}${'2000'}${'0000'}${'00000000'}`,
    ]);
    assert.deepEqual(say(windows.setLinkInfo(0x0202)), []);
    assert.deepEqual(say(windows.setLinkInfo(0x0202)), []);
    assert.deepEqual(say(windows.echo), [`00060000${'00000001'}${'0100'}${'0000'}`]);
    // Call-Disconnect-Notify under our call id, result 4: as it was asked to.
    assert.deepEqual(say(windows.clear(callId)), [`000d0000${'0202'}${'0400'}${'0000'}${'0000'}${'00'.repeat(128)}`]);

    const seen = events.filter(({ kind }) => kind !== 'note');
    assert.deepEqual(seen[0], { kind: 'call', callId: 0x0202, peerCallId: callId, peerWindow: 64 });
    assert.ok(seen[1]?.kind === 'ended' && seen[1].callId === 0x0202);
    assert.ok(seen[2]?.kind === 'closed' && seen[2].reason.cause === 'peer');
    const vendor = events.flatMap((event) => (event.kind === 'note' ? [event.fields['vendor']] : []));
    assert.equal(vendor[0], 'Microsoft Windows NT');
  });
}

test('a Windows client that stops without clearing its call gets its answer', () => {
  const clock = new VirtualClock();
  const pac = new PacConnection({ nextCallId: idsFrom(5), now: clock.now() });
  const all = Buffer.concat([windows.start, windows.call(0), windows.stop]);
  pac.handleStream(all, clock.now());
  assert.equal(drain(pac).map(fieldsOf).at(-1), `00040000${'0100'}${'0000'}`);
});
