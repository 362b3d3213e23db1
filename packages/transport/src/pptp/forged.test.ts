/** Forged GRE packets against a link that is up, through real sockets: what is dropped, where it is counted, and that the link goes on. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet } from '@culvert/testkit';
import { forger, garbage, gre } from '../../test/forger.ts';
import { Caller, clearRequest, wanError } from '../../test/pptp-caller.ts';
import { gateway, laptop, PptpLab, stranger } from '../../test/pptp-lab.ts';

/** Another address of the gateway. */
const alias = '10.77.0.4';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop, stranger, alias]) {
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  }
}

const clear = Buffer.concat([Buffer.from('ff030021', 'hex'), ipv4Packet(100, 9_999)]);

/** A link, with a listener at this address; undefined: at all of this host. */
async function open(address: string | undefined) {
  const lab = await PptpLab.open({ listen: [{ address, port: 0 }] });
  const caller = await Caller.open(lab);
  const call = await caller.call();
  const [heard] = lab.accepted;
  assert.ok(heard !== undefined);
  const count = (name: string) => lab.listener.stats[name] ?? 0;
  let last = 0;
  return {
    ...{ lab, caller, call, heard, count },
    /** Sends until something is heard: a forged packet may have taken the place of one. */
    goesOn: async () => {
      const first = last;
      await eventually('the link goes on', () => {
        call.link.send(batchOf([ipv4Packet(100, last++)]));
        return numbersIn(heard.packets).some((n) => n >= first);
      });
    },
    /** What was heard is what was sent, once and in order. Returns how many. */
    heardTruly: () => {
      const numbers = numbersIn(heard.packets);
      assert.deepEqual(
        numbers,
        [...new Set(numbers)].filter((n) => n < last).sort((one, other) => one - other),
      );
      return numbers.length;
    },
    [Symbol.asyncDispose]: async () => {
      caller[Symbol.dispose]();
      await lab[Symbol.asyncDispose]();
    },
  };
}

const numbersIn = (packets: readonly Uint8Array[]) => packets.map((packet) => Buffer.from(packet).readUInt32BE(96));

test('a call’s packets come between its control connection’s addresses, and from nowhere else', { skip }, async () => {
  await using up = await open(undefined);
  const { call, count, heard } = up;
  using other = forger(stranger);
  using own = forger(laptop);
  // On all addresses of this host it hears what the gateway sends to the laptop, too.
  const before = count('greStrange');
  for (const frame of [garbage(1), clear]) {
    other.send(gre(call.peerCallId, 50, frame));
    own.send(gre(call.peerCallId, 50, frame), alias);
    // The right addresses, and a call that is nobody's.
    own.send(gre(call.peerCallId ^ 1, 50, frame));
  }
  await eventually('they are counted', () => count('greStrange') >= before + 6);
  await up.goesOn();
  assert.deepEqual(heard.link.stats.droppedIn, 0, 'nothing was even looked at');
  up.heardTruly();
});

test('what is no whole packet of enhanced GRE is dropped before anything is looked up', { skip }, async () => {
  await using up = await open(gateway);
  const { call, count, heard } = up;
  using own = forger(laptop);
  const good = gre(call.peerCallId, 50, garbage(1));
  const broken: Uint8Array[] = [
    good.subarray(0, 7),
    good.subarray(0, 11),
    // Version 0, no key, routing, checksum, another protocol, a payload that is longer than the packet.
    good.with(1, 0x00),
    good.with(0, 0x10),
    good.with(0, 0x70),
    good.with(0, 0xb0),
    good.with(3, 0x00),
    good.with(4, 0xff),
  ];
  for (const packet of broken) own.send(packet);
  await eventually('they are counted', () => count('greMalformed') === broken.length);
  assert.deepEqual([heard.link.stats.droppedIn, count('greStrange')], [0, 0]);
  await up.goesOn();
  up.heardTruly();
});

test('GRE before there is a call, and after it, is nobody’s', { skip }, async () => {
  await using up = await open(gateway);
  const { lab, caller, call, count, heard } = up;
  using own = forger(laptop);
  caller.socket.write(clearRequest(call.callId));
  await heard.link.closed;
  own.send(gre(call.peerCallId, 50, garbage(1)));
  await eventually('it is counted', () => count('greStrange') >= 1);
  assert.deepEqual([heard.packets.length, lab.listener.stats['peers']], [0, 0]);
});

test('garbage under the right call id, from the right address, costs its own packet and no key', { skip }, async () => {
  await using up = await open(gateway);
  const { call, heard } = up;
  using own = forger(laptop);
  await up.goesOn();
  // Numbers that go on from where the call is, counts near and far.
  for (let n = 0; n < 40; n++) own.send(gre(call.peerCallId, 100 + n, garbage((n * 509) % 4_096)));
  await eventually('they were tried', () => heard.link.stats.droppedIn >= 40);
  await up.goesOn();
  up.heardTruly();
  // The link tells what it met: our numbers were taken by the forger's.
  assert.ok((heard.link.wire?.['greLate'] ?? 0) > 0);
  assert.equal(heard.link.wire?.['wanErrors'], 0);
  up.caller.socket.write(wanError(call.peerCallId));
  await eventually('so does the control connection', () => heard.link.wire?.['wanErrors'] === 1);
});

test('a number far ahead is not believed, and what comes in the clear is not delivered', { skip }, async () => {
  await using up = await open(gateway);
  const { call } = up;
  using own = forger(laptop);
  await up.goesOn();
  const before = up.heardTruly();
  own.send(gre(call.peerCallId, 0x4000_0000, garbage(9)));
  own.send(gre(call.peerCallId, 0x7000_0000, clear));
  await up.goesOn();
  assert.ok(up.heardTruly() > before);
  own.send(gre(call.peerCallId, 60, clear));
  await up.goesOn();
  up.heardTruly();
});

test('two clients behind one address cannot hear each other, nor be heard as each other', { skip }, async () => {
  await using up = await open(gateway);
  const { lab, call, heard } = up;
  using second = await Caller.open(lab);
  const theirs = await second.call();
  const [, other] = lab.accepted;
  assert.ok(other !== undefined);
  using own = forger(laptop);
  // The neighbour writes the other's call id over its packets: the addresses are right, the key is not.
  for (let n = 0; n < 10; n++) own.send(gre(theirs.peerCallId, 100 + n, garbage(n)));
  await eventually('they were tried', () => other.link.stats.droppedIn >= 10);
  assert.deepEqual([other.packets.length, heard.link.stats.droppedIn], [0, 0]);
  other.link.send(batchOf([ipv4Packet(102, 3)]));
  await eventually('the second hears', () => theirs.packets.length === 1);
  assert.equal(call.packets.length, 0);
  await up.goesOn();
});
