/** culvert with connections of L2TP/IPsec against strongSwan and xl2tpd in a kernel of its own (drawn in l2tp/lab.ts). */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, labIsPossible } from '@culvert/testkit';
import { type ConnectionOptions, l2tpConnection } from './connections.ts';
import { configure } from './ike/swanctl.ts';
import { inner, L2tpLab, labPrograms, password, presharedKey, server } from './l2tp/lab.ts';
import { usual } from './l2tp/steps.ts';
import { networkOf } from './office.ts';

const culvert = fileURLToPath(new URL('../../packages/client/bin/culvert', import.meta.url));
const connection = (options: Partial<ConnectionOptions> & { readonly psk?: string } = {}) =>
  l2tpConnection({ gateway: server, password, psk: presharedKey, ...options });

test('strongSwan and xl2tpd: up and down, weak proposals only after consent, wrong secrets are told', async (t) => {
  if (!labIsPossible(t, [...labPrograms, 'ping'])) return;
  await using lab = await L2tpLab.open(['server']);
  const host = lab.ours;
  const env = { CULVERT_PROFILES: join(lab.folder, 'profiles'), CULVERT_RUN: join(lab.folder, 'run') };
  const run = (...args: string[]) => host.spawn(culvert, args, { env });
  const file = (name: string, text: string) => {
    const path = join(lab.folder, name);
    writeFileSync(path, text);
    return path;
  };
  const serve = async (proposals: { readonly phase1: string; readonly phase2: string }) => {
    const any = { name: 'any', remote: '%any', selectors: ['udp/1701', 'udp'] } as const;
    configure(lab.server, [{ ...any, ...proposals }], presharedKey);
    await lab.server.exec('if charon_is_up; then load; else start_charon; fi');
  };
  const strong = file('office.nmconnection', connection());
  await serve(usual);
  await lab.server.exec('serve </dev/null');
  const before = await networkOf(host);
  const refused = async (...args: string[]) => {
    const up = run('up', ...args);
    assert.equal((await up.exited).code, 5, up.output);
    assert.equal(await networkOf(host), before);
    return up.stderr;
  };

  await run('import', strong).succeeded();
  const up = await run('up', 'office', '--background').succeeded();
  assert.match(up.stdout, /office is up: tun0 10\.98\.0\.\d+\/32/);
  await eventually('the server answers', async () => {
    return (await host.spawn('ping', ['-c', '1', '-W', '1', inner.local]).exited).code === 0;
  });
  const status = await run('status', 'office').succeeded();
  assert.match(status.stdout, /^ike +aes256-sha2-256-modp2048 \(pre-shared-key\)$/m);
  await run('down', 'office').succeeded();
  assert.equal(await networkOf(host), before);

  assert.match(
    await refused('office', '--password-file', file('guess', 'guess\n')),
    /the server refused us: .*password/,
  );
  assert.match(
    await refused(file('key.nmconnection', connection({ psk: 'another' }))),
    /the pre-shared key probably differs/,
  );

  await serve({ phase1: '3des-sha1-modp1024', phase2: '3des-sha1' });
  const told = await refused('office');
  assert.match(told, /none of our proposals; we offered aes256.*; its operator can tell .*--accept-insecure/);
  const lines = 'ipsec-ike=3des-sha1-modp1024!\nipsec-esp=3des-sha1!';
  const weak = file('weak.nmconnection', connection({ vpn: lines }));
  const unaccepted = run('import', weak);
  assert.equal((await unaccepted.exited).code, 3);
  assert.match(unaccepted.stderr, /\(3des-sha1-modp1024 and 3des-sha1\) are all by 3DES .*--accept-insecure/);
  await run('import', weak, '--accept-insecure').succeeded();
  await run('up', 'weak', '--background').succeeded();
  assert.match((await run('status', 'weak').succeeded()).stdout, /^ike +3des-sha1-modp1024 /m);
  await run('down', 'weak').succeeded();
  assert.equal(await networkOf(host), before);
});
