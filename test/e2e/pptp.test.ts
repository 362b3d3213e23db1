/** Our PPTP against pptp-linux and pptpd with pppd, both ways. The hosts are drawn in pptp/lab.ts. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { eventually, type Guest, type HostProcess, labIsPossible, missingForLab } from '@culvert/testkit';
import { callers, inner, labPrograms, PptpLab, password } from './pptp/lab.ts';
import { expectedHash } from './traffic.ts';

const BYTES = 100_000_000;
/** For those: a guest handles two to three megabytes a second. */
const TRANSFER = 120_000;
/** What goes through where one packet in ten is lost: enough for some losses each way. */
const FEW_BYTES = 100_000;
const PORT = 7_000;
const gateway = { ipv4: '10.99.0.1', ipv6: 'fd99::1' };
const [caller = ''] = callers;

let lab: PptpLab;
before(async () => {
  if (missingForLab(labPrograms).length === 0) lab = await PptpLab.open();
});
afterEach(() => lab?.endOurs());
after(() => lab?.[Symbol.asyncDispose]());

interface Up {
  readonly facts: Readonly<Record<string, string>>;
  readonly mtu: number;
  readonly ipv4?: { readonly address: string };
  readonly ipv6?: { readonly address: string };
}

async function saidOf<T>(end: HostProcess, word: string, within = 30_000): Promise<T> {
  const [, text = ''] = await end.waitFor(new RegExp(`^${word} (.*)$`, 'm'), within);
  return JSON.parse(text) as T;
}

function call(unit: number, from: string, secret: string, options = 'require-mppe-128'): Promise<string> {
  return lab.client.exec(`call ${unit} ${from} '${secret}' ${options}`);
}

/** TCP between the guest and our end, checked by hash both ways. */
async function transfer(guest: Guest, address: string, bytes: number): Promise<void> {
  await get(guest, address, bytes);
  await put(guest, address, bytes);
}

async function get(guest: Guest, address: string, bytes: number): Promise<void> {
  const came = await guest.exec(`get ${address} ${PORT} ${bytes}`, TRANSFER);
  assert.equal(came.slice(0, 64), expectedHash(bytes), `${bytes} bytes from ours`);
}

async function put(guest: Guest, address: string, bytes: number): Promise<void> {
  const [sent = '', received = ''] = (await guest.exec(`put ${address} ${PORT} ${bytes}`, TRANSFER)).split('\n');
  assert.equal(JSON.parse(received).hash, sent.slice(0, 64), `${bytes} bytes to ours`);
}

/** Of three rounds one is answered whole: a tunnel may lose a datagram, but one that cannot carry this size or version loses all. */
async function pings(guest: Guest, addresses: readonly string[], words = '-c 5 -i 0.05 -W 2'): Promise<void> {
  for (const address of addresses) {
    const rounds: string[] = [];
    do rounds.push(await guest.exec(`ping ${words} ${address} || :`));
    while (!/ 0% packet loss/.test(rounds.at(-1) ?? '') && rounds.length < 3);
    assert.match(rounds.at(-1) ?? '', / 0% packet loss/, rounds.join('\n'));
  }
}

/** From our end. pppd may be up a moment after us: what comes to it before is dropped. */
async function answers(address: string): Promise<void> {
  await eventually(`an answer of ${address}`, async () => {
    return (await lab.ours.spawn('ping', ['-c1', '-W1', address]).exited).code === 0;
  });
  await lab.ours.exec('ping', ['-c3', '-i.1', address]);
}

test('pptp-linux: MPPE-128, both IP versions, everything arrives, and it ends in order', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  await call(0, caller, password);
  const up = await saidOf<Up>(server, 'up');
  assert.equal(up.facts['encryption'], 'MPPE-128');
  await pings(lab.client, [gateway.ipv4, gateway.ipv6]);
  for (const size of [0, 1, up.mtu - 29, up.mtu - 28, up.mtu - 27, 4_000]) {
    await pings(lab.client, [gateway.ipv4, gateway.ipv6], `-c 2 -i 0.05 -W 2 -s ${size}`);
  }
  await transfer(lab.client, gateway.ipv4, BYTES);
  await transfer(lab.client, gateway.ipv6, FEW_BYTES);
  await lab.client.exec('hang_up 0');
  const closed = await saidOf<{ cause: string }>(server, 'closed');
  assert.equal(closed.cause, 'peer');
});

test('pptp-linux: a wrong password is refused, and told on both sides', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  await assert.rejects(call(0, caller, 'guess'), /MS-CHAP authentication failed|Access denied|authentication failed/);
  await server.waitFor(/^event \{"kind":"refused".*"reason":"wrong password"/m);
  assert.doesNotMatch(server.output, /^up /m);
});

