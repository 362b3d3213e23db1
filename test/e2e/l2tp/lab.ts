/**
 * Linux L2TP/IPsec peers (strongSwan, the kernel's ESP and L2TP, xl2tpd, pppd) in kernels of their own, and our end of the tunnel, with a
 * router between, which may hide the guests or us.
 *
 *   guests: client 192.0.2.10, neighbour 192.0.2.11 ┐                    ┌ 198.51.100.1 ── 198.51.100.2 ours
 *                                                   ├ bridge ── 192.0.2.1 router
 *   guest: server 192.0.2.2                         ┘                    └ 203.0.113.1 ── 203.0.113.2 beside us
 *
 * Where IPsec fails Linux goes on in the clear. So what comes to our host and leaves it as UDP of port 1701 is counted, and guests drop
 * it themselves until they are told otherwise.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type DiagnosedTest,
  Guest,
  guestPrograms,
  type HostProcess,
  Lab,
  showLastWords,
  type TestHost,
} from '@culvert/testkit';
import { allOf, Changes } from '../changes.ts';
import { charonPrograms, ipsecModules } from '../ike/swanctl.ts';
import { serveTraffic } from '../train-lab.ts';
import type { DialOptions, ServeOptions } from './end.ts';

export const labPrograms = [...guestPrograms, ...charonPrograms, 'pppd', 'xl2tpd', 'nft', 'sysctl'];
export const ours = '198.51.100.2';
export const server = '192.0.2.2';
export const clients = ['192.0.2.10', '192.0.2.11'] as const;
export const password = 'wallpaper engine';
export const presharedKey = 'a key that both were told';
/** Of the server's end of the tunnel. */
export const inner = { local: '10.98.0.1', prefix: 'fd98::' };

const modules = ['ipv6', 'ppp_async', 'l2tp_ppp', ...ipsecModules];
const program = fileURLToPath(new URL('end.ts', import.meta.url));
const node = fileURLToPath(new URL('../../../scripts/node', import.meta.url));
const role = (...names: readonly string[]) =>
  names.map((name) => readFileSync(new URL(`../${name}-role.sh`, import.meta.url), 'utf8')).join('');

const caller = { roles: ['ppp/caller', 'l2tp/client'], variables: { PEER: ours } };
const guests = {
  client: { address: clients[0], ...caller },
  neighbour: { address: clients[1], ...caller },
  server: {
    address: server,
    roles: ['ppp/answerer', 'l2tp/server'],
    variables: { PASSWORD: password, LOCAL: inner.local, POOL: '10.98.0.2-10.98.0.9', PREFIX: inner.prefix },
  },
};

export class L2tpLab implements AsyncDisposable {
  readonly router: TestHost;
  readonly ours: TestHost;
  /** Another of ours, that dials. */
  readonly beside: TestHost;
  readonly #lab: Lab;
  readonly #ends: HostProcess[] = [];
  readonly #changes = new Changes();
  #before = { came: 0, left: 0 };
  readonly #guests: ReadonlyMap<string, Guest>;

  private constructor(
    lab: Lab,
    hosts: { router: TestHost; ours: TestHost; beside: TestHost },
    guests: ReadonlyMap<string, Guest>,
  ) {
    this.#lab = lab;
    this.router = hosts.router;
    this.ours = hosts.ours;
    this.beside = hosts.beside;
    this.#guests = guests;
  }

