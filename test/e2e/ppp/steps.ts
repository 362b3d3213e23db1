/** What tests of PPP's transports, in both directions, do with guests and our ends. */
import assert from 'node:assert/strict';
import type { Guest, HostProcess } from '@culvert/testkit';
import { expectedHash } from '../traffic.ts';

const PORT = 7_000;
/** A guest handles two to three megabytes a second. */
const TRANSFER = 120_000;

/** What our end says when a link is up. */
export interface Up {
  readonly facts: Readonly<Record<string, string>>;
  readonly mtu: number;
  readonly ipv4?: { readonly address: string };
  readonly ipv6?: { readonly address: string };
}

export async function saidOf<T>(end: HostProcess, word: string, within = 30_000): Promise<T> {
  const [, text = ''] = await end.waitFor(new RegExp(`^${word} (.*)$`, 'm'), within);
  return JSON.parse(text) as T;
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

/** Of three rounds one is answered whole: a tunnel may lose a datagram, but one that cannot carry this size or version loses all. */
export async function pings(guest: Guest, addresses: readonly string[], words = '-c 5 -i 0.05 -W 2'): Promise<void> {
  for (const address of addresses) {
    await hasLink(guest, address);
    const rounds: string[] = [];
    do rounds.push(await guest.exec(`ping ${words} ${address} || :`));
    while (!/ 0% packet loss/.test(rounds.at(-1) ?? '') && rounds.length < 3);
    assert.match(rounds.at(-1) ?? '', / 0% packet loss/, rounds.join('\n'));
  }
}
