/** We call pptpd with pppd. The hosts are drawn in pptp/lab.ts. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { type HostProcess, labIsPossible, missingForLab } from '@culvert/testkit';
import { reaches } from './office.ts';
import { backAndForth, get, pings, put, saidOf, transfer, type Up, upsOf } from './ppp/steps.ts';
import { inner, labPrograms, ours, PptpLab, places, routerThere } from './pptp/lab.ts';
import { BYTES, FEW_BYTES, inLoss, pingsOfEachSize, SOME_BYTES, someAnswered } from './pptp/steps.ts';

/** Twenty pppd that start at once in a guest, which has one processor, take a quarter of a minute beside other work, and on a slow machine were not through after two. */
const LONG_HANDSHAKE = 240_000;

let lab: PptpLab;
before(async () => {
  if (missingForLab(labPrograms).length === 0) lab = await PptpLab.open('server');
});
afterEach((t) => lab?.restore(t));
after(() => lab?.[Symbol.asyncDispose]());

/** From our end. pppd may be up a moment after us: what comes to it before is dropped. */
async function answers(address: string): Promise<void> {
  await reaches(lab.ours, address);
  await lab.ours.exec('ping', ['-c3', '-i.1', address]);
}

/** pptpd with these options of pppd's, and variables of its role. It ends in order, and with the test where that fails. */
async function withPptpd(options: string, use: () => Promise<void>, variables: object = {}): Promise<void> {
  const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  await lab.server.exec(`${words.join(' ')} serve <<X\n${options}\nX`);
  await use();
  await lab.server.exec('stop');
}

test('MPPE-128, both IP versions, everything arrives, and we end in order', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128', async () => {
    const client = lab.dial();
    const { facts, mtu, ipv4, ipv6 } = await saidOf<Up>(client, 'up');
    assert.equal(facts['encryption'], 'MPPE-128');
    assert.ok(ipv4 !== undefined && ipv6 !== undefined, 'both versions have addresses');
    for (const address of [inner.local, `${inner.prefix}1`]) await answers(address);
    await pingsOfEachSize(lab.server, mtu, { ipv4: ipv4.address, ipv6: ipv6.address });
    await transfer(lab.server, ipv4.address, BYTES);
    await transfer(lab.server, ipv6.address, FEW_BYTES);
    await client.stop();
    await lab.server.exec('wait_for 50 no_pppd');
    assert.match(await lab.server.exec('cat /run/pppd.log'), /LCP terminated by peer|rcvd \[LCP TermReq/);
  });
});

test('a wrong password is told', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128', async () => {
    const { message } = await saidOf<{ message: string }>(lab.dial({ password: 'guess' }), 'failed');
    assert.match(message, /authentication|password|denied/i);
  });
});

test('a server that asks for PAP alone is left, and we say what it asked for', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  const call = async () => {
    const { message } = await saidOf<{ message: string }>(lab.dial(), 'failed');
    assert.match(
      message,
      /^the peer refused us: the server asks for PAP, which is not allowed here \(allowed: MS-CHAPv2\)/,
    );
  };
  await withPptpd('', call, { PROOF: 'require-pap' });
});

test('40 bits are refused, and taken with the switch', async (t) => {
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

test('a link comes up and holds where one GRE packet in ten is lost', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128', async () => {
    const heal = await lab.loseOneInTen();
    let client: HostProcess | undefined;
    const dial = async () => {
      client = lab.dial();
      return await saidOf<Up>(client, 'up');
    };
    const { ipv4 } = await inLoss(dial, async () => await client?.stop());
    await put(lab.server, ipv4?.address ?? '', FEW_BYTES / 10);
    await get(lab.server, ipv4?.address ?? '', FEW_BYTES / 10);
    await heal();
    await answers(inner.local);
  });
});

test('stateful MPPE, where one GRE packet in ten is lost too', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128\nmppe-stateful', async () => {
    const { ipv4, facts } = await saidOf<Up>(lab.dial({ stateful: 'preferred' }), 'up');
    assert.equal(facts['encryption'], 'MPPE-128 stateful');
    await answers(inner.local);
    await transfer(lab.server, ipv4?.address ?? '', FEW_BYTES);
    const heal = await lab.loseOneInTen();
    await someAnswered(lab.server, ipv4?.address ?? '');
    await heal();
    await transfer(lab.server, ipv4?.address ?? '', FEW_BYTES);
  });
});

test('everything arrives where one GRE packet in ten comes late, and nothing is taken for lost', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128', async () => {
    const { ipv4 } = await saidOf<Up>(lab.dial(), 'up');
    await answers(inner.local);
    const heal = await lab.reorder();
    await pings(lab.server, [ipv4?.address ?? ''], { count: 30, interval: 0.01 });
    await transfer(lab.server, ipv4?.address ?? '', SOME_BYTES / 4);
    assert.ok((await heal()) > 10);
    await answers(inner.local);
  });
});