test('pptp-linux: 40 bits are refused, and taken with the switch', async (t) => {
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

test('pptp-linux: a link comes up and holds where one GRE packet in ten is lost', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  const heal = await lab.loseOneInTen();
  await call(0, caller, password);
  await saidOf<Up>(server, 'up');
  await transfer(lab.client, gateway.ipv4, FEW_BYTES);
  await heal();
  await pings(lab.client, [gateway.ipv4, gateway.ipv6]);
  await lab.client.exec('hang_up 0');
});

test('pptp-linux: the server restarts, in order and not, and the client comes back', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const server = await lab.serve();
    await call(0, caller, password);
    await saidOf<Up>(server, 'up');
    await server.stop(signal);
    await lab.client.exec('wait_for 100 is_over 0');
  }
  const server = await lab.serve();
  await call(0, caller, password);
  await pings(lab.client, [gateway.ipv4, gateway.ipv6]);
  await lab.client.exec('hang_up 0');
  await saidOf(server, 'closed');
});

test('pptp-linux: twenty clients at once', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  await callAll(callers);
  assert.equal(server.output.match(/^up /gm)?.length, callers.length);
  for (const unit of callers.keys()) {
    await pings(lab.client, [gateway.ipv4, gateway.ipv6], `-I ppp${unit} -c 2 -i 0.05 -W 2`);
  }
  await hangUpAll(callers.length);
});

test('pptp-linux: two clients behind one address', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const server = await lab.serve();
  const show = await lab.hideGuests();
  await callAll(callers.slice(0, 2));
  const remotes = [...server.output.matchAll(/^up .*"remote":\{"address":"([^"]*)"/gm)].map(([, address]) => address);
  assert.deepEqual(remotes, ['198.51.100.1', '198.51.100.1']);
  for (const unit of [0, 1]) {
    await pings(lab.client, [gateway.ipv4, gateway.ipv6], `-I ppp${unit} -c 5 -i 0.05 -W 2`);
  }
  await hangUpAll(2);
  await show();
});

async function callAll(from: readonly string[]): Promise<void> {
  const starts = from.map((address, unit) => `start ${unit} ${address} '${password}' require-mppe-128`);
  const units = from.map((_, unit) => unit).join(' ');
  await lab.client.exec(`${starts.join('\n')}\nfor n in ${units}; do tells $n || exit 1; done`);
}

async function hangUpAll(count: number): Promise<void> {
  const units = Array.from({ length: count }, (_, unit) => unit);
  await lab.client.exec(
    [
      ...units.map((unit) => `kill $(cat /run/pid.${unit})`),
      ...units.map((unit) => `wait_for 100 is_over ${unit} || exit 1`),
    ].join('\n'),
  );
}

/** pptpd with these options of pppd's, until the test ends. */
async function withPptpd(options: string, use: () => Promise<void>): Promise<void> {
  await lab.server.exec(`serve <<X\n${options}\nX`);
  try {
    await use();
  } finally {
    await lab.server.exec('stop');
  }
}

test('pptpd: MPPE-128, both IP versions, everything arrives, and we end in order', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128', async () => {
    const client = lab.dial();
    const { facts, ipv4, ipv6 } = await saidOf<Up>(client, 'up');
    assert.equal(facts['encryption'], 'MPPE-128');
    assert.ok(ipv4 !== undefined && ipv6 !== undefined, 'both versions have addresses');
    for (const address of [inner.local, `${inner.prefix}1`]) await answers(address);
    await transfer(lab.server, ipv4.address, BYTES);
    await transfer(lab.server, ipv6.address, FEW_BYTES);
    await client.stop();
    await lab.server.exec('wait_for 50 no_pppd');
    assert.match(await lab.server.exec('cat /run/pppd.log'), /LCP terminated by peer|rcvd \[LCP TermReq/);
  });
});

test('pptpd: a wrong password is told', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128', async () => {
    const { message } = await saidOf<{ message: string }>(lab.dial({ password: 'guess' }), 'failed');
    assert.match(message, /authentication|password|denied/i);
  });
});

test('pptpd: 40 bits are refused, and taken with the switch', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-40\nnomppe-128', async () => {
    const strict = lab.dial();
    const { message } = await saidOf<{ message: string }>(strict, 'failed');
    assert.match(message, /MPPE required/);
    await strict.stop();
    const client = lab.dial({ strengths: [40] });
    assert.equal((await saidOf<Up>(client, 'up')).facts['encryption'], 'MPPE-40');
    await answers(inner.local);
  });
});

test('pptpd: a link comes up and holds where one GRE packet in ten is lost', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128', async () => {
    const heal = await lab.loseOneInTen();
    // IPv4 alone, so that the link is not up before it has an address of that version.
    const { ipv4 } = await saidOf<Up>(lab.dial({ ipv6: false }), 'up');
    // Our last word may have been lost: then pppd is up when it has asked again.
    await lab.server.exec(`wait_for 200 has_link_to ${ipv4?.address}`);
    await put(lab.server, ipv4?.address ?? '', FEW_BYTES / 10);
    await heal();
    await answers(inner.local);
  });
});

test('pptpd: it restarts, and our next call comes up', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  let client: HostProcess | undefined;
  await withPptpd('require-mppe-128', async () => {
    client = lab.dial();
    await saidOf<Up>(client, 'up');
  });
  assert.ok(client !== undefined);
  const { cause } = await saidOf<{ cause: string }>(client, 'closed');
  assert.equal(cause, 'peer');
  await client.stop();
  await withPptpd('require-mppe-128', async () => {
    await saidOf<Up>(lab.dial(), 'up');
    await answers(inner.local);
  });
});
