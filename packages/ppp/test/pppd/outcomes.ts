/** What rows of the table end in. */
import assert from 'node:assert/strict';
import type { PppTerms } from '../../src/index.ts';
import type { Meeting } from './case.ts';

// pppd(8), exit status. It counts as a hangup what the peer ends, or what it finds silent.
export const Exit = {
  signal: 5,
  negotiation: 10,
  idle: 12,
  maxConnect: 13,
  hangup: 16,
  peerAuthFailed: 11,
  authFailed: 19,
};

/** Pings without a loss, once all losses are got over. */
const AT_LAST = 300;

/** Both ends ping each other, small and with all that the link takes. */
export async function pingBothWays({ end, peer }: Meeting, terms: PppTerms): Promise<void> {
  const mtu = Number(await peer.guest.exec('cat /sys/class/net/ppp0/mtu'));
  const size = Math.min(mtu, terms.mtu);
  const { local = '', peer: remote = '' } = terms.ipv4 ?? {};
  await end.ping(local, remote);
  await end.ping(local, remote, size);
  assert.match(await peer.guest.exec(`ping -c1 -W5 -s ${size - 28} -M do ${local}`), /1 received/);
}

/** Stateful MPPE: losses of either direction are noticed, asked about and got over; and so are flag packets. */
export async function recoversFromLosses(meeting: Meeting): Promise<void> {
  const { end, peer } = meeting;
  const terms = await end.up();
  assert.deepEqual([terms.mppe.send?.stateless, terms.mppe.receive?.stateless], [false, false]);
  const { local = '', peer: remote = '' } = terms.ipv4 ?? {};
  await end.ping(local, remote);
  for (const lost of [1, 3]) {
    // Each of its answers to a ping is a frame: the next one shows the gap.
    end.lose.in = lost;
    await peer.guest.exec(`ping -c${lost} -W0.2 -i0.1 ${local} || true`);
    await end.ping(local, remote);
    end.lose.out = lost;
    await end.ping(local, remote);
    await pingBothWays(meeting, terms);
  }
  assert.ok(end.resets.waited > 0, 'we missed frames');
  assert.ok(end.resets.asked > 0, 'pppd missed frames');
  // With patience, or ping waits for its last answer two milliseconds: then it may send more than these.
  const said = await peer.guest.exec(`ping -w30 -c${AT_LAST} -i0.002 ${local}`);
  const answered = new Set([...said.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, number]) => Number(number)));
  assert.deepEqual(
    Array.from({ length: AT_LAST }, (_, i) => i + 1).filter((number) => !answered.has(number)),
    [],
  );
}

export async function refused({ end, pppd }: Meeting, reason: RegExp, code: number | undefined): Promise<void> {
  const { reason: told } = await end.ended();
  assert.match(`${told.cause}: ${told.detail}`, reason);
  assert.equal((await pppd.ended).code, code);
}

export async function endsOrderly({ end, pppd }: Meeting, goodbye: string): Promise<void> {
  await pppd.signal('TERM');
  const { reason } = await end.ended();
  assert.deepEqual(reason, { cause: 'peer', detail: `the peer said goodbye: ${goodbye}` });
  assert.equal((await pppd.ended).code, Exit.signal);
}

export const comesUp = async (meeting: Meeting): Promise<void> => await pingBothWays(meeting, await meeting.end.up());
