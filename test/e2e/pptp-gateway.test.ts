/** culvertd with PPTP on, and pptp-linux with pppd as its client. The hosts are drawn in pptp/lab.ts. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, Lab, labIsPossible, missingForLab, TestCa } from '@culvert/testkit';
import { callers, labPrograms, ours, PptpLab, password } from './pptp/lab.ts';
import { expectedHash } from './traffic.ts';

const programs = [...labPrograms, 'setpriv', 'openssl'];
const program = fileURLToPath(new URL('../../packages/gateway/bin/culvertd', import.meta.url));
const BYTES = 1_000_000;
const [caller = ''] = callers;

let lab: PptpLab;
let files: Lab;
before(async () => {
  if (missingForLab(programs).length > 0) return;
  lab = await PptpLab.open();
  files = new Lab();
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
  await files?.close();
});

async function configure(pptp: string, auth = 'certificate: optional, password: required'): Promise<string> {
  const ca = await TestCa.create(join(files.folder, `ca-${process.hrtime.bigint()}`));
  const server = await ca.issue('vpn.test', { role: 'server' });
  const text = `state: ${files.folder}/state
control: ${files.folder}/run/culvertd.sock
network: { ipv4: 10.99.0.0/24, ipv6: "fd99::/64" }
tls: { ca: ${ca.certificate}, certificate: ${server.certificate}, privateKey: ${server.key} }
auth: { ${auth} }
transports: { openvpn: { wrap: none, listen: [{ address: ${ours} }] }, pptp: { ${pptp} } }
`;
  const config = files.write('culvertd.yaml', text);
  for (const folder of [files.folder, ca.folder]) chmodSync(folder, 0o755);
  return config;
}

test('culvertd serves PPTP to who turned it on knowingly, and warns', async (t) => {
  if (!labIsPossible(t, programs)) return;
  const config = await configure('enabled: true, acceptInsecure: true');
  const culvertd = (...args: string[]) => lab.ours.spawn(program, [...args, '--config', config]);
  const ask = async (...args: string[]) => (await culvertd(...args).succeeded()).stdout;
  const secret = files.write('password', `${password}\n`);
  await ask('user', 'add', 'alice', '--group', 'staff', '--password-file', secret);
  assert.match(await ask('user', 'list'), /alice\s+enabled\s+yes, PPTP\s+staff/);
  const run = culvertd('run');
  await run.waitFor('culvertd is up');
  await run.waitFor('transports.pptp is on: whoever records a PPTP session');
  assert.match(await ask('status'), /transports\.pptp is on/);

  await assert.rejects(
    lab.client.exec(`call 0 ${caller} 'guess' require-mppe-128`),
    /authentication failed|Access denied/,
  );
  await run.waitFor('wrong password for alice');
  await lab.client.exec(`call 0 ${caller} '${password}' require-mppe-128`);
  const [session] = JSON.parse(await ask('session', 'list', '--json'));
  assert.deepEqual([session.user, session.transport, session.proofs], ['alice', 'pptp', ['password']]);
  const came = await lab.client.exec(`get 10.99.0.1 7000 ${BYTES}`);
  assert.equal(came.slice(0, 64), expectedHash(BYTES));
  const came6 = await lab.client.exec(`get fd99::1 7000 ${BYTES}`);
  assert.equal(came6.slice(0, 64), expectedHash(BYTES));
  assert.doesNotMatch(run.output, new RegExp(password));

  await ask('user', 'disable', 'alice');
  await eventually('the end of the session', async () => (await ask('session', 'list', '--json')) === '[]\n');
  await assert.rejects(
    lab.client.exec(`call 0 ${caller} '${password}' require-mppe-128`),
    /authentication failed|Access denied/,
  );
  await run.waitFor('alice is disabled');
  assert.deepEqual(await run.stop('SIGTERM'), { code: 0, signal: null });
});

test('a gateway where PPTP is off forgets NT hashes, and nobody listens', async (t) => {
  if (!labIsPossible(t, programs)) return;
  const config = await configure('enabled: false');
  const run = lab.ours.spawn(program, ['run', '--config', config]);
  await run.waitFor('NT hashes forgotten, as PPTP is off');
  await run.waitFor('culvertd is up');
  const users = await lab.ours.exec(program, ['user', 'list', '--json', '--config', config]);
  assert.deepEqual(
    JSON.parse(users).map((user: { hasNtHash: boolean }) => user.hasNtHash),
    [false],
  );
  assert.doesNotMatch(await lab.ours.exec('ss', ['-Hltn']), /:1723\b/);
  await run.stop('SIGTERM');
});
