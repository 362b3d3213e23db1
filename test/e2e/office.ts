/**
 * The three programs on four hosts, as an administrator sets them up: certificates by culvert-ca, one YAML file, one-file profiles.
 *
 *     laptop ─┐
 *             ├── street ── gateway ── office          inside the tunnel: 10.88.0.0/24 and fd88::/64
 *     phone ──┘     192.0.2.0/24   10.77.0.0/24, fd77::/64
 */
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, type HostProcess, Lab, type TestHost } from '@culvert/testkit';

const root = fileURLToPath(new URL('../..', import.meta.url));
const programs = {
  ca: `${root}packages/ca/bin/culvert-ca`,
  culvertd: `${root}packages/gateway/bin/culvertd`,
  culvert: `${root}packages/client/bin/culvert`,
};

export const { culvertd } = programs;
export const officeAddress = { ipv4: '10.77.0.2', ipv6: 'fd77::2' } as const;
/** The gateway's address on the street. */
export const GATEWAY = '192.0.2.1';

export interface OfficeOptions {
  /** YAML lines beside the usual ones. */
  readonly yaml?: string;
  /** Under `push:`, beside the routes. */
  readonly push?: string;
  readonly listen?: string;
  /** Under `transports:`, beside openvpn. */
  readonly transports?: string;
  /** Under `network:`, beside the addresses: `threads: 2`. */
  readonly network?: string;
  /** Of the profiles. @default the gateway, UDP */
  readonly remotes?: readonly string[];
}

export interface ClientOptions {
  /** Of the profile. @default the office's */
  readonly remotes?: readonly string[];
  /** Words behind `culvert up NAME`. */
  readonly up?: readonly string[];
}

export class Office implements AsyncDisposable {
  readonly lab = new Lab();
  readonly config: string;
  readonly caFolder: string;
  readonly serverFolder: string;
  readonly hosts = new Map<string, TestHost>();
  readonly #remotes: readonly string[];

  private constructor(options: OfficeOptions) {
    const folder = this.lab.folder;
    this.caFolder = join(folder, 'ca');
    this.serverFolder = join(folder, 'server');
    this.#remotes = options.remotes ?? [GATEWAY];
    mkdirSync(join(folder, 'state'), { mode: 0o700 });
    this.config = this.lab.write('culvertd.yaml', yaml(folder, options));
  }

