/** Silence is no refusal: a client that is told nothing tries again, and one that is told no does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { admission, PASSWORD } from '../test/auth-ends.ts';
import { network } from '../test/ends.ts';
import { bytes, hex } from '../test/hex.ts';
import { mppe128, Pair } from '../test/pair.ts';
import { type AuthMethod, clientAuth, serverAuth } from './auth/offers.ts';
import type { PppVerdict } from './face.ts';

// Time enough for each part to give up by itself.
const handshakeWindow = 120_000;

/** Both ends with real passwords. The client hears nothing from the first frame on that starts with one of `lost`, in hexadecimal. */
function pairOf(method: AuthMethod, lost: readonly string[] = []): Pair {
  const own = { username: 'alice', password: PASSWORD, methods: [method], random: seededRandom(3) };
  const mppe = method === 'mschapv2' || method === 'eap' ? mppe128 : undefined;
  const server = serverAuth({ random: seededRandom(4), name: 'gateway', methods: [method] });
  const pair = new Pair({ auth: clientAuth(own), mppe, handshakeWindow }, { auth: server, mppe, handshakeWindow });
  pair.server.judge = (claim): PppVerdict => ({ ...admission(claim), network });
  const handleDatagram = pair.client.handleDatagram.bind(pair.client);
  let isDeaf = false;
  pair.client.handleDatagram = (frame, path, now) => {
    isDeaf ||= lost.some((one) => hex(frame).startsWith(`ff03${one}`));
    if (!isDeaf) handleDatagram(frame, path, now);
  };
  return pair;
}

for (const [what, method, lost, detail] of [
  ['no challenge', 'mschapv2', ['c22301'], /sent no challenge/],
  ['no verdict on an answer', 'mschapv2', ['c22303'], /did not judge our answer/],
  ['no verdict on a password', 'pap', ['c02302'], /did not answer to name and password/],
  ['no request of EAP', 'eap', ['c22701'], /stopped talking EAP/],
  ['no CCP', 'mschapv2', ['80fd'], /encryption is required: the peer does not answer CCP/],
  ['no addresses', 'pap', ['8021', '8057'], /does not answer IP/],
] as const) {
  test(`${what} for half a minute is a link that was lost`, () => {
    const [client, server] = pairOf(method, lost).open().run(100_000).reasons();
    assert.equal(client?.cause, 'lost');
    assert.match(client?.detail ?? '', detail);
    assert.notEqual(server?.cause, 'refused');
  });
}

test('a server that hears no answer has not refused anybody', () => {
  const pair = pairOf('mschapv2');
  pair.server.handleDatagram = ((handle) => (frame, path, now) => {
    if (!hex(frame).startsWith('ff03c22302')) handle(frame, path, now);
  })(pair.server.handleDatagram.bind(pair.server));
  const [client, server] = pair.open().run(100_000).reasons();
  assert.deepEqual(server, { cause: 'lost', detail: 'the peer did not answer our challenge' });
  assert.notEqual(client?.cause, 'refused');
});

const words = (text: string) => hex(Buffer.from(text));
const windows = (code: string) => `11223344003ccd740000${code}`;

for (const [what, body, cause] of [
  ['of a server that restarts', words('server is going down'), 'peer'],
  ['without a word', '', 'peer'],
  ['after too long a time, by Windows', windows('02ce'), 'peer'],
  ['of pppd after a wrong password', words('Authentication failed'), 'refused'],
  ['of Windows after a wrong password', windows('02b3'), 'refused'],
  ['of Windows to an account that may not dial in', windows('0289'), 'refused'],
] as const) {
  test(`a goodbye while we authenticate ourselves, ${what}: ${cause}`, () => {
    const pair = pairOf('mschapv2', ['c22303', 'c22304']).open().run(1_000);
    assert.equal(pair.client.session.phase, 'authenticate');
    const length = (4 + body.length / 2).toString(16).padStart(4, '0');
    pair.client.session.handleFrame(bytes(`ff03 c021 0577 ${length} ${body}`), pair.link.now);
    pair.run(10_000);
    assert.equal(pair.reasons()[0]?.cause, cause);
  });
}

test('a wrong password is a refusal', () => {
  const pair = pairOf('mschapv2');
  pair.server.judge = () => ({ kind: 'refused', code: 691, message: 'no', retry: false });
  assert.equal(pair.open().run().reasons()[0]?.cause, 'refused');
});

for (const [how, frame] of [
  ['rejects', '0402 000a 120601000040'],
  ['ends', '0577 0004'],
] as const) {
  test(`a peer that ${how} CCP refuses a client that requires encryption`, () => {
    const pair = pairOf('mschapv2', ['80fd']).open().run(1_000);
    assert.equal(pair.client.session.phase, 'network');
    const asked = pair.client.sent.map(hex).findLast((one) => one.startsWith('ff0380fd01')) ?? '';
    // A Reject answers our request by its number.
    const id = asked.slice(10, 12);
    pair.client.session.handleFrame(
      bytes(`ff03 80fd ${how === 'rejects' ? frame.replace('0402', `04${id}`) : frame}`),
      pair.link.now,
    );
    pair.run(10_000);
    assert.equal(pair.reasons()[0]?.cause, 'refused');
    assert.match(pair.reasons()[0]?.detail ?? '', /encryption is required/);
  });
}

test('so does one that does not know CCP', () => {
  const pair = pairOf('mschapv2', ['80fd']).open().run(1_000);
  pair.client.session.handleFrame(bytes('ff03 c021 0877 000a 80fd 01010004'), pair.link.now);
  pair.run(10_000);
  assert.equal(pair.reasons()[0]?.cause, 'refused');
});
