/** culvertd with PPTP on, and pptp-linux with pppd as its client. The hosts are drawn in pptp/lab.ts. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  eventually,
  type HostProcess,
  Lab,
  labIsPossible,
  missingForLab,
  showLastWords,
  TestCa,
} from '@culvert/testkit';
import { callers, labPrograms, ours, PptpLab, password } from './pptp/lab.ts';
import { CALL } from './pptp/steps.ts';
import { expectedHash } from './traffic.ts';

const programs = [...labPrograms, 'setpriv', 'openssl'];
const program = fileURLToPath(new URL('../../packages/gateway/bin/culvertd', import.meta.url));
const BYTES = 1_000_000;
const [caller = ''] = callers;

let lab: PptpLab;
before(async () => {
  if (missingForLab(programs).length === 0) lab = await PptpLab.open('client');
});
afterEach((t) => lab?.restore(t));
after(() => lab?.[Symbol.asyncDispose]());

/** The path of a configuration. What a gateway keeps lies in the same folder. */
async function configure(
  files: Lab,
  pptp: string,
  auth = 'certificate: optional, password: required',
): Promise<string> {
  const ca = await TestCa.create(join(files.folder, `ca-${process.hrtime.bigint()}`));
  const server = await ca.issue('vpn.test', { role: 'server' });
  const text = `state: ${files.folder}/state
control: ${files.folder}/run/culvertd.sock
network: { ipv4: 10.99.0.0/24, ipv6: "fd99::/56" }
tls: { ca: ${ca.certificate}, certificate: ${server.certificate}, privateKey: ${server.key} }
auth: { ${auth} }
transports: { openvpn: { wrap: none, listen: [{ address: ${ours} }] }, pptp: { ${pptp} } }
`;
  const config = files.write('culvertd.yaml', text);
  for (const folder of [files.folder, ca.folder]) chmodSync(folder, 0o755);
  return config;
}

function start(t: TestContext, config: string): HostProcess {
  const run = lab.ours.spawn(program, ['run', '--config', config]);
  t.after(() => {
    showLastWords(t, [run]);
    return run.stop('SIGKILL');
  });
  return run;
}

test('culvertd serves PPTP to who turned it on knowingly, and warns', async (t) => {
  if (!labIsPossible(t, programs)) return;
  await using files = new Lab();
  const config = await configure(files, 'enabled: true, acceptInsecure: true');
  const culvertd = (...args: string[]) => lab.ours.spawn(program, [...args, '--config', config]);
  const ask = async (...args: string[]) => (await culvertd(...args).succeeded()).stdout;
  const secret = files.write('password', `${password}\n`);
  await ask('user', 'add', 'alice', '--group', 'staff', '--password-file', secret);
  assert.match(await ask('user', 'list'), /alice\s+enabled\s+yes, NT hash\s+staff/);
  const run = start(t, config);
  await run.waitFor('culvertd is up');
  await run.waitFor('transports.pptp is on: whoever records a PPTP session');
  assert.match(await ask('status'), /transports\.pptp is on/);

  await assert.rejects(
    lab.client.exec(`call 0 ${caller} 'guess' require-mppe-128`, CALL),
    /authentication failed|Access denied/,
  );
  await run.waitFor('wrong password for alice');
  assert.match(await ask('status'), /\tpptp\t192\.0\.2\.\d+:\d+\twrong password for alice$/m);
  // An identifier of its own, which it does not give up: the address lies in a network that is the peer's as a whole.
  await lab.client.exec(`call 0 ${caller} '${password}' require-mppe-128 ipv6 ::dead:beef:1234:5678`, CALL);
  // It may be up a moment after its peer is.
  const session = await eventually('a session', async () => JSON.parse(await ask('session', 'list', '--json'))[0]);
  assert.deepEqual([session.user, session.transport, session.proofs], ['alice', 'pptp', ['password']]);
  assert.equal(session.ipv6, 'fd99::1:dead:beef:1234:5678/64');
  assert.match(await ask('session', 'list'), /^\d+\talice\tpptp\t192\.0\.2\./m);
  const came = await lab.client.exec(`get 10.99.0.1 7000 ${BYTES}`);
  assert.equal(came.slice(0, 64), expectedHash(BYTES));
  const came6 = await lab.client.exec(`get fd99::1 7000 ${BYTES}`);
  assert.equal(came6.slice(0, 64), expectedHash(BYTES));
  assert.doesNotMatch(run.output, new RegExp(password));

  await ask('user', 'disable', 'alice');
  await eventually('the end of the session', async () => (await ask('session', 'list', '--json')) === '[]\n');
  await assert.rejects(
    lab.client.exec(`call 0 ${caller} '${password}' require-mppe-128`, CALL),
    /authentication failed|Access denied/,
  );
  await run.waitFor('alice is disabled');
  assert.deepEqual(await run.stop('SIGTERM'), { code: 0, signal: null });
});

test('a gateway where PPTP is off, or for others, forgets NT hashes; where it is off nobody listens', async (t) => {
  if (!labIsPossible(t, programs)) return;
  await using files = new Lab();
  const on = await configure(files, 'enabled: true, acceptInsecure: true');
  const secret = files.write('password', `${password}\n`);
  const add = ['user', 'add', 'alice', '--password-file', secret, '--config', on];
  await lab.ours.exec(program, add);
  const narrow = start(t, await configure(files, 'enabled: true, acceptInsecure: true, groups: [legacy]'));
  await narrow.waitFor('NT hashes forgotten, as no transport with MS-CHAPv2 is for their users');
  await narrow.stop('SIGTERM');
  await configure(files, 'enabled: true, acceptInsecure: true');
  await lab.ours.exec(program, ['user', 'passwd', 'alice', '--password-file', secret, '--config', on]);
  const config = await configure(files, 'enabled: false');
  const run = start(t, config);
  await run.waitFor('NT hashes forgotten, as no transport with MS-CHAPv2 is on');
  await run.waitFor('culvertd is up');
  const users = await lab.ours.exec(program, ['user', 'list', '--json', '--config', config]);
  assert.deepEqual(
    JSON.parse(users).map((user: { hasNtHash: boolean }) => user.hasNtHash),
    [false],
  );
  assert.doesNotMatch(await lab.ours.exec('ss', ['-Hltn']), /:1723\b/);
  await run.stop('SIGTERM');
});
