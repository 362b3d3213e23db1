import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LossyLink, seededRandom } from '@culvert/testkit';
import { admission, PASSWORD } from '../../test/auth-ends.ts';
import { clientOptions, network, SessionEnd, serverOptions } from '../../test/ends.ts';
import { type AuthMethod, clientAuth, serverAuth } from './offers.ts';

const random = seededRandom(7);

/** Whole sessions: what LCP chose, and how both ended. */
function dial(
  client: readonly AuthMethod[] | undefined,
  server: readonly AuthMethod[] | undefined,
  password = PASSWORD,
) {
  const auth = clientAuth({ random, username: 'alice', password, methods: client });
  const ends = [
    new SessionEnd(clientOptions({ auth })),
    new SessionEnd(serverOptions({ auth: serverAuth({ random, name: 'gateway', methods: server }) })),
  ] as const;
  ends[1].judge = (claim) => ({ ...admission(claim), network });
  const link = new LossyLink(ends[0], ends[1], { latency: 5 });
  for (const end of ends) end.session.open(link.now);
  link.settle(20_000);
  const ups = link.events.map((events) => events.find((event) => event.kind === 'up'));
  const downs = link.events.map((events) => events.find((event) => event.kind === 'down'));
  return { methods: ups.map((event) => event?.terms.method), downs: downs.map((event) => event?.reason.detail) };
}

test('MS-CHAPv2 is the one method unless others are asked for', () => {
  assert.deepEqual(dial(undefined, undefined).methods, ['mschapv2', 'mschapv2']);
  assert.deepEqual(dial(['pap'], undefined).methods, [undefined, undefined]);
  assert.deepEqual(dial(undefined, ['pap', 'chap-md5']).methods, [undefined, undefined]);
});

test("LCP finds the best of the server's methods that the client has", () => {
  assert.deepEqual(dial(['pap', 'chap-md5'], ['mschapv2', 'chap-md5', 'pap']).methods, ['pap', 'pap']);
  assert.deepEqual(dial(['chap-md5'], ['mschapv2', 'pap', 'chap-md5']).methods, ['chap-md5', 'chap-md5']);
});

test('a wrong password ends the link, with the reason at both ends', () => {
  for (const method of ['mschapv2', 'chap-md5', 'pap'] as const) {
    const { methods, downs } = dial([method], [method], 'guess');
    assert.deepEqual(methods, [undefined, undefined]);
    assert.match(downs[0] ?? '', /wrong name or password/);
    assert.equal(downs[1], 'alice was refused');
  }
});

test('a password that PAP cannot carry is refused before dialling, where PAP is a method', () => {
  const long = { random, username: 'alice', password: 'x'.repeat(256) };
  assert.throws(() => clientAuth({ ...long, methods: ['mschapv2', 'pap'] }), RangeError);
  assert.equal(clientAuth(long).length, 1);
});
