/** What tests of PPP's transports, in both directions, do with guests and our ends. */
import assert from 'node:assert/strict';
import { eventually, type Guest, type HostProcess } from '@culvert/testkit';
import { expectedHash } from '../traffic.ts';

const PORT = 7_000;
/** A guest handles two to three megabytes a second, and a third of that on a busy machine. */
const TRANSFER = 300_000;

/** What our end says when a link is up. */
export interface Up {
  readonly facts: Readonly<Record<string, string>>;
  readonly mtu: number;
  readonly ipv4?: { readonly address: string; readonly gateway?: string };
  readonly ipv6?: { readonly address: string };
  readonly remote: { readonly address: string };
}

export async function saidOf<T>(end: HostProcess, word: string, within = 120_000): Promise<T> {
  const [, text = ''] = await end.waitFor(new RegExp(`^${word} (.*)$`, 'm'), within);
  return JSON.parse(text) as T;
}

/** What our end says of this many links; it may be told that one is up a moment after its peer is. */
export async function upsOf(end: HostProcess, count: number, within = 120_000): Promise<readonly Up[]> {
  const ups = () => [...end.output.matchAll(/^up (.*)$/gm)].map(([, text = '']) => JSON.parse(text) as Up);
  await eventually(`${count} links are up at our end`, () => ups().length >= count, within);
  return ups();
}

/** Our last word may have been lost: then the guest's pppd is up when it has asked again, later than our end. */
async function hasLink(guest: Guest, address: string): Promise<void> {
  await guest.exec(`wait_for 200 has_link_to ${address}`);
}

/** TCP between the guest and our end, checked by hash both ways. */
export async function transfer(guest: Guest, address: string, bytes: number): Promise<void> {
  await get(guest, address, bytes);
  await put(guest, address, bytes);
}

export async function get(guest: Guest, address: string, bytes: number): Promise<void> {
  await hasLink(guest, address);
  const came = await guest.exec(`get ${address} ${PORT} ${bytes}`, TRANSFER);
  assert.equal(came.slice(0, 64), expectedHash(bytes), `${bytes} bytes from ours`);
}

export async function put(guest: Guest, address: string, bytes: number): Promise<void> {
  await hasLink(guest, address);
  const [sent = '', received = ''] = (await guest.exec(`put ${address} ${PORT} ${bytes}`, TRANSFER)).split('\n');
  assert.equal(JSON.parse(received).hash, sent.slice(0, 64), `${bytes} bytes to ours`);
}

/** Of so many ends at once, each sends this many bytes to the guest and gets them back: the hash of what comes tells of both ways. */
export async function backAndForth(guest: Guest, addresses: readonly string[], bytes: number): Promise<void> {
  const said = await guest.exec(`back_and_forth ${PORT} ${bytes} ${addresses.join(' ')}`, TRANSFER);
  const hashes = [...said.matchAll(/^(\S+) (\{.*\})$/gm)].map(([, address = '', words = '']) => {
    return [address, JSON.parse(words).hash] as const;
  });
  assert.deepEqual(
    Object.fromEntries(hashes),
    Object.fromEntries(addresses.map((each) => [each, expectedHash(bytes)])),
  );
}

/** Seconds for a round of pings. Without them ping waits for its last answer no longer than two round trips take. */
const PATIENCE = 15;

export interface Pings {
  readonly count: number;
  /** Seconds from one to the next. @default 0.05 */
  readonly interval?: number;
  /** Bytes of payload. @default 56 */
  readonly size?: number;
  /** The device that they leave by. */
  readonly device?: string;
}

/** Of three rounds one is answered whole: a tunnel may lose a datagram, but one that cannot carry this size or version loses all. */
export async function pings(guest: Guest, addresses: readonly string[], how: Pings = { count: 5 }): Promise<void> {
  const { count, interval = 0.05, size = 56, device } = how;
  const from = device === undefined ? '' : `-I ${device}`;
  const words = `-w ${Math.ceil(count * interval) + PATIENCE} -c ${count} -i ${interval} -s ${size} ${from}`;
  for (const address of addresses) {
    await hasLink(guest, address);
    const rounds: string[] = [];
    do rounds.push(await guest.exec(`ping ${words} ${address} || :`));
    while (!isWhole(rounds.at(-1) ?? '', count) && rounds.length < 3);
    assert.ok(isWhole(rounds.at(-1) ?? '', count), rounds.join('\n'));
  }
}

/** With patience ping goes on until it has enough answers: the first `count` are meant. Those of less than a timestamp have no time. */
function isWhole(said: string, count: number): boolean {
  const answered = new Set([...said.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, number]) => Number(number)));
  return Array.from({ length: count }, (_, i) => i + 1).every((number) => answered.has(number));
}
