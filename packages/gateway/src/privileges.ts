/**
 * No root after the start. `culvertd run` by hand as root becomes the service user before it opens a socket:
 *
 *   culvertd (root) → sh: opens /dev/net/tun and the secret files as root → setpriv: three capabilities, no more to gain → culvertd
 *
 * The process stays the same one (execve), so that signals and whoever waits for it notice nothing. Under systemd the unit does
 * all of this (`User=`, `AmbientCapabilities=`), and this file has nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, chownSync, constants, existsSync, lchownSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GatewayConfig } from '@culvert/config';
import { GatewayError } from './errors.ts';
import type { Inherited } from './inputs.ts';
import { journalFile, secretKeyFile, usersFile } from './paths.ts';

/** Holds `Inherited` as JSON in the process that stepped down. */
export const inheritedVariable = 'CULVERTD_INHERITED';

const capabilities = ['net_admin', 'net_raw', 'net_bind_service'].map((name) => `+${name}`).join(',');
const tunPath = '/dev/net/tun';
/** dash, which is sh on Debian, redirects one-digit descriptors only. */
const firstFd = 3;
const lastFd = 9;

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The account to run as: the configured one, else culvert, else nobody. Throws GatewayError when the configured one is unknown. */
export function serviceAccount(configured: string | undefined): Account {
  const candidates = configured === undefined ? ['culvert', 'nobody'] : [configured];
  for (const name of candidates) {
    const { stdout } = spawnSync('getent', ['passwd', '--', name], { encoding: 'utf8' });
    const [found, , uid, gid] = (stdout ?? '').trim().split(':');
    if (found === name) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new GatewayError('CULVERT_GATEWAY_SERVICE_USER', `${candidates.join(' or ')} (key user)`);
}

/** Makes the directories of state and control, for `account`, where they are missing. Throws GatewayError. */
export function makeDirectories(config: GatewayConfig, account: Pick<Account, 'uid' | 'gid'> | undefined): void {
  for (const [directory, mode] of [
    [config.state, 0o700],
    [dirname(config.control), 0o755],
  ] as const) {
    try {
      const made = mkdirSync(directory, { recursive: true, mode });
      if (made !== undefined && account !== undefined) chownSync(directory, account.uid, account.gid);
    } catch (cause) {
      throw new GatewayError('CULVERT_GATEWAY_STATE', directory, { cause });
    }
  }
}

/** Gives the directories and our files in them to `account`: an earlier run may have been another's. */
function giveDirectories(config: GatewayConfig, account: Account): void {
  makeDirectories(config, account);
  const give = (path: string) =>
    lstatSync(path, { throwIfNoEntry: false }) && lchownSync(path, account.uid, account.gid);
  for (const suffix of ['', '-wal', '-shm']) give(`${usersFile(config)}${suffix}`);
  const secretKey = secretKeyFile(config);
  if (secretKey.ours) give(secretKey.file);
  give(journalFile(config));
  for (const directory of [config.state, dirname(config.control)]) if (!isShared(directory)) give(directory);
}

/** Directories that are the system's stay root's. */
function isShared(directory: string): boolean {
  const system = [
    '/run',
    '/var',
    '/var/run',
    '/var/lib',
    '/tmp',
    '/var/tmp',
    '/etc',
    '/root',
    '/home',
    '/opt',
    '/srv',
    '/usr',
  ];
  return directory === '/' || system.includes(directory);
}

/**
 * Goes on as the service user, if this process is root: does not return then. Files that the account cannot read and that must
 * be read again while the gateway runs (the programs themselves, configuration, revocation list) keep it root's uid, without
 * root's capabilities; `warn` is told.
 */
export function stepDown(config: GatewayConfig, configFile: string, warn: (sentence: string) => void): void {
  if (process.getuid?.() !== 0 || process.env[inheritedVariable] !== undefined) return;
  if (!existsSync('/usr/bin/setpriv')) {
    throw new GatewayError('CULVERT_GATEWAY_PRIVILEGE', 'setpriv is missing, install the package util-linux');
  }
  const account = chooseAccount(config, configFile, warn);
  giveDirectories(config, account);
  const { redirects, files, inherited } = handOver(config, account);
  const entry = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const script = `exec ${redirects.join(' ')}; shift ${files.length}; exec "$@"`;
  const argv = ['-c', script, 'culvertd', ...files, ...setprivCommand(account), ...entry];
  process.execve?.('/bin/sh', ['sh', ...argv], { ...process.env, [inheritedVariable]: JSON.stringify(inherited) });
}

/** What root handed over; undefined in a process that did not step down. */
export function takeInherited(): Inherited | undefined {
  const text = process.env[inheritedVariable];
  return text === undefined ? undefined : (JSON.parse(text) as Inherited);
}

/** Whether this process may configure network devices. */
export function mayConfigureNetwork(effective: string): boolean {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(effective)?.[1] ?? '0'}`);
  return (mask & (1n << 12n)) !== 0n; // CAP_NET_ADMIN
}

function chooseAccount(config: GatewayConfig, configFile: string, warn: (sentence: string) => void): Account {
  const account = serviceAccount(config.user);
  if (account.uid === 0) return account;
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const lists = [config.tls.crl?.file, ipsecFiles(config).crl].filter((file) => file !== undefined);
  const again = [process.execPath, main, configFile, ...lists];
  const [unreadable] = notReadableBy(account, again);
  if (unreadable === undefined) return account;
  warn(
    `user ${account.name} cannot read ${unreadable}: staying uid 0, with no capabilities but the network's; ` +
      'make the file readable, or install with scripts/install',
  );
  return { name: 'root', uid: 0, gid: 0 };
}

