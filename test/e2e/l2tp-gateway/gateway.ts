/** culvertd with L2TP/IPsec on a test host: its certificates by culvert-ca, its configuration, and what an operator asks it. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, type HostProcess, showLastWords, type TestHost } from '@culvert/testkit';
import type { SessionStatus } from '../../../packages/gateway/src/index.ts';

const local = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const programs = {
  ca: local('../../../packages/ca/bin/culvert-ca'),
  culvertd: local('../../../packages/gateway/bin/culvertd'),
};
/** Of nobody, whom culvertd becomes. */
const serviceGroup = 65_534;

export const gatewayPrograms = ['nft', 'sysctl', 'setpriv', 'openssl'];
export const key = 'qH8+bW2n7tZk0sVfYp4LrXcD9mEaUj3G';
export const password = 'wallpaper engine';

export class L2tpGateway {
  readonly host: TestHost;
  readonly folder: string;
  readonly #address: string;
  readonly #config: string;

  private constructor(host: TestHost, folder: string, address: string) {
    this.host = host;
    this.#address = address;
    this.folder = folder;
    this.#config = join(folder, 'culvertd.yaml');
  }

  /** With certificates for `address` and alice, and alice as a user. */
  static async create(host: TestHost, folder: string, address: string): Promise<L2tpGateway> {
    const gateway = new L2tpGateway(host, folder, address);
    await gateway.ca('init', '--no-passphrase', '--name', 'Test CA');
    for (const words of [`server ${address}`, 'client alice'])
      await gateway.ca('issue', ...words.split(' '), '--algorithm', 'rsa-3072', '--out', 'etc');
    chmodSync(folder, 0o755);
    gateway.configure('presharedKey: psk');
    await gateway.ask(
      'user',
      'add',
      'alice',
      '--group',
      'staff',
      '--password-file',
      gateway.write('password', password),
    );
    return gateway;
  }

  /** Returns its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, `${text}\n`, { mode: 0o600 });
    return path;
  }

  /** For the service's group to read, which reads it again at a reload. */
  writeKey(text: string): void {
    const path = this.write('psk', text);
    chownSync(path, 0, serviceGroup);
    chmodSync(path, 0o640);
  }

  /** @param section what `transports.l2tpIpsec` has beside being on */
  configure(section: string): void {
    this.writeKey(key);
    const { ca, certificate, privateKey } = this.certificateOf(this.#address);
    const path = this.write(
      'culvertd.yaml',
      `state: state
control: run/culvertd.sock
network: { ipv4: 10.99.0.0/24, ipv6: "fd99::/64" }
tls: { ca: ${ca}, certificate: ${certificate}, privateKey: ${privateKey}, crl: { file: etc/crl.pem } }
auth: { certificate: optional, password: required }
user: nobody
transports:
  openvpn: { wrap: none }
  l2tpIpsec: { enabled: true, ${section} }`,
    );
    chmodSync(path, 0o644);
  }
  /** Paths of what culvert-ca made. */
  certificateOf(name: string): { readonly ca: string; readonly certificate: string; readonly privateKey: string } {
    const at = (file: string) => join(this.folder, 'etc', file);
    return { ca: at('ca.crt'), certificate: at(`${name}.crt`), privateKey: at(`${name}.key`) };
  }

  /** YAML that names our own certificate. */
  get certificateSection(): string {
    const { ca, certificate, privateKey } = this.certificateOf(this.#address);
    return `certificate: { ca: ${ca}, certificate: ${certificate}, privateKey: ${privateKey}, crl: etc/crl.pem }`;
  }

  ca(...args: string[]): Promise<string> {
    return this.host.exec(programs.ca, args, { cwd: this.folder, env: { CULVERT_CA_DIR: 'ca' } });
  }

  culvertd(...args: string[]): HostProcess {
    return this.host.spawn(programs.culvertd, [...args, '--config', this.#config]);
  }

  async ask(...args: string[]): Promise<string> {
    return (await this.culvertd(...args).succeeded()).stdout;
  }

  async sessions(): Promise<SessionStatus[]> {
    return JSON.parse(await this.ask('session', 'list', '--json'));
  }

  /** The only one, which is up a moment after its peer may be, and seconds where the peer's last word was lost. */
  async session(): Promise<SessionStatus> {
    return await eventually(
      'one session',
      async () => {
        const [first, ...more] = await this.sessions();
        return more.length === 0 && first;
      },
      30_000,
    );
  }

  /** Disabled until the test is over. */
  async disable(t: TestContext, user: string): Promise<void> {
    t.after(() => this.ask('user', 'enable', user));
    await this.ask('user', 'disable', user);
  }

  async start(t: TestContext): Promise<HostProcess> {
    const run = this.culvertd('run');
    t.after(() => {
      showLastWords(t, [run]);
      return run.stop('SIGKILL');
    });
    await run.waitFor('culvertd is up');
    return run;
  }

  async stop(run: HostProcess): Promise<void> {
    assert.deepEqual(await run.stop('SIGTERM'), { code: 0, signal: null });
    for (const secret of [key, password]) assert.ok(!run.output.includes(secret), 'no secret in the log');
  }
}
