/**
 * scripts/install on a copy of this machine: a copy-on-write root, network and processes of its own.
 *
 * There is no systemd in it: `setpriv` gives the programs the user and the capabilities that their units name.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { labIsPossible } from '@culvert/testkit';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Shell: $1 is an empty folder, the rest a command for the copy. */
const enter = `
set -e
mount --make-rprivate /
mount -t tmpfs none "$1"; cd "$1"; shift
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount -t proc proc root/proc
mount --rbind /dev root/dev
mknod -m 666 tun c 10 200; mount --bind tun root/dev/net/tun
mount -t tmpfs none root/run; mkdir root/run/culvert
ip link set lo up
exec chroot root "$@"`;

/** Shell: installs, makes certificates, and has a function that becomes a program as its unit starts it. */
const units = `
set -eu
capabilities() { sed -n 's/^CapabilityBoundingSet=//p' "/etc/systemd/system/$1" | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g'; }
as_unit() { # unit, command...; in a subshell, since it takes its place
  caps="-all,$(capabilities "$1")"; shift
  exec env -i PATH="$PATH" CULVERT_PROFILES=/etc/culvert/profiles setpriv --reuid culvert --regid culvert --clear-groups \\
    --no-new-privs --inh-caps "$caps" --ambient-caps "$caps" --bounding-set "$caps" -- "$@"
}
until_said() { # file, words
  for i in $(seq 100); do grep -q "$2" "$1" && return; sleep 0.1; done; cat "$1"; exit 1
}
scripts/install >/tmp/install.log 2>&1 || { cat /tmp/install.log; exit 1; }
chown culvert:culvert /run/culvert; chmod 750 /run/culvert
umask 077
culvert-ca init --name Office --no-passphrase
culvert-ca issue server vpn.example.com --out /etc/culvert
culvert-ca issue client alice
culvert-ca export alice --remote 127.0.0.1 --out /root/alice.ovpn
cd /
umask 022
cp /opt/culvert/docs/culvertd.yaml /etc/culvert/
`;

/** Runs `script` in the copy after an installation. Returns what it printed. */
function inCopy(script: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-install-'));
  const argv = ['-m', '-n', '-p', '-f', '--kill-child', 'sh', '-c', enter, 'sh', folder];
  const { status, stdout, stderr } = spawnSync('unshare', [...argv, 'sh', '-c', `cd ${root}\n${units}\n${script}`], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  rmdirSync(folder);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  return stdout;
}

/** Docker's own root is a copy-on-write one, which not every kernel stacks. */
function copyIsPossible(t: TestContext): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-install-'));
  const { status } = spawnSync('unshare', ['-m', '-n', '-p', '-f', 'sh', '-c', enter, 'sh', folder, 'true']);
  rmdirSync(folder);
  if (status === 0) return true;
  assert.ok(process.env['CI'] !== '1' && process.env['CULVERT_CI'] !== '1', 'an overlay file system is missing');
  t.skip('no overlay file system over the root here');
  return false;
}

test('an installed gateway starts with the keys of culvert-ca as its unit starts it, and uninstalling takes it all away', (t) => {
  if (!labIsPossible(t, ['setpriv', 'nft', 'unshare']) || !copyIsPossible(t)) return;
  const output = inCopy(`
    culvertd user add alice --group staff
    (as_unit culvertd.service culvertd check)
    as_unit culvertd.service culvertd run >/tmp/gateway.log 2>&1 & gateway=$!
    until_said /tmp/gateway.log 'culvertd is up'
    culvertd status
    culvert-ca renew vpn.example.com --out /etc/culvert >/dev/null
    culvertd reload
    kill $gateway; wait $gateway
    ${root}scripts/install --uninstall
    ls /opt /usr/local/bin /etc/systemd/system /etc/polkit-1/rules.d; echo; ls /etc/culvert`);
  assert.match(output, /is fine \(0 warnings\)/);
  assert.match(output, /udp 0\.0\.0\.0:1194, udp \[::\]:1194, tcp \[::\]:443/);
  assert.match(output, /in force now: the files of tls\n(?!waits)/);
  const [gone = '', kept = ''] = output.split('stay\n')[1]?.split('\n\n').slice(-2) ?? [];
  assert.doesNotMatch(gone.replace(/^\/.*$/gm, ''), /culvert/);
  assert.match(kept, /vpn\.example\.com\.key/);
});

test('the client’s service finds imported profiles, and root undoes what a killed one left', (t) => {
  if (!labIsPossible(t, ['setpriv', 'nft', 'unshare']) || !copyIsPossible(t)) return;
  const output = inCopy(`
    as_unit culvertd.service culvertd run >/tmp/gateway.log 2>&1 & gateway=$!
    until_said /tmp/gateway.log 'culvertd is up'
    culvert import /root/alice.ovpn
    cp /etc/resolv.conf /tmp/resolv.before
    as_unit culvert@.service culvert up alice >/tmp/client.log 2>&1 & client=$!
    until_said /tmp/client.log 'the tunnel is up'
    grep nameserver /etc/resolv.conf
    kill -9 $client; wait $client || true
    culvert down alice
    cmp /etc/resolv.conf /tmp/resolv.before && echo as before
    kill $gateway; wait $gateway`);
  assert.match(output, /^nameserver 192\.168\.10\.1$/m);
  assert.match(output, /changes of this host are undone\nas before/);
});
