/** One row of the table: pppd with these words, a session with these options, and what comes of it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Millis } from '@culvert/base';
import { eventually, seededRandom } from '@culvert/testkit';
import {
  type AuthClaim,
  type ClientAuthOptions,
  clientAuth,
  type NetworkConfig,
  type PppClientOptions,
  type PppServerOptions,
  type PppSessionOptions,
  type PppVerdict,
  type ServerAuthOptions,
  serverAuth,
} from '../../src/index.ts';
import { admission, PASSWORD } from '../auth-ends.ts';
import type { Pppd, PppdGuest } from './pppd-guest.ts';
import { SerialEnd } from './serial-end.ts';

export const network: NetworkConfig = {
  ipv4: { local: '10.99.0.1', peer: '10.99.0.7', dns: ['10.99.0.53', '10.99.0.54'] },
  ipv6: { prefix: 'fd00:99:0:7::/64', dns: ['fd00:99::53'] },
};

/** Its one request (`lcp-max-configure 1`) waits for a second. */
const GIVEN_UP: Millis = 2_000;

export interface Meeting {
  readonly end: SerialEnd;
  readonly pppd: Pppd;
  readonly peer: PppdGuest;
}

export interface Case {
  readonly name: string;
  /** Options of pppd. */
  readonly pppd: string;
  readonly session: (peer: PppdGuest) => PppSessionOptions;
  /** What a server gives. */
  readonly network?: NetworkConfig;
  /** pppd waits for our first frame, instead of we for its: from its start, or once it has given up asking. */
  readonly first?: 'at once' | 'late';
  check(meeting: Meeting): Promise<void>;
}

export function server(more: Partial<PppServerOptions> = {}, auth: Partial<ServerAuthOptions> = {}): PppServerOptions {
  const random = seededRandom(1);
  return { role: 'server', random, auth: serverAuth({ random, name: 'gateway', ...auth }), ...more };
}

export function client(more: Partial<PppClientOptions> = {}, auth: Partial<ClientAuthOptions> = {}): PppClientOptions {
  const random = seededRandom(2);
  const offers = clientAuth({ random, username: 'alice', password: PASSWORD, ...auth });
  return { role: 'client', random, auth: offers, ipv4: { dns: true }, ipv6: {}, ...more };
}

export async function runCase(t: TestContext, peer: PppdGuest, one: Case): Promise<void> {
  const given = one.network ?? network;
  const judge = (claim: AuthClaim): PppVerdict => {
    const verdict = admission(claim);
    return verdict.kind === 'admitted' ? { ...verdict, network: given } : verdict;
  };
  const end = new SerialEnd(peer.guest.serial, one.session(peer), judge);
  const pppd = peer.start(one.pppd);
  try {
    if (one.first !== 'at once') await eventually('pppd says something', () => end.hasHeard);
    if (one.first === 'late') await setTimeout(GIVEN_UP);
    end.open();
    await one.check({ end, pppd, peer });
    assert.deepEqual({ ...end.decoder.stats, frames: 0 }, { frames: 0, wrong: 0, tooLong: 0, aborted: 0 });
    assert.equal(end.session.stats.malformed, 0);
  } catch (error) {
    await pppd.signal('KILL');
    const { log } = await pppd.ended;
    t.diagnostic(
      `our events: ${JSON.stringify(
        end.events.map(({ kind, ...rest }) => [kind, rest]),
        withoutBytes,
      )}`,
    );
    t.diagnostic(`pppd: ${log}`);
    throw error;
  } finally {
    if (!pppd.hasEnded) await pppd.signal('KILL');
    await pppd.ended;
    end.dispose();
  }
}

/** Keys and challenges are long. */
function withoutBytes(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `${value.length} bytes` : value;
}