  static async open(options: OfficeOptions = {}): Promise<Office> {
    const office = new Office(options);
    try {
      await office.#build();
      return office;
    } catch (error) {
      await office.lab.close();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lab.close();
  }

  host(label: 'laptop' | 'phone' | 'gateway' | 'office' | 'street'): TestHost {
    const host = this.hosts.get(label);
    if (host === undefined) throw new Error(`there is no host ${label}`);
    return host;
  }

  /** Runs culvert-ca. */
  ca(...words: readonly string[]): Promise<string> {
    return this.host('gateway').exec(programs.ca, [...words, '--dir', this.caFolder]);
  }

  culvertd(...words: readonly string[]): Promise<string> {
    return this.host('gateway').exec(programs.culvertd, [...words, '--config', this.config]);
  }

  /** Starts culvertd and waits until it listens. */
  async startGateway(): Promise<HostProcess> {
    const child = this.host('gateway').spawn(programs.culvertd, ['run', '--config', this.config]);
    await child.waitFor(/ listening /);
    return child;
  }

  /** Runs culvert on a host to its end. */
  culvert(host: TestHost, ...words: readonly string[]): HostProcess {
    return host.spawn(programs.culvert, words, { env: this.#env(host) });
  }

  /** Starts culvert with this user's profile; does not wait for the link. */
  async startClient(host: TestHost, user: string, how: ClientOptions = {}): Promise<HostProcess> {
    const profile = join(this.lab.folder, `${user}.ovpn`);
    const remotes = (how.remotes ?? this.#remotes).flatMap((remote) => ['--remote', remote]);
    await this.ca('export', user, ...remotes, '--out', profile);
    await this.culvert(host, 'import', profile, '--name', user, '--force').succeeded();
    return this.culvert(host, 'up', user, ...(how.up ?? []));
  }

  /** The same, and the link is up and carries. */
  async connect(host: TestHost, user: string, how: ClientOptions = {}): Promise<HostProcess> {
    const child = await this.startClient(host, user, how);
    await child.waitFor(/tunnel is up/);
    await reaches(host, officeAddress.ipv4);
    return child;
  }

  /** The CA's present list becomes the gateway's, in one step, as an administrator's script does it. */
  async publishCrl(): Promise<void> {
    await this.ca('crl', '--out', join(this.lab.folder, 'new-crl.pem'));
    copyFileSync(join(this.lab.folder, 'new-crl.pem'), join(this.serverFolder, 'crl.pem.new'));
    renameSync(join(this.serverFolder, 'crl.pem.new'), join(this.serverFolder, 'crl.pem'));
  }

  #env(host: TestHost): Record<string, string> {
    const folder = join(this.lab.folder, host.label);
    return { CULVERT_PROFILES: join(folder, 'profiles'), CULVERT_RUN: join(folder, 'run') };
  }

  async #build(): Promise<void> {
    for (const label of ['laptop', 'phone', 'street', 'gateway', 'office']) {
      this.hosts.set(label, await this.lab.createHost(label));
    }
    const [street, gateway] = [this.host('street'), this.host('gateway')];
    await street.ip('link add bridge type bridge');
    await street.ip('link set bridge up');
    for (const [label, address] of [
      ['laptop', '192.0.2.2/24'],
      ['phone', '192.0.2.3/24'],
      ['gateway', `${GATEWAY}/24`],
    ] as const) {
      const [, port] = await this.lab.joinHosts(this.host(label), street, { addresses: [[address], []] });
      await street.ip(`link set ${port} master bridge`);
    }
    await this.lab.joinHosts(gateway, this.host('office'), {
      addresses: [
        ['10.77.0.1/24', 'fd77::1/64'],
        ['10.77.0.2/24', 'fd77::2/64'],
      ],
    });
    for (const label of ['laptop', 'phone'] as const) await this.host(label).ip(`route add default via ${GATEWAY}`);
    await this.ca('init', '--name', 'End-to-end CA', '--no-passphrase');
    await this.ca('issue', 'server', 'vpn.example.com', '--san', GATEWAY, '--out', this.serverFolder);
    for (const user of ['alice', 'bob']) await this.ca('issue', 'client', user);
  }
}

function yaml(folder: string, options: OfficeOptions): string {
  const { yaml: more = '', push = '', network = 'mtu: 1500', listen, transports = '' } = options;
  const server = join(folder, 'server');
  return `
state: ${folder}/state
control: ${folder}/state/culvertd.sock
network: { ipv4: 10.88.0.0/24, ipv6: fd88::/64, mode: nat, ${network} }
push:
  routes: [10.77.0.0/24, fd77::/64]
${push.replace(/^(?=.)/gm, '  ')}
tls:
  ca: ${server}/ca.crt
  certificate: ${server}/vpn.example.com.crt
  privateKey: ${server}/vpn.example.com.key
  crl: { file: ${server}/crl.pem }
transports:
  openvpn:
    listen: [${listen ?? '{ protocol: udp, port: 1194 }, { protocol: tcp, port: 1194 }'}]
    wrap: { tlsCryptV2: ${server}/tls-crypt-v2-server.key }
${transports.replace(/^(?=.)/gm, '  ')}
keepalive: { interval: 1s, timeout: 6s }
${more}
`;
}

export async function reaches(from: TestHost, address: string, within = 60_000): Promise<void> {
  await eventually(`${from.label} reaches ${address}`, () => answers(from, address), within);
}

export async function answers(from: TestHost, address: string): Promise<boolean> {
  return (await from.spawn('ping', ['-c', '1', '-W', '1', address]).exited).code === 0;
}

/** Everything of a host's network that our programs may change, as text to compare. */
export async function networkOf(host: TestHost): Promise<string> {
  const script = `
    ip address show; ip route show table all; ip -6 route show table all; ip rule; ip -6 rule
    nft list ruleset; cat /etc/resolv.conf
    sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.all.accept_ra`;
  const text = await host.exec('sh', ['-c', script]);
  // Lifetimes, cache entries and link-local addresses change by themselves.
  return text
    .replace(/ (?:expires|valid_lft|preferred_lft) \S+/g, '')
    .replace(/^.*\b(?:cache|fe80:).*$/gm, '')
    .trim();
}
