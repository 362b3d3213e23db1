/** pptp-linux with pppd calls us by PPTP. The hosts are drawn in pptp/lab.ts. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { labIsPossible, missingForLab } from '@culvert/testkit';
import { pings, saidOf, transfer, type Up, upsOf } from './ppp/steps.ts';
import { callers, labPrograms, PptpLab, password } from './pptp/lab.ts';
import { BYTES, CALL, FEW_BYTES, inLoss, pingsOfEachSize, SOME_BYTES, someAnswered } from './pptp/steps.ts';

const gateway = { ipv4: '10.99.0.1', ipv6: 'fd99::1' };
const [caller = ''] = callers;

let lab: PptpLab;
before(async () => {
  if (missingForLab(labPrograms).length === 0) lab = await PptpLab.open('client');
});
afterEach((t) => lab?.restore(t));
after(() => lab?.[Symbol.asyncDispose]());

function call(unit: number, from: string, secret: string, options = 'require-mppe-128'): Promise<string> {
  return lab.client.exec(`call ${unit} ${from} '${secret}' ${options}`, CALL);
}

test('MPPE-128, both IP versions, everything arrives, and it ends in order', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  await call(0, caller, password);
  const up = await saidOf<Up>(server, 'up');
  assert.equal(up.facts['encryption'], 'MPPE-128');
  await pings(lab.client, [gateway.ipv4, gateway.ipv6]);
  await pingsOfEachSize(lab.client, up.mtu, gateway);
  await transfer(lab.client, gateway.ipv4, BYTES);
  await transfer(lab.client, gateway.ipv6, FEW_BYTES);
  await lab.client.exec('hang_up 0');
  const closed = await saidOf<{ cause: string }>(server, 'closed');
  assert.equal(closed.cause, 'peer');
});

test('a wrong password is refused, and told on both sides', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  await assert.rejects(call(0, caller, 'guess'), /MS-CHAP authentication failed|Access denied|authentication failed/);
  await server.waitFor(/^event \{"kind":"refused".*"reason":"wrong password"/m);
  assert.doesNotMatch(server.output, /^up /m);
});

test('40 bits are refused, and taken with the switch', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const strict = await lab.serve();
  await assert.rejects(call(0, caller, password, 'require-mppe-40 nomppe-128'), /MPPE/);
  const { reason } = await saidOf<{ reason: { detail: string } }>(strict, 'event(?= .*"kind":"failed")');
  assert.match(reason.detail, /MPPE required/);
  await strict.stop();
  const server = await lab.serve({ strengths: [40] });
  await call(0, caller, password, 'require-mppe-40 nomppe-128');
  assert.equal((await saidOf<Up>(server, 'up')).facts['encryption'], 'MPPE-40');
  await pings(lab.client, [gateway.ipv4, gateway.ipv6]);
  await lab.client.exec('hang_up 0');
});

test('a link comes up and holds where one GRE packet in ten is lost', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  const heal = await lab.loseOneInTen();
  await inLoss(
    () => call(0, caller, password),
    () => lab.client.exec('quiet'),
  );
  await saidOf<Up>(server, 'up');
  await transfer(lab.client, gateway.ipv4, FEW_BYTES);
  await heal();
  await pings(lab.client, [gateway.ipv4, gateway.ipv6]);
  await lab.client.exec('hang_up 0');
});

test('everything arrives where one GRE packet in ten comes late, and nothing is taken for lost', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  await call(0, caller, password);
  await saidOf<Up>(server, 'up');
  const heal = await lab.reorder();
  await pings(lab.client, [gateway.ipv4, gateway.ipv6], { count: 30, interval: 0.01 });
  await transfer(lab.client, gateway.ipv4, SOME_BYTES / 4);
  assert.ok((await heal()) > 10);
  await pings(lab.client, [gateway.ipv4, gateway.ipv6]);
  await lab.client.exec('hang_up 0');
});

test('a link without traffic stays up beyond the time after which a silent peer is gone, and such a peer is noticed', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve({ keepalive: { interval: 750, timeout: 4_000 } });
  await call(0, caller, password);
  await saidOf<Up>(server, 'up');
  // Nothing but time shows it: twice the timeout.
  await lab.client.exec('sleep 8');
  assert.doesNotMatch(server.output, /^closed/m);
  await pings(lab.client, [gateway.ipv4]);
  const heal = await lab.loseAll();
  assert.equal((await saidOf<{ cause: string }>(server, 'closed')).cause, 'lost');
  await heal();
  await lab.client.exec('hang_up 0');
});

test('stateful MPPE is not taken, with the switch it is, and goes on where one GRE packet in ten is lost', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const strict = await lab.serve();
  await call(0, caller, password, 'require-mppe-128 mppe-stateful');
  assert.equal((await saidOf<Up>(strict, 'up')).facts['encryption'], 'MPPE-128');
  await lab.client.exec('hang_up 0');
  await strict.stop();
  const server = await lab.serve({ stateful: 'preferred' });
  await call(0, caller, password, 'require-mppe-128 mppe-stateful');
  assert.equal((await saidOf<Up>(server, 'up')).facts['encryption'], 'MPPE-128 stateful');
  await transfer(lab.client, gateway.ipv4, SOME_BYTES);
  const heal = await lab.loseOneInTen();
  await someAnswered(lab.client, gateway.ipv4);
  await heal();
  await transfer(lab.client, gateway.ipv4, SOME_BYTES);
  await pings(lab.client, [gateway.ipv4, gateway.ipv6]);
  await lab.client.exec('hang_up 0');
});

test('the server restarts, in order and not, and the client comes back', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const server = await lab.serve();
    await call(0, caller, password);
    await saidOf<Up>(server, 'up');
    await server.stop(signal);
    await lab.client.exec('ends 0');
  }
  const server = await lab.serve();
  await call(0, caller, password);
  await pings(lab.client, [gateway.ipv4, gateway.ipv6]);
  await lab.client.exec('hang_up 0');
  await saidOf(server, 'closed');
});

test('twenty clients at once', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  await callAll(callers);
  assert.equal((await upsOf(server, callers.length)).length, callers.length);
  for (const unit of callers.keys()) {
    await pings(lab.client, [gateway.ipv4, gateway.ipv6], { count: 2, device: `ppp${unit}` });
  }
  await hangUpAll(callers.length);
});

test('two clients behind one address', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  const show = await lab.hideGuests();
  await callAll(callers.slice(0, 2));
  const remotes = (await upsOf(server, 2)).map(({ remote }) => remote.address);
  assert.deepEqual(remotes, ['198.51.100.1', '198.51.100.1']);
  for (const unit of [0, 1]) {
    await pings(lab.client, [gateway.ipv4, gateway.ipv6], { count: 5, device: `ppp${unit}` });
  }
  await hangUpAll(2);
  await show();
});

test('a second process shares the control connection of the first, and either ends alone', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  await call(0, caller, password);
  await call(1, caller, password);
  for (const unit of [0, 1]) await pings(lab.client, [gateway.ipv4], { count: 2, device: `ppp${unit}` });
  await lab.client.exec('hang_up 0');
  assert.equal((await saidOf<{ cause: string }>(server, 'closed')).cause, 'peer');
  await pings(lab.client, [gateway.ipv4, gateway.ipv6], { count: 2, device: 'ppp1' });
  await lab.client.exec('hang_up 1');
  await server.stop();
  const { connections, neverCalled } = await saidOf<Record<string, number>>(server, 'stats');
  assert.deepEqual([connections, neverCalled], [1, 0]);
});

async function callAll(from: readonly string[]): Promise<void> {
  const starts = from.map((address, unit) => `start ${unit} ${address} '${password}' require-mppe-128`);
  const units = from.map((_, unit) => unit).join(' ');
  await lab.client.exec(`${starts.join('\n')}\nfor n in ${units}; do tells $n || exit 1; done`, CALL);
}

async function hangUpAll(count: number): Promise<void> {
  const units = Array.from({ length: count }, (_, unit) => unit);
  await lab.client.exec(
    [...units.map((unit) => `kill $(cat /run/pid.${unit})`), ...units.map((unit) => `ends ${unit} || exit 1`)].join(
      '\n',
    ),
  );
}
