/** What tests of PPTP, in both directions, do with guests. */
import assert from 'node:assert/strict';
import type { Guest } from '@culvert/testkit';
import { pings } from '../ppp/steps.ts';

/** A guest handles two to three megabytes a second. */
export const BYTES = 100_000_000;
const MOST_TRIES = 3;
/** For a call that does not come up, on a busy machine: longer than the guest waits, so that it tells what was said. */
export const CALL = 240_000;
/** Of many pings. */
const PINGS = 120_000;
/** What goes through where one packet in ten is lost: enough for some losses each way. */
export const FEW_BYTES = 100_000;
/** With state a loss costs all packets up to the answer of the one that is asked. */
export const SOME_BYTES = 1_000_000;

/**
 * Where one packet in ten is lost, one call in a hundred comes to nothing: pppd ends what had its CCP open when our request comes again,
 * and for how long we spare it that is a bargain (ppp/src/network-phase.ts). Then it is made again, as its user would.
 *
 * @param clear what is left of one that failed
 */
export async function inLoss<T>(call: () => Promise<T>, clear: () => Promise<unknown>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (tries === MOST_TRIES) throw error;
      await clear();
    }
  }
}

/**
 * Where packets are lost and MPPE has state, each loss costs all packets up to the answer of the one that asks for a new state, so that
 * TCP takes from seconds to minutes for ten kilobytes. That the link goes on is seen by pings, from the first to the last ones.
 */
export async function someAnswered(guest: Guest, address: string): Promise<void> {
  const said = await guest.exec(`ping -c 160 -i 0.1 -W 1 ${address} || :`, PINGS);
  const numbers = [...said.matchAll(/icmp_seq=(\d+)/g)].map(([, number]) => Number(number));
  assert.ok(numbers.length >= 3 && numbers.some((number) => number > 40), said);
}

/** Pings of the smallest, and about the largest that the link takes whole, and in fragments. */
export async function pingsOfEachSize(
  guest: Guest,
  mtu: number,
  { ipv4, ipv6 }: { readonly ipv4: string; readonly ipv6: string },
): Promise<void> {
  for (const [address, header] of [
    [ipv4, 28],
    [ipv6, 48],
  ] as const) {
    const most = mtu - header;
    for (const size of [0, 1, most - 1, most, most + 1, 4_000]) {
      await pings(guest, [address], { count: 2, size });
    }
  }
}
