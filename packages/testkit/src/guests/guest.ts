/**
 * Linux peers that need kernel modules (PPP, IPsec, L2TP) in a kernel of their own: User-Mode Linux, a program like any other, that
 * needs root here but no virtualization.
 *
 * A guest sees the host's files read-only and writes only to its own folder. It stands at the end of a bridge in the namespace of a
 * test host: what the host's uplink is joined to, the guest reaches with addresses of its own. It dies with us.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Millis } from '@culvert/base';
import type { HostProcess } from '../namespaces/host-process.ts';
import type { Lab, TestHost } from '../namespaces/lab.ts';

const init = fileURLToPath(new URL('./init.sh', import.meta.url));
const launch = fileURLToPath(new URL('./launch.pl', import.meta.url));
/** Keeps the C library of the guest's programs off registers that launch.pl's way does not keep. */
const WITHOUT_AVX =
  'glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-XSAVE,-XSAVEC,-ERMS,-AVX_Fast_Unaligned_Load';
/** A guest boots in 1.5 s on a quiet machine. */
const BOOT: Millis = 120_000;
const MEMORY = '128M';

export interface GuestOptions {
  /** Also its host name. */
  readonly label: string;
  /** Of its Ethernet device, with prefix lengths. @default no device */
  readonly addresses?: readonly string[];
  /** Next hops of its default routes. */
  readonly gateways?: readonly string[];
  /** Kernel modules that the role needs, since none is loaded by itself. */
  readonly modules: readonly string[];
  /** A shell script: starts its programs, then says `ready` or `failed WHY` (init.sh has these and `wait_for`). */
  readonly role: string;
  /** Variables for the role. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Ties the guest's /dev/ttyS0 to `Guest.serial`. */
  readonly serial?: boolean;
}

/** What the guest needs installed; for `missingForLab`. */
export const guestPrograms: readonly string[] = ['linux.uml', 'modprobe', 'perl'];

/** Joins a new TAP device for a guest to the host's uplink. The host itself needs no address. Returns the device's name. */
async function bridgedTap(host: TestHost): Promise<string> {
  const bridges = JSON.parse((await host.ip('-json link show type bridge')) || '[]') as unknown[];
  if (bridges.length === 0) {
    await host.ip('link add br0 type bridge');
    await host.ip('link set br0 up');
    if (host.devices > 0) await host.ip('link set eth0 master br0');
  }
  const tap = `uml${host.processes.length}`;
  await host.ip(`tuntap add ${tap} mode tap`);
  await host.ip(`link set ${tap} master br0 up`);
  return tap;
}

export class Guest {
  readonly label: string;
  /** The guest's folder, /run/guest inside. */
  readonly folder: string;
  readonly process: HostProcess;
  #commands = 0;

  private constructor(label: string, folder: string, process: HostProcess) {
    this.label = label;
    this.folder = folder;
    this.process = process;
  }

  /** Starts a guest; `ready` tells when its role is. */
  static async boot(lab: Lab, host: TestHost, options: GuestOptions): Promise<Guest> {
    const folder = mkdtempSync(join(lab.folder, `${options.label}-`));
    const tap = options.addresses === undefined ? undefined : await bridgedTap(host);
    writeFiles(folder, options);
    const words = [
      `mem=${MEMORY}`,
      ...['root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'ro', `init=${init}`],
      ...['con=null', 'con0=null,fd:1', 'con1=fd:0,null', 'quiet', 'zswap.enabled=0'],
      ...[`uml_dir=${folder}/`, 'umid=umid', `folder=${folder}`, `GLIBC_TUNABLES=${WITHOUT_AVX}`],
      ...(tap === undefined ? [] : [`vec0:transport=tap,ifname=${tap},depth=128,gro=1`]),
      ...(options.serial === true ? ['ssl0=fd:3,fd:3'] : []),
    ];
    const child = host.spawn('perl', [launch, 'linux.uml', ...words], {
      inputStaysOpen: true,
      channel: options.serial === true,
      group: true,
    });
    return new Guest(options.label, folder, child);
  }

  /** The host's end of /dev/ttyS0. */
  get serial(): Duplex {
    const { channel } = this.process;
    if (channel === undefined) throw new Error(`the guest ${this.label} has no serial line`);
    return channel;
  }

  /** Resolves with what the role said as it became ready; fails with the reason, and the console, when it did not. */
  async ready(within: Millis = BOOT): Promise<string> {
    const [, state, said] = await this.process.waitFor(/^GUEST (READY|FAILED) \S+ ?(.*)$/m, within);
    if (state !== 'READY') throw new Error(`the guest ${this.label} failed: ${said}\n${this.process.output}`);
    return said ?? '';
  }

  /** Runs a shell command inside; its output. Fails with it when the command does. */
  async exec(command: string, within: Millis = 120_000): Promise<string> {
    const n = this.#commands++;
    writeFileSync(join(this.folder, `command.${n}`), `${command}\n`);
    this.process.write(`run ${n}\n`);
    const [, code] = await this.process.waitFor(new RegExp(`^GUEST DONE ${n} (\\d+)\\s`, 'm'), within);
    const output = this.read(`output.${n}`);
    if (code !== '0') throw new Error(`${this.label}: ${command}: exit code ${code}; its output:\n${output}`);
    return output;
  }

  /** What lies in a file of the guest's folder; empty when there is none. */
  read(name: string): string {
    try {
      return readFileSync(join(this.folder, name), 'utf8');
    } catch {
      return '';
    }
  }

  /** Lets its programs take leave of their peers, then ends it. */
  async end(within: Millis = 60_000): Promise<void> {
    if (this.process.end !== undefined) return;
    this.process.write('end\n');
    await this.process.waitFor(/^GUEST END/m, within);
    await this.kill();
  }

  /** Ends it as a power failure does. */
  async kill(): Promise<void> {
    await this.process.stop('SIGKILL');
  }
}

function writeFiles(folder: string, options: GuestOptions): void {
  mkdirSync('/usr/lib/modules', { recursive: true }); // Debian's lie in /usr/lib/uml/modules
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const variables = { NAME: options.label, MODULES: options.modules.join(' '), ...options.variables };
  const write = (name: string, lines: readonly string[]) => writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
  write(
    'env',
    Object.entries(variables).map(([name, value]) => `${name}=${quote(value)}`),
  );
  write('role', [options.role]);
  write('network', [
    'link set lo up',
    ...(options.addresses === undefined ? [] : ['link set vec0 up']),
    ...(options.addresses ?? []).map(
      (address) => `address add ${address} dev vec0${address.includes(':') ? ' nodad' : ''}`,
    ),
    ...(options.gateways ?? []).map((gateway) => `route add default via ${gateway}`),
  ]);
  // Private and writable: what programs need so. /etc/resolv.conf is hidden, or pppd would look up its own name.
  write('mounts', [
    'proc /proc proc defaults 0 0',
    'sys /sys sysfs defaults 0 0',
    't /run tmpfs mode=755 0 0',
    't /tmp tmpfs mode=1777 0 0',
    't /var/log tmpfs defaults 0 0',
    't /etc/ppp tmpfs mode=755 0 0',
    'pts /dev/pts devpts ptmxmode=666,mode=620,X-mount.mkdir 0 0',
    '/usr/lib/uml/modules /usr/lib/modules none bind 0 0',
    '/dev/null /etc/resolv.conf none bind 0 0',
    `none /run/guest hostfs ${folder},X-mount.mkdir 0 0`,
  ]);
}
