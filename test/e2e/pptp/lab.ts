/**
 * Linux PPTP peers in kernels of their own, and our end of the tunnel, with a router between.
 *
 *   guests: pptp-linux 192.0.2.10-31 ┐
 *                                    ├ bridge ── 192.0.2.1 router 198.51.100.1 ── 198.51.100.2, 10-29 ours
 *   guest: pptpd 192.0.2.2           ┘              203.0.113.1 ── 203.0.113.2 our neighbour
 */
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
import { serveTraffic } from '../train-lab.ts';
import type { DialOptions, ServeOptions } from './end.ts';

export const labPrograms = [...guestPrograms, 'pppd', 'pptp', 'pptpd', 'nft', 'sysctl'];
export const ours = '198.51.100.2';
export const pptpd = '192.0.2.2';
/** Of the router, where the guests are. */
export const routerThere = '192.0.2.1';
/** pptp-linux makes one control connection an address, whatever number of calls. */
export const callers: readonly string[] = Array.from({ length: 20 }, (_, n) => `192.0.2.${10 + n}`);
/** Addresses of ours to call from: as so many clients, each at a place of its own. */
export const places: readonly string[] = Array.from({ length: 20 }, (_, n) => `198.51.100.${10 + n}`);
export const password = 'wallpaper engine';
/** Of pptpd's end of the tunnel. */
export const inner = { local: '10.98.0.1', prefix: 'fd98::' };

const modules = ['ipv6', 'ppp_async', 'ppp_mppe', 'ecb', 'arc4'];
const program = fileURLToPath(new URL('end.ts', import.meta.url));
const reorderer = fileURLToPath(new URL('reorder.ts', import.meta.url));
const node = fileURLToPath(new URL('../../../scripts/node', import.meta.url));
const role = (...names: readonly string[]) =>
  names.map((name) => readFileSync(new URL(`../${name}-role.sh`, import.meta.url), 'utf8')).join('');

/** What a guest runs: pptp-linux, or pptpd. */
const kinds = {
  client: {
    label: 'pptp-linux',
    addresses: callers.map((address) => `${address}/24`),
    role: `${role('ppp/traffic', 'ppp/caller', 'pptp/client')}ready`,
    variables: { PEER: ours },
  },
  server: {
    label: 'pptpd',
    addresses: [`${pptpd}/24`],
    role: `${role('ppp/traffic', 'ppp/answerer', 'pptp/server')}ready`,
    variables: { PASSWORD: password, LOCAL: inner.local, POOL: '10.98.0.2-9', PREFIX: inner.prefix },
  },
} as const;
type Kind = keyof typeof kinds;

export class PptpLab implements AsyncDisposable {
  readonly router: TestHost;
  readonly ours: TestHost;
  /** Another client of ours may be there. */
  readonly neighbour: TestHost;
  readonly #lab: Lab;
  readonly #guests: ReadonlyMap<Kind, Guest>;
  readonly #ends: HostProcess[] = [];
  readonly #changes = new Changes();

  private constructor(
    lab: Lab,
    hosts: { readonly router: TestHost; readonly ours: TestHost; readonly neighbour: TestHost },
    guests: ReadonlyMap<Kind, Guest>,
  ) {
    this.#lab = lab;
    this.router = hosts.router;
    this.ours = hosts.ours;
    this.neighbour = hosts.neighbour;
    this.#guests = guests;
  }

