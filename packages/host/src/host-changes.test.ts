import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { dumpHost, inNamespace, quiet, setUpHost, sh } from '../test/namespace.ts';
import {
  forwardingChanges,
  gatewayTable,
  type HostChange,
  HostChanges,
  pinnedRoutes,
  recover,
  redirectRoutes,
  wayTo,
} from './index.ts';

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `in time: ${condition}`);
    await delay(10);
  }
}

inNamespace(import.meta.url, () => {
  const directory = mkdtempSync(join(tmpdir(), 'cv-host-'));
  const resolvConf = join(directory, 'resolv.conf');
  const journal = join(directory, 'run', 'office.journal');
  const options = { journal, resolvConf, log: quiet };
  setUpHost(resolvConf);
  after(() => rmSync(directory, { recursive: true }));
  beforeEach(() => {
    rmSync(resolvConf, { force: true });
    writeFileSync(resolvConf, 'nameserver 192.0.2.53\nsearch home.example\noptions timeout:2\n');
  });

  /** Puts a program before the real one in PATH. Returns what gives, once, the arguments it was called with; it goes then. */
  function spyOn(name: string, then: string): () => string[] {
    const spies = join(directory, 'spies');
    const path = process.env['PATH'];
    mkdirSync(spies);
    writeFileSync(join(spies, name), `#!/bin/sh\necho "$@" >> ${spies}/calls\n${then}\n`, { mode: 0o755 });
    process.env['PATH'] = `${spies}:${path}`;
    return () => {
      const calls = readFileSync(join(spies, 'calls'), 'utf8').trim().split('\n');
      process.env['PATH'] = path;
      rmSync(spies, { recursive: true });
      return calls;
    };
  }

  test('every kind of change is made, and undone by close', async () => {
    const before = dumpHost(resolvConf);
    const changes = await HostChanges.open(options);
    await changes.apply([
      { kind: 'address', device: 'tun0', address: '10.8.0.2/24' },
      { kind: 'address', device: 'tun0', address: 'fd00::2/64' },
      { kind: 'link', device: 'tun0', mtu: 1400, txQueueLength: 500, up: true },
      ...(await pinnedRoutes('198.51.100.7', 'tun0')),
      ...redirectRoutes('tun0', 4),
      ...redirectRoutes('tun0', 6),
      { kind: 'route', network: '10.9.0.0/16', device: 'tun0' },
      { kind: 'rule', family: 6, priority: 100, table: 77, from: 'fd00::/64' },
      ...(await forwardingChanges({ ipv4: true, ipv6: true })),
      gatewayTable({ name: 't', device: 'tun0', networks: ['10.8.0.0/24', 'fd00::/64'], masquerade: true }),
      { kind: 'dns', device: 'tun0', servers: ['10.8.0.1'], search: ['office.example'], all: true },
    ]);

    assert.match(sh('ip -o address show dev tun0'), /10\.8\.0\.2\/24[\s\S]*fd00::2\/64/);
    assert.match(sh('ip link show dev tun0'), /UP.* mtu 1400 .*qlen 500/);
    assert.match(sh('ip route get 203.0.113.9'), / dev tun0 /);
    assert.match(sh('ip route get 198.51.100.7'), / via 192\.0\.2\.1 dev up0 /);
    assert.match(sh('ip route show 10.9.0.0/16'), /dev tun0/);
    assert.match(sh('ip -6 rule'), /100:\tfrom fd00::\/64 lookup 77/);
    assert.match(sh('nft list ruleset'), /ip saddr 10\.8\.0\.0\/24 oifname != "tun0" masquerade/);
    assert.equal(sh('cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding'), '1\n1\n');
    assert.equal(sh('cat /proc/sys/net/ipv6/conf/up0/accept_ra'), '2\n');
    assert.match(
      readFileSync(resolvConf, 'utf8'),
      /\nnameserver 10\.8\.0\.1\nsearch office\.example\noptions timeout:2\n/,
    );

    await changes.close();
    assert.equal(dumpHost(resolvConf), before);
    assert.equal(existsSync(journal), false, 'a journal with nothing to undo goes');
  });

  test('a server is still pinned past the tunnel while the redirect stands', async () => {
    const changes = await HostChanges.open(options);
    await changes.apply([
      { kind: 'link', device: 'tun0', up: true },
      ...redirectRoutes('tun0', 4),
      ...redirectRoutes('tun0', 6),
    ]);
    assert.deepEqual(await wayTo('198.51.100.8', 'tun0'), { via: '192.0.2.1', device: 'up0' });
    assert.deepEqual(await wayTo('2001:db8:5::1', 'tun0'), { via: '2001:db8::1', device: 'up0' });
    assert.deepEqual(await wayTo('192.0.2.77', 'tun0'), { device: 'up0' });
    assert.equal(await wayTo('127.0.0.1', 'tun0'), undefined);
    await changes.close();
  });

  test('without an uplink, packets to the server fail and do not enter the tunnel', async () => {
    const changes = await HostChanges.open(options);
    await changes.apply([
      { kind: 'address', device: 'tun0', address: '10.8.0.2/24' },
      { kind: 'link', device: 'tun0', up: true },
      ...(await pinnedRoutes('198.51.100.7', 'tun0')),
      ...redirectRoutes('tun0', 4),
    ]);
    sh('ip route del 198.51.100.7 via 192.0.2.1; ip route del default');
    assert.throws(() => sh('ip route get 198.51.100.7 2>&1'));
    await assert.rejects(wayTo('198.51.100.7', 'tun0'), { code: 'CULVERT_HOST_UNREACHABLE' });
    sh('ip route add default via 192.0.2.1');
    await changes.close();
  });

  test('when one change of a call fails, the others of that call are undone', async () => {
    const before = dumpHost(resolvConf);
    const changes = await HostChanges.open(options);
    await assert.rejects(
      changes.apply([
        { kind: 'link', device: 'tun0', mtu: 1300, up: true },
        { kind: 'route', network: '172.16.0.0/16', device: 'tun0' },
        { kind: 'route', network: '172.17.0.0/16', device: 'nowhere' },
      ]),
      { code: 'CULVERT_HOST_COMMAND', message: /172\.17\.0\.0\/16.*nowhere/ },
    );
    assert.equal(dumpHost(resolvConf), before);
    await changes.close();
  });

  test('what was there before stays there after undo', async () => {
    sh('ip address add 10.8.0.2/24 dev tun0; ip route add 172.18.0.0/16 dev up0');
    const before = dumpHost(resolvConf);
    const changes = await HostChanges.open(options);
    await changes.apply([
      { kind: 'address', device: 'tun0', address: '10.8.0.2/24' },
      { kind: 'route', network: '172.18.0.0/16', device: 'up0' },
    ]);
    await changes.close();
    assert.equal(dumpHost(resolvConf), before);
    sh('ip address del 10.8.0.2/24 dev tun0; ip route del 172.18.0.0/16 dev up0');
  });

  test('the changes of one call can be undone on their own', async () => {
    const changes = await HostChanges.open(options);
    await changes.apply([{ kind: 'link', device: 'tun0', up: true }]);
    const route = await changes.apply([{ kind: 'route', network: '172.19.0.0/16', device: 'tun0' }]);
    await route.undo();
    await route.undo();
    assert.equal(sh('ip route show 172.19.0.0/16'), '');
    assert.match(sh('ip link show dev tun0'), /[<,]UP[,>]/);
    await changes.close();
  });

  test('changes that replace others leave alone what is in both', async () => {
    const before = dumpHost(resolvConf);
    const changes = await HostChanges.open(options);
    const monitor = spawn('ip', ['monitor', 'route'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let seen = '';
    monitor.stdout.on('data', (chunk) => {
      seen += chunk;
    });
    const tunnel = (address: string, via: string, server: string): HostChange[] => [
      { kind: 'sysctl', key: 'net/ipv4/conf/tun0/promote_secondaries', value: '1' },
      { kind: 'address', device: 'tun0', address },
      { kind: 'link', device: 'tun0', up: true },
      { kind: 'route', network: '198.51.100.7', via, device: 'up0' },
      ...redirectRoutes('tun0', 4),
      { kind: 'dns', device: 'tun0', servers: [server], search: [], all: true },
    ];
    const first = await changes.apply(tunnel('10.8.0.2/24', '192.0.2.1', '10.8.0.1'));
    await until(() => seen.includes('128.0.0.0/1'));
    seen = '';
    const second = await changes.replace(first, tunnel('10.8.0.3/24', '192.0.2.9', '10.8.0.99'));
    await until(() => seen.includes('192.0.2.9'));
    assert.doesNotMatch(seen, /0\.0\.0\.0\/1|128\.0\.0\.0\/1/, 'the redirect never went');
    assert.match(sh('ip -o address show dev tun0'), /10\.8\.0\.3\/24/);
    assert.doesNotMatch(sh('ip -o address show dev tun0'), /10\.8\.0\.2\/24/);
    assert.match(sh('ip route get 198.51.100.7'), /via 192\.0\.2\.9/);
    assert.match(sh('ip route get 203.0.113.9'), / dev tun0 .*src 10\.8\.0\.3/);
    assert.match(readFileSync(resolvConf, 'utf8'), /nameserver 10\.8\.0\.99\n/);
    await first.undo();
    assert.match(sh('ip -o address show dev tun0'), /10\.8\.0\.3\/24/, 'the replaced call is void');
    await second.undo();
    monitor.kill();
    assert.equal(dumpHost(resolvConf), before);
    await changes.close();
  });

  test('an nft table gives way to its next version without a gap', async () => {
    const before = dumpHost(resolvConf);
    const changes = await HostChanges.open(options);
    const table = (networks: string[]) => [gatewayTable({ name: 't', device: 'tun0', networks, masquerade: true })];
    const first = await changes.apply(table(['10.8.0.0/24']));
    const heard = spyOn('nft', 'exec /usr/sbin/nft "$@"');
    await changes.replace(first, table(['10.8.0.0/24', '10.9.0.0/16']));
    assert.deepEqual(heard(), ['-f -'], 'one transaction, no deletion before it');
    assert.match(sh('nft list ruleset'), /saddr 10\.9\.0\.0\/16/);
    await changes.close();
    assert.equal(dumpHost(resolvConf), before);
  });

  test('a route that vanished is made again by a replacement that wants it', async () => {
    const before = dumpHost(resolvConf);
    const changes = await HostChanges.open(options);
    const pins = await pinnedRoutes('198.51.100.7', 'tun0');
    const first = await changes.apply(pins);
    sh('ip route del 198.51.100.7 via 192.0.2.1');
    await changes.replace(first, pins);
    assert.match(sh('ip route get 198.51.100.7'), /via 192\.0\.2\.1 dev up0/);
    await changes.close();
    assert.equal(dumpHost(resolvConf), before);
  });

  test('undo takes what is gone already for undone', async () => {
    sh('ip link add gone0 type veth peer name gone1');
    const changes = await HostChanges.open(options);
    await changes.apply([
      { kind: 'address', device: 'gone0', address: '10.10.0.2/24' },
      { kind: 'address', device: 'gone0', address: 'fd10::2/64' },
      { kind: 'link', device: 'gone0', mtu: 1400, up: true },
      { kind: 'route', network: '172.20.0.0/16', device: 'gone0' },
      gatewayTable({ name: 'gone', device: 'gone0', networks: ['10.10.0.0/24'], masquerade: false }),
    ]);
    sh('ip link del gone0; nft delete table inet culvert_gone');
    assert.equal(await changes.undoAll(), 0);
    await changes.close();
  });

  test('a resolv.conf that another program wrote meanwhile is left alone', async () => {
    const changes = await HostChanges.open(options);
    await changes.apply([{ kind: 'dns', device: 'tun0', servers: ['10.8.0.1'], search: [], all: false }]);
    assert.match(
      readFileSync(resolvConf, 'utf8'),
      /nameserver 10\.8\.0\.1\nnameserver 192\.0\.2\.53\nsearch home\.example\n/,
    );
    writeFileSync(resolvConf, 'nameserver 203.0.113.1\n');
    await changes.close();
    assert.equal(readFileSync(resolvConf, 'utf8'), 'nameserver 203.0.113.1\n');
  });

  test('two tunnels, or a power cut: in whatever order they end, the original resolv.conf comes back', async () => {
    const before = readFileSync(resolvConf, 'utf8');
    const change = (device: string) => ({ kind: 'dns' as const, device, servers: ['10.8.0.1'], search: [], all: true });
    const first = await HostChanges.open(options);
    const second = await HostChanges.open({ ...options, journal: `${journal}2` });
    await first.apply([change('tun0')]);
    await second.apply([change('tun9')]);
    await first.close();
    assert.match(readFileSync(resolvConf, 'utf8'), /for tun9/);
    await second.close();
    assert.equal(readFileSync(resolvConf, 'utf8'), before);

    const cut = await HostChanges.open(options);
    await cut.apply([change('tun0')]);
    const left = readFileSync(resolvConf, 'utf8');
    await cut.close();
    writeFileSync(resolvConf, left); // The journal is gone: /run is empty after a reboot.
    const next = await HostChanges.open(options);
    await next.apply([change('tun0')]);
    await next.close();
    assert.equal(readFileSync(resolvConf, 'utf8'), before);
  });

  test('a resolv.conf that was a link is a link again', async () => {
    const target = join(directory, 'managed.conf');
    rmSync(resolvConf);
    writeFileSync(target, 'nameserver 192.0.2.54\n');
    symlinkSync(target, resolvConf);
    const changes = await HostChanges.open(options);
    await changes.apply([{ kind: 'dns', device: 'tun0', servers: ['10.8.0.1'], search: [], all: true }]);
    assert.equal(readFileSync(target, 'utf8'), 'nameserver 192.0.2.54\n', 'the target is not written through the link');
    await changes.close();
    assert.ok(lstatSync(resolvConf).isSymbolicLink());
    assert.equal(readFileSync(resolvConf, 'utf8'), 'nameserver 192.0.2.54\n');
  });

  test('a link in a folder that cannot be written keeps standing, and its target gets its text back', async () => {
    const [folder, target] = [join(directory, 'etc'), join(directory, 'managed.conf')];
    mkdirSync(folder);
    writeFileSync(target, 'nameserver 192.0.2.54\n');
    symlinkSync(target, join(folder, 'resolv.conf'));
    sh(`mount --bind ${folder} ${folder} && mount -o remount,bind,ro ${folder}`);
    try {
      const changes = await HostChanges.open({ ...options, resolvConf: join(folder, 'resolv.conf') });
      await changes.apply([{ kind: 'dns', device: 'tun0', servers: ['10.8.0.1'], search: [], all: true }]);
      assert.match(readFileSync(target, 'utf8'), /nameserver 10\.8\.0\.1/);
      await changes.close();
      assert.equal(readFileSync(target, 'utf8'), 'nameserver 192.0.2.54\n');
      assert.ok(lstatSync(join(folder, 'resolv.conf')).isSymbolicLink());
    } finally {
      sh(`umount ${folder}`);
    }
  });

  test('a resolv.conf that is a mount point is written in place', async () => {
    const own = join(directory, 'mounted.conf');
    writeFileSync(own, 'nameserver 192.0.2.55\n');
    sh(`mount --bind ${own} ${resolvConf}`);
    try {
      const changes = await HostChanges.open(options);
      await changes.apply([{ kind: 'dns', device: 'tun0', servers: ['10.8.0.1'], search: [], all: true }]);
      assert.match(readFileSync(own, 'utf8'), /nameserver 10\.8\.0\.1/);
      await changes.close();
      assert.equal(readFileSync(own, 'utf8'), 'nameserver 192.0.2.55\n');
    } finally {
      sh(`umount ${resolvConf}`);
    }
  });

  test('where systemd-resolved serves the host, it is told, and reverted', async () => {
    sh(`mount -t tmpfs none /run; mkdir -p /run/systemd/resolve
      echo 'nameserver 127.0.0.53' > /run/systemd/resolve/stub-resolv.conf
      ln -sf /run/systemd/resolve/stub-resolv.conf ${resolvConf}`);
    const heard = spyOn('resolvectl', '');
    try {
      const changes = await HostChanges.open(options);
      await changes.apply([
        { kind: 'dns', device: 'tun0', servers: ['10.8.0.1', 'fd00::1'], search: ['a.example'], all: true },
      ]);
      const split = await changes.apply([
        { kind: 'dns', device: 'tun0', servers: ['10.8.0.1'], search: ['a.example'], all: false },
      ]);
      await split.undo();
      await changes.close();
    } finally {
      sh('umount /run');
    }
    assert.deepEqual(heard(), [
      '--no-pager status',
      'dns tun0 10.8.0.1 fd00::1',
      'domain tun0 a.example ~.',
      'default-route tun0 yes',
      '--no-pager status',
      'dns tun0 10.8.0.1',
      'domain tun0 a.example',
      'default-route tun0 no',
      'revert tun0',
      'revert tun0',
    ]);
    assert.ok(lstatSync(resolvConf).isSymbolicLink(), 'the file is not touched');
  });

  test('values that no host takes are refused before anything is written', async () => {
    const changes = await HostChanges.open(options);
    const bad = [
      { kind: 'route', network: '10.0.0.0/33', device: 'tun0' },
      { kind: 'route', network: '10.0.0.0/8', device: 'tun0\nlink del up0' },
      { kind: 'address', device: 'tun0', address: '10.0.0.1' },
      { kind: 'dns', device: 'tun0', servers: ['dns.example'], search: [], all: true },
      { kind: 'dns', device: 'tun0', servers: [], search: ['a b'], all: true },
      { kind: 'sysctl', key: 'net/../kernel/core_pattern', value: 'x' },
      { kind: 'nft', table: 'filter', body: '' },
    ] as const;
    for (const change of bad) assert.throws(() => changes.apply([change]), TypeError, JSON.stringify(change));
    await changes.close();
  });

  test('a journal whose process lives is left alone', async () => {
    const changes = await HostChanges.open(options);
    await changes.apply([{ kind: 'link', device: 'tun0', up: true }]);
    await assert.rejects(HostChanges.open(options), { code: 'CULVERT_HOST_BUSY' });
    assert.equal(await recover(options), 'busy');
    assert.match(sh('ip link show dev tun0'), /[<,]UP[,>]/);
    await changes.close();
    assert.equal(await recover(options), 'nothing');
  });

  test('a journal that others may write is not believed', async () => {
    sh(`mkdir -p ${directory}/run; touch ${journal}; chmod 666 ${journal}`);
    await assert.rejects(HostChanges.open(options), { code: 'CULVERT_HOST_JOURNAL' });
    sh(`chown nobody ${journal}; chmod 600 ${journal}`);
    await assert.rejects(HostChanges.open(options), { code: 'CULVERT_HOST_JOURNAL' });
    rmSync(journal);
  });

  test('kill -9 at any moment: the next start finds and undoes it all', async () => {
    const before = dumpHost(resolvConf);
    let recovered = 0;
    for (let round = 0; round < 12; round++) {
      const script = join(import.meta.dirname, '../test/changer.ts');
      const child = spawn(process.execPath, [script, journal, resolvConf], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout, 'data'); // It says that it begins.
      await delay(Math.random() * 150);
      child.kill('SIGKILL');
      await once(child, 'exit');
      if ((await recover(options)) === 'undone') recovered++;
      assert.equal(dumpHost(resolvConf), before, `round ${round}`);
      assert.equal(existsSync(journal), false);
    }
    assert.ok(recovered > 0, 'at least one kill left something to undo');
  });
});
