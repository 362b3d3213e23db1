/**
 * Linux PPTP peers in kernels of their own, and our end of the tunnel, with a router between.
 *
 *   guests: pptp-linux 192.0.2.10-31 ┐
 *                                    ├ bridge ── 192.0.2.1 router 198.51.100.1 ── 198.51.100.2 ours
 *   guest: pptpd 192.0.2.2           ┘
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Guest, guestPrograms, type HostProcess, Lab, type TestHost } from '@culvert/testkit';
import { serveTraffic } from '../train-lab.ts';
import type { DialOptions, ServeOptions } from './end.ts';

export const labPrograms = [...guestPrograms, 'pppd', 'pptp', 'pptpd', 'nft', 'sysctl'];
export const ours = '198.51.100.2';
export const pptpd = '192.0.2.2';
/** One for each call that a guest makes at a time: pptp-linux makes one control connection an address. */
export const callers: readonly string[] = Array.from({ length: 20 }, (_, n) => `192.0.2.${10 + n}`);
export const password = 'wallpaper engine';
/** Of pptpd's end of the tunnel. */
export const inner = { local: '10.98.0.1', prefix: 'fd98::' };

const modules = ['ipv6', 'ppp_async', 'ppp_mppe', 'ecb', 'arc4'];
const program = fileURLToPath(new URL('end.ts', import.meta.url));
const node = fileURLToPath(new URL('../../../scripts/node', import.meta.url));
const role = (name: string) => readFileSync(new URL(`${name}-role.sh`, import.meta.url), 'utf8');

export class PptpLab implements AsyncDisposable {
  readonly client: Guest;
  readonly server: Guest;
  readonly router: TestHost;
  readonly ours: TestHost;
  readonly #lab: Lab;
  readonly #ends: HostProcess[] = [];

  private constructor(lab: Lab, hosts: { router: TestHost; ours: TestHost }, guests: { client: Guest; server: Guest }) {
    this.#lab = lab;
    this.router = hosts.router;
    this.ours = hosts.ours;
    this.client = guests.client;
    this.server = guests.server;
  }

  static async open(): Promise<PptpLab> {
    const lab = new Lab();
    try {
      const bridge = await lab.createHost('guests');
      const [router, host] = [await lab.createHost('router'), await lab.createHost('ours')];
      await lab.joinHosts(bridge, router, { addresses: [[], ['192.0.2.1/24']] });
      await lab.joinHosts(router, host, { addresses: [['198.51.100.1/24'], [`${ours}/24`]] });
      await router.forward();
      await host.ip('route add default via 198.51.100.1');
      const gateways = ['192.0.2.1'];
      const client = await Guest.boot(lab, bridge, {
        label: 'pptp-linux',
        addresses: callers.map((address) => `${address}/24`),
        gateways,
        modules,
        role: `${role('traffic')}${role('client')}ready`,
        variables: { PEER: ours },
      });
      const server = await Guest.boot(lab, bridge, {
        label: 'pptpd',
        addresses: [`${pptpd}/24`],
        gateways,
        modules,
        role: `${role('traffic')}${role('server')}ready`,
        variables: { PASSWORD: password, LOCAL: inner.local, POOL: '10.98.0.2-9', PREFIX: inner.prefix },
      });
      await serveTraffic(host);
      await Promise.all([client.ready(), server.ready()]);
      return new PptpLab(lab, { router, ours: host }, { client, server });
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab.close();
  }

  async serve(options: Partial<ServeOptions> = {}): Promise<HostProcess> {
    const end = this.#start('serve', { address: ours, password, ...options });
    await end.waitFor('listening');
    return end;
  }

  dial(options: Partial<DialOptions> = {}): HostProcess {
    return this.#start('dial', { remote: pptpd, username: 'alice', password, ...options });
  }

  /** Packets of GRE with this verdict, once for each in ten, in both directions, until the function is called. */
  async loseOneInTen(): Promise<() => Promise<void>> {
    const rule = 'ip protocol gre numgen random mod 10 0 drop';
    return await this.#rules(`chain lossy {
        type filter hook forward priority 0;
        ${rule}
      }`);
  }

  /** The router hides the guests behind its address; it knows of PPTP, as routers for homes do. */
  async hideGuests(): Promise<() => Promise<void>> {
    return await this.#rules(`
      ct helper pptp {
        type "pptp" protocol tcp
      }
      chain help {
        type filter hook prerouting priority 0;
        tcp dport 1723 ct helper set "pptp"
      }
      chain hide {
        type nat hook postrouting priority 100;
        oifname "eth1" masquerade
      }`);
  }

  /** Ends what a test left of our ends. */
  async endOurs(): Promise<void> {
    await Promise.all(this.#ends.splice(0).map((end) => end.stop()));
  }

  async #rules(text: string): Promise<() => Promise<void>> {
    await this.router.exec('nft', ['-f', '-'], { input: `table ip test {\n${text}\n}\n` });
    return async () => void (await this.router.exec('nft', ['delete', 'table', 'ip', 'test']));
  }

  #start(what: string, options: object): HostProcess {
    const end = this.ours.spawn(node, [program, what, JSON.stringify(options)]);
    this.#ends.push(end);
    return end;
  }
}