  /** With the guests of these kinds, one of each. */
  static async open(...wanted: readonly Kind[]): Promise<PptpLab> {
    const lab = new Lab();
    try {
      const bridge = await lab.createHost('guests');
      const [router, host] = [await lab.createHost('router'), await lab.createHost('ours')];
      const neighbour = await lab.createHost('neighbour');
      await lab.joinHosts(bridge, router, { addresses: [[], ['192.0.2.1/24']] });
      await lab.joinHosts(router, host, {
        addresses: [['198.51.100.1/24'], [ours, ...places].map((address) => `${address}/24`)],
      });
      await lab.joinHosts(router, neighbour, { addresses: [['203.0.113.1/24'], ['203.0.113.2/24']] });
      await router.forward();
      await host.ip('route add default via 198.51.100.1');
      await neighbour.ip('route add default via 203.0.113.1');
      const guests = new Map<Kind, Guest>();
      for (const kind of wanted)
        guests.set(kind, await Guest.boot(lab, bridge, { ...kinds[kind], gateways: ['192.0.2.1'], modules }));
      await Promise.all([serveTraffic(host), serveTraffic(neighbour)]);
      await Promise.all([...guests.values()].map((guest) => guest.ready()));
      return new PptpLab(lab, { router, ours: host, neighbour }, guests);
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  get client(): Guest {
    return this.#guest('client');
  }

  get server(): Guest {
    return this.#guest('server');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab.close();
  }

  async serve(options: Partial<ServeOptions> = {}): Promise<HostProcess> {
    const end = this.#start('serve', [{ address: ours, password, ...options }]);
    await end.waitFor('listening');
    return end;
  }

  dial(options: Partial<DialOptions> = {}, from = this.ours): HostProcess {
    return this.dialAll([options], from);
  }

  /** So many links of one process, each by its options. */
  dialAll(each: readonly Partial<DialOptions>[], from = this.ours): HostProcess {
    const usual = { remote: pptpd, username: 'alice', password };
    return this.#start(
      'dial',
      each.map((options) => ({ ...usual, ...options })),
      from,
    );
  }

  /** Packets of GRE with this verdict, once for each in ten, in both directions, until the function is called. */
  async loseOneInTen(): Promise<() => Promise<void>> {
    const rule = 'ip protocol gre numgen random mod 10 0 drop';
    return await this.#rules(`chain lossy {
        type filter hook forward priority 0;
        ${rule}
      }`);
  }

  /** Nothing of GRE and its control connection passes, until the function is called. */
  async loseAll(): Promise<() => Promise<void>> {
    return await this.#rules(`chain lossy {
        type filter hook forward priority 0;
        drop
      }`);
  }

  /**
   * One packet of GRE in ten comes after three that were sent later, in both directions, until the function is called. Returns how many
   * were late.
   */
  async reorder(): Promise<() => Promise<number>> {
    const { router } = this;
    const child = router.spawn(node, [reorderer]);
    const end = this.#changes.made(() => child.stop());
    await child.waitFor('ready');
    // What comes back from the device is routed as ever, whatever way it says that it came.
    for (const name of ['all', 'reorder0']) await router.exec('sysctl', ['-qw', `net.ipv4.conf.${name}.rp_filter=0`]);
    const rule = 'priority 90 fwmark 1 lookup 100';
    await router.ip('route add default dev reorder0 table 100');
    await router.ip(`rule add ${rule}`);
    const route = this.#changes.made(() => router.ip(`rule del ${rule}`));
    const heal = await this.#rules(`chain shuffle {
        type filter hook prerouting priority -150;
        iifname != "reorder0" ip protocol gre meta mark set 1
      }`);
    return async () => {
      await heal();
      await route();
      await end();
      return Number(/late (\d+)/.exec(child.output)?.[1]);
    };
  }

  /** The router hides the guests behind its address; it knows of PPTP, as routers for homes do. */
  hideGuests(): Promise<() => Promise<void>> {
    return this.#hide('oifname "eth1"');
  }

  /** Likewise us and our neighbour. */
  hideUs(): Promise<() => Promise<void>> {
    return this.#hide('oifname "eth0"');
  }

  /** As it was before the test, whatever became of that: the router lets everything pass, and nothing runs at either end. */
  async restore(t: DiagnosedTest): Promise<void> {
    showLastWords(t, this.#ends);
    await allOf([
      () => this.#changes.undo(),
      () => Promise.all([...this.#guests.values()].map((guest) => guest.exec('quiet'))),
      () => Promise.all(this.#ends.splice(0).map((end) => end.stop())),
    ]);
  }

  #guest(kind: Kind): Guest {
    const guest = this.#guests.get(kind);
    if (guest === undefined) throw new Error(`the lab was opened without ${kinds[kind].label}`);
    return guest;
  }

  async #hide(leaving: string): Promise<() => Promise<void>> {
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
        ${leaving} masquerade
      }`);
  }

  async #rules(text: string): Promise<() => Promise<void>> {
    await this.router.exec('nft', ['-f', '-'], { input: `table ip test {\n${text}\n}\n` });
    return this.#changes.made(async () => void (await this.router.exec('nft', ['delete', 'table', 'ip', 'test'])));
  }

  #start(what: string, options: readonly object[], host = this.ours): HostProcess {
    const end = host.spawn(node, [program, what, ...options.map((each) => JSON.stringify(each))]);
    this.#ends.push(end);
    return end;
  }
}
