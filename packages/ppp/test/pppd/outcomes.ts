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

/** Both ends ping each other, small and with all that the link takes. */
export async function pingBothWays({ end, peer }: Meeting, terms: PppTerms): Promise<void> {
  const mtu = Number(await peer.guest.exec('cat /sys/class/net/ppp0/mtu'));
  const size = Math.min(mtu, terms.mtu);
  const { local = '', peer: remote = '' } = terms.ipv4 ?? {};
  await end.ping(local, remote);
  await end.ping(local, remote, size);
  assert.match(await peer.guest.exec(`ping -c1 -W5 -s ${size - 28} -M do ${local}`), /1 received/);
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
