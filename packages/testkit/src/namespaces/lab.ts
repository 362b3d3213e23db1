/**
 * Network namespaces as test hosts, joined by veth. Nothing here touches the host's own network.
 *
 * A lab owns its namespaces, processes and one temporary folder, and removes them when it closes, when the process exits, and, after a
 * crash, when the next lab opens (a namespace's name holds its owner's process id).
 */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HostProcess, type SpawnOptions } from './host-process.ts';

const run = promisify(execFile);
const NETNS_ETC = '/etc/netns';

export interface JoinOptions {
  /** Addresses with prefix lengths, of either IP version, for the first and the second host. */
  readonly addresses: readonly [readonly string[], readonly string[]];
  /** @default "eth0", "eth1" … as the host has room */
  readonly devices?: readonly [string, string];
  /** @default 1500 */
  readonly mtu?: number;
}

export class TestHost {
  /** The namespace's name. */
  readonly name: string;
  readonly label: string;
  readonly processes: HostProcess[] = [];
  devices = 0;

  constructor(name: string, label: string) {
    this.name = name;
    this.label = label;
  }

  /** Starts a program on this host. */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): HostProcess {
    const child = new HostProcess(['ip', 'netns', 'exec', this.name, command, ...args], options);
    this.processes.push(child);
    return child;
  }

  /** Runs a program to its end and returns its standard output; fails with its output when it fails. */
  async exec(command: string, args: readonly string[] = [], options: SpawnOptions = {}): Promise<string> {
    return (await this.spawn(command, args, options).succeeded()).stdout;
  }

  /** `ip` with these words, split at blanks. */
  async ip(words: string): Promise<string> {
    return (await run('ip', ['-n', this.name, ...words.split(' ')])).stdout;
  }

  /** What programs on this host read as /etc/resolv.conf. Only programs started afterwards see a file that was not there. */
  setResolvConf(text: string): void {
    mkdirSync(join(NETNS_ETC, this.name), { recursive: true });
    writeFileSync(join(NETNS_ETC, this.name, 'resolv.conf'), text);
  }

  /** Lets it forward packets of both IP versions. */
  async forward(): Promise<void> {
    await this.exec('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
  }
}

export class Lab implements AsyncDisposable {
  /** Temporary, for configuration files and keys; mode 0700. */
  readonly folder: string;
  readonly hosts: TestHost[] = [];
  readonly #prefix = `cv-t${process.pid}-${randomBytes(2).toString('hex')}`;
  readonly #onExit = () => this.#removeNow();

  constructor() {
    removeStale();
    this.folder = mkdtempSync(join(tmpdir(), 'culvert-lab-'));
    process.on('exit', this.#onExit);
  }

  /** A new host with its loopback up and no other device. */
  async createHost(label: string): Promise<TestHost> {
    const host = new TestHost(`${this.#prefix}-${label}`, label);
    await run('ip', ['netns', 'add', host.name]);
    this.hosts.push(host);
    host.setResolvConf('# no name server\n');
    await host.ip('link set lo up');
    await host.exec('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=0', 'net.ipv6.conf.default.accept_dad=0']);
    return host;
  }

  /** A cable between two hosts. Returns its device at either end. */
  async joinHosts(a: TestHost, b: TestHost, options: JoinOptions): Promise<[string, string]> {
    const devices: [string, string] = [
      options.devices?.[0] ?? `eth${a.devices++}`,
      options.devices?.[1] ?? `eth${b.devices++}`,
    ];
    const [first, second] = devices;
    await a.ip(`link add ${first} type veth peer name ${second} netns ${b.name}`);
    for (const [host, device, addresses] of [
      [a, first, options.addresses[0]],
      [b, second, options.addresses[1]],
    ] as const) {
      for (const address of addresses) {
        await host.ip(`address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`);
      }
      await host.ip(`link set ${device} mtu ${options.mtu ?? 1500} up`);
    }
    return devices;
  }

  /** A file in the lab's folder, mode 0600. Returns its path. */
  write(name: string, text: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** The same, executable. */
  writeProgram(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o700 });
    return path;
  }

  async close(): Promise<void> {
    const running = this.hosts.flatMap((host) => host.processes);
    await Promise.all(running.map((child) => child.stop('SIGKILL')));
    this.#removeNow();
    process.off('exit', this.#onExit);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #removeNow(): void {
    for (const host of this.hosts.splice(0)) {
      for (const child of host.processes) child.signal('SIGKILL');
      removeNamespace(host.name);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Removes the namespaces of labs whose process is gone. */
function removeStale(): void {
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const owner = /^cv-t(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) removeNamespace(name);
  }
}

/** Ends what runs in a namespace of ours, and removes it. */
function removeNamespace(name: string): void {
  const ip = (...words: string[]) =>
    execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    for (const pid of ip('netns', 'pids', name).split('\n').filter(Boolean)) endProcess(Number(pid));
    ip('netns', 'delete', name);
  } catch {
    // It is gone already, which is what we want.
  }
  rmSync(join(NETNS_ETC, name), { recursive: true, force: true });
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