/** Which of `paths` the account may not read: asks the kernel, which knows of modes, lists and mounts. Throws GatewayError. */
export function notReadableBy(account: Account, paths: readonly string[]): string[] {
  const script = 'for path; do [ -r "$path" ] || printf "%s\\n" "$path"; done';
  const [command = '', ...argv] = [...setprivCommand(account), '/bin/sh', '-c', script, 'sh', ...paths];
  const { stdout, status, stderr } = spawnSync(command, argv, { encoding: 'utf8' });
  if (status !== 0) throw new GatewayError('CULVERT_GATEWAY_PRIVILEGE', `setpriv: ${(stderr ?? '').trim()}`);
  return stdout.split('\n').filter((line) => line !== '');
}

function setprivCommand({ uid, gid }: Account): string[] {
  const limits = [`--inh-caps=-all,${capabilities}`, `--bounding-set=-all,${capabilities}`];
  const ambient = `--ambient-caps=-all,${capabilities}`;
  const ids = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  return ['/usr/bin/setpriv', ...ids, ...limits, ambient, '--no-new-privs', '--'];
}

/** The files that the shell opens as root, as its words: `3<>/dev/net/tun 4<"$1" 5<"$2"`. Throws GatewayError for too many. */
function handOver(config: GatewayConfig, account: Account) {
  const { wrap } = config.transports.openvpn;
  const wrapKey = wrap === 'none' ? undefined : (wrap.tlsCryptV2 ?? wrap.tlsCrypt);
  const { tls } = config;
  const wanted = [tls.privateKey, wrapKey, tls.ca, tls.certificate, ...ipsecFiles(config).others];
  const readable = [...new Set(wanted.filter((path) => path !== undefined))].filter(isReadable);
  const files = readable.length === 0 ? [] : notReadableBy(account, readable);
  let fd = firstFd;
  const tun = existsSync(tunPath) ? fd++ : undefined;
  const redirects = tun === undefined ? [] : [`${tun}<>${tunPath}`];
  if (fd + files.length > lastFd + 1) {
    const detail = `user ${account.name} cannot read ${files.join(', ')}: more files than root can hand over, let its group read some`;
    throw new GatewayError('CULVERT_GATEWAY_PRIVILEGE', detail);
  }
  const numbers: Record<string, number> = {};
  for (const [i, path] of files.entries()) {
    numbers[path] = fd;
    redirects.push(`${fd++}<"$${i + 1}"`);
  }
  const inherited: Inherited = { tun, files: numbers };
  return { redirects, files, inherited };
}

/** What `transports.l2tpIpsec` names, where it is on. */
function ipsecFiles({ transports: { l2tpIpsec } }: GatewayConfig) {
  const { enabled, presharedKey, presharedKeys, tunnelSecret, certificate } = l2tpIpsec;
  if (!enabled) return { crl: undefined, others: [] };
  const { ca, certificate: own, privateKey, crl } = certificate ?? {};
  const keys = [presharedKey, ...presharedKeys.map(({ file }) => file), tunnelSecret];
  return { crl, others: [...keys, privateKey, ca, own] };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
