/** Both roles over a wire that loses, repeats, reorders and changes frames: they come up, or say why. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant, Machine, Path, Transmit } from '@culvert/base';
import { LossyLink, type LossyLinkOptions, seededRandom, simulatedPath } from '@culvert/testkit';
import { admission, PASSWORD } from '../test/auth-ends.ts';
import { network } from '../test/ends.ts';
import { bytes } from '../test/hex.ts';
import { mppe128, Pair } from '../test/pair.ts';
import { clientAuth, serverAuth } from './auth/offers.ts';
import { CcpPolicy } from './ccp-policy.ts';
import { Code, type ControlEvent } from './control-face.ts';
import { ControlProtocol } from './control-protocol.ts';

const secret = { name: 'culvert', username: 'alice', password: PASSWORD } as const;
const methods = ['mschapv2'] as const;

for (const seed of [1, 2, 3, 5, 8, 13, 21, 34]) {
  test(`a link comes up with MS-CHAPv2 and MPPE over a wire that loses, repeats and reorders (seed ${seed})`, () => {
    const wire = { seed, latency: 40, jitter: 60, drop: 0.2, duplicate: 0.1, reorder: 0.1 };
    const auth = { random: seededRandom(seed), methods, ...secret };
    const client = { mppe: mppe128, auth: clientAuth(auth) };
    const pair = new Pair(client, { mppe: mppe128, auth: serverAuth(auth) }, wire);
    pair.server.judge = (claim) => ({ ...admission(claim), network });
    pair.open();
    const up = () => pair.clientTerms?.ipv4 !== undefined && pair.serverTerms?.ipv4 !== undefined;
    assert.ok(pair.link.until(up, 60_000), JSON.stringify(pair.reasons()));
    assert.deepEqual(pair.clientTerms?.ipv4?.local, '10.99.0.7');
    assert.deepEqual(pair.clientTerms?.mppe.send, pair.serverTerms?.mppe.receive);
    assert.equal(pair.clientTerms?.method, 'mschapv2');
  });

  test(`where bits flip too, both ends agree or say why (seed ${seed})`, () => {
    const wire = { seed, latency: 40, jitter: 60, drop: 0.1, duplicate: 0.1, reorder: 0.1, corrupt: 0.1 };
    const pair = new Pair({ mppe: mppe128 }, { mppe: mppe128 }, wire).open();
    const settled = () => pair.reasons().some((reason) => reason !== undefined) || pair.clientTerms?.ipv4 !== undefined;
    assert.ok(pair.link.until(settled, 120_000));
    assert.ok(pair.serverTerms?.ipv4 === undefined || pair.serverTerms.ipv4.peer === '10.99.0.7');
  });
}

/**
 * A client as pppd: it says a response when it is asked and not again, throws away what belongs to the network phase while it waits for the Success, and knows
 * no other way to learn of it.
 */
function likePppd(auth: 'mschapv2' | 'eap', seed: number, wire: LossyLinkOptions) {
  const common = { methods: [auth], eap: ['md5'] as const, ...secret };
  const client = { auth: clientAuth({ random: seededRandom(seed), ...common }), mppe: undefined };
  const server = { auth: serverAuth({ random: seededRandom(seed + 1), ...common }), mppe: undefined };
  const pair = new Pair(client, server, wire);
  pair.server.judge = (claim) => ({ ...admission(claim), network });
  const end = pair.client;
  const [handle, expire, poll] = [end.handleDatagram, end.handleTimeout, end.pollTransmit].map((one) =>
    one.bind(end),
  ) as [typeof end.handleDatagram, typeof end.handleTimeout, typeof end.pollTransmit];
  let isAsked = false;
  end.handleDatagram = (frame, path, now) => {
    isAsked = true;
    if (end.session.phase === 'network' || isOf(frame, 0xc0) || isOf(frame, 0xc2)) handle(frame, path, now);
  };
  end.handleTimeout = (now) => {
    isAsked = false;
    expire(now);
  };
  end.pollTransmit = () => {
    let t = poll();
    while (t !== undefined && isOf(t.datagram, 0xc2) && !isAsked) t = poll();
    return t;
  };
  return pair;
}
const isOf = (frame: Uint8Array, first: number) => frame[2] === first;

/** How often the server's Success went out. */
function successes(pair: Pair): number {
  return pair.server.sent.filter((frame) => isOf(frame, 0xc2) && frame[4] === 3).length;
}

/** As that, and no Success ever arrives. */
function likeDeaf(auth: 'mschapv2' | 'eap') {
  const pair = likePppd(auth, 1, { latency: 10 });
  const handle = pair.client.handleDatagram.bind(pair.client);
  let many = 0;
  pair.client.handleDatagram = (frame, path, now) => {
    if (isOf(frame, 0xc2) && frame[4] === 3) many++;
    else handle(frame, path, now);
  };
  return { pair, deaf: () => many };
}