test('a link without traffic stays up beyond the time after which a silent server is gone, and such a server is noticed', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128', async () => {
    const client = lab.dial({ keepalive: { interval: 750, timeout: 4_000 } });
    await saidOf<Up>(client, 'up');
    // Nothing but time shows it: twice the timeout.
    await lab.server.exec('sleep 8');
    assert.doesNotMatch(client.output, /^closed/m);
    await answers(inner.local);
    const heal = await lab.loseAll();
    assert.equal((await saidOf<{ cause: string }>(client, 'closed')).cause, 'lost');
    await heal();
  });
});

test('it is killed, which we are told by TCP, and our next call comes up', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await lab.server.exec(`serve <<X\nrequire-mppe-128\nX`);
  const client = lab.dial();
  await saidOf<Up>(client, 'up');
  await answers(inner.local);
  await lab.server.exec('kill -KILL $(pidof pptpd pptpctrl pppd)');
  const { cause, detail } = await saidOf<{ cause: string; detail: string }>(client, 'closed');
  assert.equal(cause, 'peer', detail);
  await lab.server.exec('quiet');
  await withPptpd('require-mppe-128', async () => {
    await saidOf<Up>(lab.dial(), 'up');
    await answers(inner.local);
  });
});

test('it restarts, and our next call comes up', async (t) => {
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

test('two clients behind one address', async (t) => {
  if (!labIsPossible(t, labPrograms)) return;
  await withPptpd('require-mppe-128', async () => {
    const show = await lab.hideUs();
    const clients = [lab.ours, lab.neighbour].map((host) => lab.dial({ ipv6: false }, host));
    const addresses = addressesOf(await Promise.all(clients.map((client) => saidOf<Up>(client, 'up'))));
    assert.notEqual(addresses[0], addresses[1]);
    assert.deepEqual(await callersOf(), [routerThere, routerThere]);
    for (const address of addresses) {
      await pings(lab.server, [address]);
      await transfer(lab.server, address, SOME_BYTES);
    }
    await Promise.all(clients.map((client) => client.stop()));
    await lab.server.exec('wait_for 50 no_pppd');
    await show();
  });
});

/** From one address is how pptpd sees who is behind a NAT: each of its processes, one a call, gets the GRE packets of all these calls. */
for (const [whence, callers] of [
  ['as many addresses', places],
  ['one address', places.map(() => ours)],
] as const)
  test(`twenty calls at once, from ${whence}`, async (t) => {
    if (!labIsPossible(t, labPrograms)) return;
    const use = async () => {
      const client = lab.dialAll(
        callers.map((localAddress) => ({ localAddress, ipv6: false, handshakeWindow: LONG_HANDSHAKE })),
      );
      const ups = await upsOf(client, callers.length, LONG_HANDSHAKE);
      for (const { facts } of ups)
        assert.deepEqual([facts['authentication'], facts['encryption']], ['mschapv2', 'MPPE-128']);
      assert.deepEqual((await callersOf()).toSorted(), callers.toSorted());
      const addresses = addressesOf(ups);
      assert.equal(new Set(addresses).size, callers.length);
      await Promise.all(addresses.map((address) => pings(lab.server, [address], { count: 2 })));
      await Promise.all(ups.map(({ ipv4 }) => lab.ours.exec('ping', ['-c2', '-i.1', '-w60', ipv4?.gateway ?? ''])));
      t.diagnostic(await costOf(() => backAndForth(lab.server, addresses, FEW_BYTES)));
      await client.stop();
      assert.equal(client.output.match(/^closed .*"cause":"operator"/gm)?.length, callers.length);
      await lab.server.exec('wait_for 600 no_pppd');
      const log = await lab.server.exec('cat /run/pppd.log');
      const told = log.match(/LCP terminated by peer/g)?.length ?? 0;
      // Where each gets all packets a slow machine's have no room for some of them.
      assert.ok(told >= (whence === 'one address' ? 0.75 : 1) * callers.length, `${told} were told of the end`);
    };
    await withPptpd('require-mppe-128', use, { LOCAL: '10.98.1.1-20', POOL: '10.98.0.2-21' });
  });

/** What traffic cost pptpd. */
async function costOf(traffic: () => Promise<void>): Promise<string> {
  const counts = async () => (await lab.server.exec('gre_counts')).split(' ').map(Number);
  const [[came = 0, dropped = 0], began] = [await counts(), performance.now()];
  await traffic();
  const [seconds, [later = 0, droppedLater = 0]] = [(performance.now() - began) / 1_000, await counts()];
  return `${seconds.toFixed(1)} s, ${later - came} packets to pptpd, whose sockets dropped ${droppedLater - dropped} of their copies`;
}

const addressesOf = (ups: readonly Up[]) => ups.map(({ ipv4 }) => ipv4?.address ?? '');

/** Whence pptpd has control connections. */
async function callersOf(): Promise<readonly string[]> {
  // Local port 1723, established; the address is a word of the guest's byte order, which is the small end first.
  const table = await lab.server.exec('cat /proc/net/tcp');
  const remotes = [...table.matchAll(/:06BB ([0-9A-F]{8}):[0-9A-F]{4} 01 /g)].map(([, word = '']) => word);
  return remotes.map((word) => [...Buffer.from(word, 'hex')].reverse().join('.'));
}
