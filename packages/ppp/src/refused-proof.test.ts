/** A server that asks for a proof which is not allowed: however it goes on, the end says what it asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { seededRandom } from '@culvert/testkit';
import { PASSWORD } from '../test/auth-ends.ts';
import { clientOptions } from '../test/ends.ts';
import { bytes, hex } from '../test/hex.ts';
import { type AuthMethod, clientAuth, type EapMethod } from './auth/offers.ts';
import { PppSession } from './session.ts';

const TERMINATE = `ff03c021 0509000a ${hex(Buffer.from('no way'))}`;

/** A server by hand: it acknowledges whatever we ask for in LCP, and asks for what it is told to. */
class Hand {
  readonly session: PppSession;
  now = 1_000 as Instant;
  #id = 0;
  #asks = '';
  #heard: string[] = [];

  constructor(methods: readonly AuthMethod[], eap?: readonly EapMethod[]) {
    const auth = clientAuth({ random: seededRandom(3), username: 'alice', password: PASSWORD, methods, eap });
    this.session = new PppSession(clientOptions({ auth }));
    this.session.open(this.now);
    this.#listen();
  }

  /** Sends a Configure-Request with these options; what comes back, as codes. */
  ask(options: string): string {
    this.#asks = options.replaceAll(' ', '');
    const length = (4 + this.#asks.length / 2).toString(16).padStart(4, '0');
    const id = (this.#id++).toString(16).padStart(2, '0');
    return this.say(`ff03c021 01${id}${length} ${this.#asks}`);
  }
  say(frame: string): string {
    this.session.handleFrame(bytes(frame), this.now);
    return this.#listen();
  }
  pass(time: number): void {
    for (const end = this.now + time; this.now < end; ) {
      this.now = (this.now + 500) as Instant;
      this.session.handleTimeout(this.now);
      this.#listen();
    }
  }
  /** Why it ended, if so. */
  get reason(): string | undefined {
    for (let e = this.session.pollEvent(); e !== undefined; e = this.session.pollEvent())
      if (e.kind === 'down') return `${e.reason.cause}: ${e.reason.detail}`;
    return undefined;
  }

  #listen(): string {
    this.#heard = [];
    for (let f = this.session.pollTransmit(); f !== undefined; f = this.session.pollTransmit()) {
      const text = hex(f);
      this.#heard.push(text.slice(4));
      if (text.startsWith('ff03c02101'))
        this.session.handleFrame(bytes(text.replace('ff03c02101', 'ff03c02102')), this.now);
      if (text.startsWith('ff03c02105'))
        this.session.handleFrame(bytes(`ff03c02106${text.slice(10, 12)}0004`), this.now);
    }
    return this.#heard.join(' ');
  }
}

const PAP = '0304c023';
const CHAP = '0305c22305';
const sentence = 'refused: the server asks for PAP, which is not allowed here (allowed: MS-CHAPv2)';

test('a server that asks for PAP is told what would do', () => {
  assert.match(new Hand(['mschapv2']).ask(PAP), /^c02103000009 ?0305c22381/);
});

test('it says goodbye', () => {
  const hand = new Hand(['mschapv2']);
  hand.ask(PAP);
  hand.say(TERMINATE);
  hand.pass(10_000);
  assert.equal(hand.reason, `${sentence}; the peer said goodbye: no way`);
});

test('it asks for nothing then', () => {
  const hand = new Hand(['mschapv2']);
  hand.ask(PAP);
  hand.ask(CHAP);
  hand.ask('');
  hand.pass(10_000);
  assert.equal(
    hand.reason,
    'refused: the server asks for PAP, then CHAP with MD5, which are not allowed here (allowed: MS-CHAPv2), and for nothing else after that',
  );
});

test('it asks for ever', () => {
  const hand = new Hand(['mschapv2']);
  for (let n = 0; n < 200 && hand.session.phase === 'establish'; n++) {
    hand.ask(PAP);
    hand.pass(1_000);
  }
  assert.equal(hand.reason, `${sentence}; the peer did not agree to LCP in time`);
});

test('it hangs up', () => {
  const hand = new Hand(['mschapv2']);
  hand.ask(PAP);
  hand.session.carrierLost(hand.now);
  assert.equal(hand.reason, `${sentence}; the connection below PPP ended`);
});

test('what was refused first is no reason once something was agreed on', () => {
  const hand = new Hand(['mschapv2']);
  hand.ask('0304c227');
  hand.ask('0305c22381');
  assert.equal(hand.session.phase, 'authenticate');
  hand.session.carrierLost(hand.now);
  assert.equal(hand.reason, 'lost: the connection below PPP ended');
});

test('our own end is our own', () => {
  const hand = new Hand(['mschapv2']);
  hand.ask(PAP);
  hand.session.close({ cause: 'operator', detail: 'stopped' }, hand.now);
  hand.pass(10_000);
  assert.equal(hand.reason, 'operator: stopped');
});

for (const [how, end, rest] of [
  ['a Failure', 'ff03c227 04030004', ''],
  ['a goodbye', TERMINATE, '; the peer said goodbye: no way'],
] as const) {
  test(`a method inside EAP that is not allowed, and ${how}`, () => {
    const hand = new Hand(['eap'], ['mschapv2']);
    hand.ask('0304c227');
    // MD5 with a challenge: the answer is a Nak that wants MSCHAPv2 (RFC 3748, section 5.3.1).
    assert.equal(hand.say(`ff03c227 01020016 0410${'00'.repeat(16)}`), 'c22702020006031a');
    hand.say(end);
    hand.pass(10_000);
    assert.equal(
      hand.reason,
      `refused: the server asks for EAP with MD5, which is not allowed here (allowed: EAP with MSCHAPv2)${rest}`,
    );
  });
}