for (const auth of ['mschapv2', 'eap'] as const) {
  test(`${auth}: a client that waits for the Success and says nothing comes up though it was lost`, () => {
    const pair = likePppd(auth, 1, { latency: 10 });
    const handle = pair.client.handleDatagram.bind(pair.client);
    let lost = 0;
    pair.client.handleDatagram = (frame, path, now) => {
      if (isOf(frame, 0xc2) && frame[4] === 3 && lost < 3) lost++;
      else handle(frame, path, now);
    };
    pair.open().run();
    assert.ok(pair.clientTerms?.ipv4 !== undefined && pair.serverTerms?.ipv4 !== undefined);
    assert.equal(successes(pair), 4, 'and no more once the client has begun the network phase');
  });

  test(`${auth}: a Success is not repeated to who heard it, nor once the link ends`, () => {
    const pair = likePppd(auth, 1, { latency: 10 }).open().run();
    assert.equal(successes(pair), 1);
    for (const end of ['close', 'carrier', 'anew'] as const) {
      const { pair, deaf } = likeDeaf(auth);
      pair.open();
      assert.ok(pair.link.until(() => successes(pair) === 2, 5_000));
      if (end === 'close') pair.server.session.close({ cause: 'idle', detail: 'idle' }, pair.link.now);
      else if (end === 'carrier') pair.server.session.carrierLost(pair.link.now);
      else pair.link.inject(1, bytes('ff03c021 0177000a 0506 00112233'));
      pair.run(20_000);
      assert.equal(successes(pair), 2, end);
      assert.ok(deaf() > 0);
    }
  });

  for (const seed of [1, 2, 3, 5, 8, 13, 21, 34]) {
    test(`${auth}: a client that never repeats a response comes up over a wire that loses and reorders (seed ${seed})`, () => {
      const pair = likePppd(auth, seed, { seed, latency: 40, jitter: 60, drop: 0.2, reorder: 0.1 }).open();
      const up = () => pair.clientTerms?.ipv4 !== undefined && pair.serverTerms?.ipv4 !== undefined;
      assert.ok(pair.link.until(up, 60_000), JSON.stringify(pair.reasons()));
    });
  }
}

/** CCP by itself, as a machine of a wire. */
class CcpEnd implements Machine<ControlEvent> {
  readonly control: ControlProtocol;
  /** A request came when it was open already. */
  isAskedAgain = false;
  readonly #path: Path;

  constructor(side: 0 | 1, patience: number) {
    this.control = new ControlProtocol({ policy: new CcpPolicy(mppe128), patience });
    this.#path = simulatedPath(side);
  }
  handleDatagram(datagram: Uint8Array, _path: Path, now: Instant): void {
    if (this.control.isOpen && datagram[0] === Code.configureRequest) this.isAskedAgain = true;
    this.control.handlePacket(datagram, now);
  }
  handleTimeout(now: Instant): void {
    this.control.handleTimeout(now);
  }
  pollTransmit(): Transmit | undefined {
    const datagram = this.control.pollTransmit();
    return datagram && { datagram, path: this.#path };
  }
  pollEvent(): ControlEvent | undefined {
    return this.control.pollEvent();
  }
  pollTimeout(): Instant | undefined {
    return this.control.pollTimeout();
  }
}

/** On how many of `wires` a peer without patience, as pppd is, gets our request when its CCP is open. pppd ends the link over that. */
function askedAgain(wires: number, patience: number): number {
  let many = 0;
  for (let seed = 1; seed <= wires; seed++) {
    const [peer, ours] = [new CcpEnd(0, 0), new CcpEnd(1, patience)];
    const link = new LossyLink<ControlEvent>(peer, ours, { seed, latency: 40, jitter: 20, drop: 0.1 });
    for (const { control } of [peer, ours]) {
      control.open(link.now);
      control.lowerUp(link.now);
    }
    assert.ok(
      link.until(() => peer.control.isOpen && ours.control.isOpen, 60_000),
      `wire ${seed} comes up`,
    );
    link.advance(10_000);
    if (peer.isAskedAgain) many++;
  }
  return many;
}

test('an end that acknowledges last seldom asks a peer that is open already, where one packet in ten is lost', () => {
  const WIRES = 400;
  const [hasty, server, client] = [0, 2, 3].map((patience) => askedAgain(WIRES, patience));
  assert.ok((hasty ?? 0) >= WIRES / 5, `${hasty} of ${WIRES} without patience`);
  assert.ok((server ?? WIRES) <= WIRES / 50, `${server} of ${WIRES} with a server's`);
  assert.ok((client ?? WIRES) <= WIRES / 50, `${client} of ${WIRES} with a client's`);
});

for (const asyncMap of [undefined, 0]) {
  test(`two ends of ours do not wait for each other's Ack ${asyncMap === undefined ? 'at all' : 'for long'}`, () => {
    const options = { mppe: mppe128, asyncMap };
    const pair = new Pair(options, options, { seed: 1, latency: 10 }).open();
    const up = () => pair.clientTerms?.ipv4 !== undefined && pair.serverTerms?.ipv4 !== undefined;
    assert.ok(pair.link.until(up, asyncMap === undefined ? 700 : 4_000));
  });
}
