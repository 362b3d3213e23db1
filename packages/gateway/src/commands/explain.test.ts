/** `culvertd session explain` as an operator runs it, asking for what transports told. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Instant } from '@culvert/base';
import type { Link } from '@culvert/core';
import { configOf } from '../../test/fixtures.ts';
import { linkConfig } from '../admission.ts';
import { type ControlServer, openControl } from '../control-server.ts';
import { explain } from '../explain.ts';
import { Sessions } from '../sessions.ts';
import { Stories } from '../stories.ts';

const program = fileURLToPath(new URL('../../bin/culvertd', import.meta.url));
const local = { address: '198.51.100.1', port: 500 };
let folder: string;
let control: ControlServer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'culvert-explain-'));
  writeFileSync(
    join(folder, 'culvertd.yaml'),
    `control: culvertd.sock
network: { ipv4: 10.88.0.0/24 }
tls: { ca: ca, certificate: crt, privateKey: key }
transports: { openvpn: { wrap: none } }
`,
  );
  const { stories, sessions } = history();
  control = await openControl(join(folder, 'culvertd.sock'), async (request) =>
    request.command === 'explain' ? explain(request.which, [...sessions], stories) : assert.fail(request.command),
  );
});
after(async () => {
  await control.close();
  rmSync(folder, { recursive: true });
});

/** One was refused for its offer, one is up, one was admitted and is not up yet. */
function history() {
  const stories = new Stories({ now: () => 0 as Instant, date: () => '2030-01-01T00:00:00.000Z' });
  const sessions = new Sessions();
  const pathFrom = (address: string) => ({ socket: 0, local, remote: { address, port: 500 } });
  stories.handle('l2tp-ipsec', {
    kind: 'note',
    id: 3,
    message: 'no proposal in common',
    fields: { phase: 1, offered: ['3des-sha1-modp1024', 'des-md5\u001b[2J'], accepted: ['aes256-sha256-modp2048'] },
  });
  stories.handle('l2tp-ipsec', {
    kind: 'refused',
    id: 3,
    path: pathFrom('203.0.113.7'),
    reason: 'the peer offers 3des; accepted here: aes256',
  });
  for (const [id, user, address] of [
    [1, 'alice', '203.0.113.8'],
    [2, 'bob', '2001:db8::9'],
  ] as const) {
    const principal = { user, groups: [], certificate: undefined, proofs: [] };
    const config = linkConfig(configOf(), { ipv4: undefined, ipv6: undefined }, []);
    const path = pathFrom(address);
    stories.handle('openvpn', { kind: 'attempt', id, path });
    stories.handleClaim({
      ...{ transport: 'openvpn', remote: path.remote, certificate: undefined, peerInfo: new Map() },
      password: { username: user, password: 'secret' },
    });
    stories.handle('openvpn', { kind: 'note', id, message: `${user} was heard`, fields: { version: '2.6' } });
    sessions.add({ principal, config, transport: 'openvpn', remote: path.remote });
    if (user === 'bob') continue;
    const link = linkOf({ id, path, principal, config });
    stories.attach(link);
    sessions.attach(link);
  }
  return { stories, sessions };
}

/** One of OpenVPN that carries nothing. */
function linkOf(of: Pick<Link, 'id' | 'path' | 'principal' | 'config'>): Link {
  return {
    ...of,
    transport: 'openvpn',
    since: 0 as Instant,
    stats: { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 },
    facts: { cipher: 'AES-256-GCM' },
    send: () => {},
    onPackets: () => {},
    update: () => {},
    close: async () => {},
    closed: new Promise(() => {}),
  };
}

async function told(...args: string[]): Promise<string> {
  const argv = ['session', 'explain', ...args, '--config', join(folder, 'culvertd.yaml')];
  return (await promisify(execFile)(program, argv)).stdout;
}

test('without a name the tries that came to nothing are listed', async () => {
  assert.equal(
    await told(),
    'a1\t2030-01-01T00:00:00.000Z\tl2tp-ipsec\t203.0.113.7:500\tthe peer offers 3des; accepted here: aes256\n',
  );
});

test('a refused offer stands beside what is accepted, and what a stranger sent harms no terminal', async () => {
  for (const which of ['a1', '203.0.113.7']) {
    const text = await told(which);
    assert.match(text, /^outcome\trefused$/m);
    assert.match(text, /^3des-sha1-modp1024\taes256-sha256-modp2048\ndes-md5\\u001b\[2J\t$/m);
    assert.match(text, /^0\.000s\tno proposal in common\tphase=1$/m);
  }
});

test('a session is told by its number, its user and its address, before its link is up as well', async () => {
  for (const which of ['1', 'alice', '203.0.113.8']) {
    const text = await told(which);
    assert.match(text, /^session\t1 of alice$/m);
    assert.match(text, /^outcome\tup$/m);
    assert.match(text, /^cipher\tAES-256-GCM$/m);
    assert.match(text, /alice was heard\tversion=2\.6/);
  }
  for (const which of ['2', 'bob', '2001:DB8:0::9']) {
    const [bob, ...others] = JSON.parse(await told(which, '--json'));
    assert.equal(others.length, 0, which);
    assert.equal(bob.outcome, 'under way');
    assert.equal(bob.remote, '[2001:db8::9]:500');
    assert.equal(bob.steps[0].what, 'asks to come in');
    assert.equal(bob.steps[1].what, 'bob was heard');
    assert.deepEqual(Object.keys(bob).sort(), [
      ...['began', 'claimed', 'facts', 'link', 'offers', 'outcome', 'remote', 'session', 'steps', 'transport', 'user'],
    ]);
  }
});

test('what nobody knows is said, with an exit code', async () => {
  await assert.rejects(told('a77'), /neither a session nor a try that is remembered fits a77/);
});
