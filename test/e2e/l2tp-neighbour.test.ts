/**
 * A holder of the shared key who sits behind one NAT with a connected colleague and says that it is the colleague, through real sockets.
 *
 *   victim    127.0.0.1  ──►  tap, a port of 10.77.0.1      ──►  10.77.0.1, UDP 500 and 4500
 *   neighbour                 another port of 10.77.0.1     ──►
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { enterFreshNamespace, eventually } from '@culvert/testkit';
import { phase1Offers, phase2Offers, windowsPeer } from '../../packages/ipsec/test/peers.ts';
import { hex, type Part, ScriptedInitiator } from '../../packages/ipsec/test/scripted-initiator.ts';
import { carry, key, L2tpLab } from '../../packages/transport/test/l2tp-lab.ts';
import { gateway, laptop } from '../../packages/transport/test/pptp-lab.ts';

const marker = Buffer.alloc(4);
const initialContact: Part = [11, hex('0000000101006002')];
/** That of the victim, who calls from behind the NAT. */
const identity = hex('010000007f000001');
const selectors: readonly Part[] = [
  [5, hex('011106a57f000001')],
  [5, hex('011106a50a4d0001')],
];

const skip = enterFreshNamespace();
if (skip === false)
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);

test('who has the shared key takes nothing of a neighbour by messages that seem to be its own', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const { wire, through } = await lab.taps();
  const victim = await lab.dial({ ...through, innerPort: 1_701 });
  await carry(lab, victim);
  const neighbour = createSocket('udp4');
  try {
    neighbour.bind(0, gateway);
    await once(neighbour, 'listening');
    const script = new ScriptedInitiator({ hash: 'sha1', keyBytes: 32, group: 'secp384r1' }, key.toString());
    const { ike, natTraversal } = lab.ports;
    const ask = (message: Buffer, port: number): Promise<Buffer> => exchange(neighbour, message, port);
    script.takeSecond(await ask(script.first(phase1Offers.windows, windowsPeer.vendorIds), ike));
    script.takeFourth(await ask(script.third(20, { own: '127.0.0.1', ownPort: 500, server: '127.0.0.1' }), ike));
    wire.send(Buffer.concat([marker, script.fifth(identity, [initialContact])]));
    const isSixth = (datagram: Buffer): boolean => datagram.subarray(4, 12).equals(script.cookie);
    await eventually('it is believed to have the key', () => wire.answers.some(isSixth));
    // It could have computed what went to its neighbour: all of it follows from the key.
    script.takeSixth(wire.answers.find(isSixth)?.subarray(4) ?? assert.fail());
    wire.send(Buffer.concat([marker, script.informational(5, initialContact)]));
    const first = script.quickFirst(1, phase2Offers.windows(4), selectors);
    const second = await ask(Buffer.concat([marker, first]), natTraversal);
    script.takeQuickSecond(second.subarray(4));
    neighbour.send(Buffer.concat([marker, script.quickThird(1)]), natTraversal, gateway);
    await eventually('it is a peer of its own', () => lab.listener.stats['peers'] === 2);
    await carry(lab, victim);
    assert.ok(lab.events.every(({ kind }) => kind !== 'rekeyed' && kind !== 'roamed'));
  } finally {
    neighbour.close();
  }
});

async function exchange(socket: Socket, message: Buffer, port: number): Promise<Buffer> {
  const answer = once(socket, 'message', { signal: AbortSignal.timeout(5_000) });
  socket.send(message, port, gateway);
  const [datagram] = await answer;
  return datagram;
}
