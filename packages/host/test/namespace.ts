/** Runs a test file in network and mount namespaces of its own, so that it never touches the host's. */
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Logger } from '@culvert/base';

const MARK = 'CULVERT_TEST_NAMESPACE';

/** Declares the tests of `body` inside a new namespace; outside of it, one test that runs them there. */
export function inNamespace(url: string, body: () => void): void {
  if (process.env[MARK] === '1') {
    body();
    return;
  }
  test('in a network namespace of its own', (t) => {
    const missing = whatIsMissing();
    if (missing !== undefined) {
      if (process.env['CI'] === '1' || process.env['CI'] === 'true' || process.env['CULVERT_CI'] === '1')
        throw new Error(missing);
      t.skip(missing);
      return;
    }
    const { NODE_TEST_CONTEXT: _, ...env } = process.env; // The inner run reports as text.
    const inner = spawnSync('unshare', ['-n', '-m', process.execPath, ...process.execArgv, fileURLToPath(url)], {
      env: { ...env, [MARK]: '1' },
      encoding: 'utf8',
    });
    if (inner.status !== 0) throw new Error(`${inner.stdout}\n${inner.stderr}`);
  });
}

function whatIsMissing(): string | undefined {
  const works = spawnSync('unshare', ['-n', '-m', 'ip', 'link', 'set', 'lo', 'up']).status === 0;
  if (!works) return 'needs root, unshare and ip for a network namespace';
  if (spawnSync('nft', ['--version']).status !== 0) return 'needs nft (the package nftables)';
  return undefined;
}

export function sh(script: string): string {
  return execFileSync('sh', ['-ec', script], { encoding: 'utf8' });
}

/** An uplink with default routes of both IP versions, a device for the tunnel, and a resolv.conf of the test's own. */
export function setUpHost(resolvConf: string): void {
  // The kernel's own link-local addresses settle late and would blur the dumps.
  sh(`echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode; ip link set lo up
    ip link add up0 type veth peer name up1
    ip link set up0 up; ip link set up1 up
    ip address add 192.0.2.2/24 dev up0; ip address add 2001:db8::2/64 dev up0 nodad
    ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1
    ip route add 10.9.0.0/16 via 192.0.2.7
    ip link add tun0 type veth peer name tun1; ip link set tun1 up
    echo 'nameserver 192.0.2.53' > ${resolvConf}`);
}

/** Everything that a change may touch, as text. Not the other end of tun0's cable: it notices late what happens. */
export function dumpHost(resolvConf: string): string {
  return sh(`ip -o address; ip -o link | grep -v ' tun1@' | sed 's/ qdisc [a-z_]*//'; ip rule; ip -6 rule
    ip -4 route show table all | sort; ip -6 route show table all | grep -v ff00: | sort
    nft list ruleset
    grep -r . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/forwarding /proc/sys/net/ipv6/conf/*/accept_ra
    ls -l ${resolvConf} | cut -d' ' -f1; readlink ${resolvConf} || true; cat ${resolvConf}`);
}

export const quiet: Logger = {
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => quiet,
};