  /** @param labels of the guests that are wanted */
  static async open(labels: readonly (keyof typeof guests)[]): Promise<L2tpLab> {
    const lab = new Lab();
    try {
      const bridge = await lab.createHost('guests');
      const [router, host] = [await lab.createHost('router'), await lab.createHost('ours')];
      const beside = await lab.createHost('beside');
      await lab.joinHosts(bridge, router, { addresses: [[], ['192.0.2.1/24']] });
      await lab.joinHosts(router, host, { addresses: [['198.51.100.1/24'], [`${ours}/24`]] });
      await lab.joinHosts(router, beside, { addresses: [['203.0.113.1/24'], ['203.0.113.2/24']] });
      await beside.ip('route add default via 203.0.113.1');
      await router.forward();
      await host.ip('route add default via 198.51.100.1');
      await host.exec('nft', ['-f', '-'], { input: clearText });
      const made = new Map<string, Guest>();
      for (const label of labels) {
        const { address, roles, variables } = guests[label];
        const guest = await Guest.boot(lab, bridge, {
          label,
          addresses: [`${address}/24`],
          gateways: ['192.0.2.1'],
          modules,
          role: `${role('ppp/traffic', 'ike/charon', 'l2tp/xl2tpd', ...roles)}ready`,
          variables,
        });
        made.set(label, guest);
      }
      for (const each of [host, beside]) await serveTraffic(each);
      await Promise.all([...made.values()].map((guest) => guest.ready()));
      return new L2tpLab(lab, { router, ours: host, beside }, made);
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  get client(): Guest {
    return this.#guest('client');
  }

  /** As the client is in all but the address. */
  get neighbour(): Guest {
    return this.#guest('neighbour');
  }

  get server(): Guest {
    return this.#guest('server');
  }

  /** For files, gone afterwards. */
  get folder(): string {
    return this.#lab.folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab.close();
  }

  async serve(options: Partial<ServeOptions> = {}): Promise<HostProcess> {
    const end = this.#start(this.ours, 'serve', { address: ours, password, key: presharedKey, ...options });
    await end.waitFor('listening');
    return end;
  }

  dial(options: Partial<DialOptions> = {}, from = this.ours): HostProcess {
    return this.#start(from, 'dial', { remote: server, username: 'alice', password, key: presharedKey, ...options });
  }

  /** The router masquerades the guests, or us. */
  async hide(whom: 'guests' | 'ours'): Promise<() => Promise<void>> {
    const device = whom === 'guests' ? 'eth1' : 'eth0';
    return await this.#rules(`chain hide {
        type nat hook postrouting priority 100;
        oifname "${device}" masquerade
      }`);
  }

  /**
   * One datagram of IPsec in ten is lost on the router until the function is called: either way, save for what goes back to a port that
   * its dialler chose.
   */
  async lose(): Promise<() => Promise<void>> {
    return await this.#rules(`chain lossy {
        type filter hook forward priority 0;
        udp dport { 500, 4500 } numgen random mod 10 0 drop
        meta l4proto esp numgen random mod 10 0 drop
      }`);
  }

  /** The path beyond the router takes 1,300 bytes, either way, until the function is called. */
  async narrow(): Promise<() => Promise<void>> {
    const networks = ['192.0.2.0/24 dev eth0', '198.51.100.0/24 dev eth1'];
    for (const network of networks) await this.router.ip(`route replace ${network} mtu lock 1300`);
    return this.#changes.made(async () => {
      for (const network of networks) await this.router.ip(`route replace ${network}`);
    });
  }

  /** What the router hides gets another address, 198.51.100.9, until the function is called. */
  async move(): Promise<() => Promise<void>> {
    await this.router.exec('sysctl', ['-qw', 'net.ipv4.conf.eth1.promote_secondaries=1']);
    await this.router.ip('address add 198.51.100.9/24 dev eth1');
    // It forgets connections of an address that it no longer has.
    await this.router.ip('address delete 198.51.100.1/24 dev eth1');
    await this.router.ip('address add 198.51.100.1/24 dev eth1');
    return this.#changes.made(async () => void (await this.router.ip('address delete 198.51.100.9/24 dev eth1')));
  }

  /** Nothing of that address crosses the router, either way. */
  async cutOff(address: string): Promise<() => Promise<void>> {
    return await this.#rules(`chain cut {
        type filter hook forward priority 0;
        ip saddr ${address} drop
        ip daddr ${address} drop
      }`);
  }

  /** Datagrams of UDP port 1701, outside of IPsec, that came to our host and left it since `restore`. */
  async clearText(): Promise<{ readonly came: number; readonly left: number }> {
    const rules = await this.ours.exec('nft', ['list', 'table', 'inet', 'clear']);
    const counters = [...rules.matchAll(/packets (\d+)/g)].map(([, packets]) => Number(packets));
    const [came = Number.NaN, left = Number.NaN] = counters;
    return { came: came - this.#before.came, left: left - this.#before.left };
  }

  /**
   * As it was before the test, whatever became of that: the router lets everything pass, and nothing runs at either end. Fails where L2TP
   * left us in the clear.
   */
  async restore(t: DiagnosedTest): Promise<void> {
    showLastWords(t, this.#ends);
    await allOf([
      () => this.#changes.undo(),
      () => Promise.all([...this.#guests.values()].map((guest) => guest.exec('quiet'))),
      () => Promise.all(this.#ends.splice(0).map((end) => end.stop())),
      async () => {
        const { came, left } = await this.clearText();
        this.#before = { came: this.#before.came + came, left: this.#before.left + left };
        assert.equal(left, 0, 'nothing of L2TP leaves us in the clear');
      },
    ]);
  }

  #guest(label: keyof typeof guests): Guest {
    return this.#guests.get(label) ?? assert.fail(`the guest ${label} was not wanted`);
  }

  async #rules(text: string): Promise<() => Promise<void>> {
    await this.router.exec('nft', ['-f', '-'], { input: `table ip test {\n${text}\n}\n` });
    return this.#changes.made(async () => void (await this.router.exec('nft', ['delete', 'table', 'ip', 'test'])));
  }

  #start(host: TestHost, what: string, options: object): HostProcess {
    const end = host.spawn(node, [program, what, JSON.stringify(options)]);
    this.#ends.push(end);
    return end;
  }
}

const clearText = `table inet clear {
  chain came {
    type filter hook input priority 0;
    udp dport 1701 counter
  }
  chain left {
    type filter hook output priority 0;
    udp sport 1701 counter
  }
}
`;
