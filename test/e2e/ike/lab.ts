/**
 * strongSwan in a kernel of its own, and our ends in this process, which has a network namespace to itself, with a router between.
 *
 *   guest: charon 192.0.2.2, 192.0.2.3 ── bridge ── 192.0.2.1 router 198.51.100.1 ── 198.51.100.10-254 ours
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Guest, guestPrograms, Lab, type TestHost } from '@culvert/testkit';
import { allOf, Changes } from '../changes.ts';
import { IkeEnd, type IkeEndOptions } from './ike-end.ts';
import { charonPrograms, ipsecModules } from './swanctl.ts';

export const labPrograms = [...guestPrograms, ...charonPrograms, 'nft'];
export const charon = { address: '192.0.2.2', second: '192.0.2.3', ipv6: 'fd02::2' };
export const presharedKey = 'a key that both were told';

const role = (name: string) => readFileSync(new URL(`${name}-role.sh`, import.meta.url), 'utf8');

export class IkeLab implements AsyncDisposable {
  /** For files, gone afterwards. */
  get folder(): string {
    return this.#lab.folder;
  }

  readonly charon: Guest;
  readonly router: TestHost;
  readonly #lab: Lab;
  readonly #ends: IkeEnd[] = [];
  readonly #changes = new Changes();
  #nextAddress = 10;

  private constructor(lab: Lab, router: TestHost, guest: Guest) {
    this.#lab = lab;
    this.router = router;
    this.charon = guest;
  }

  static async open(): Promise<IkeLab> {
    const lab = new Lab();
    try {
      const [bridge, router] = [await lab.createHost('guests'), await lab.createHost('router')];
      await lab.joinHosts(bridge, router, { addresses: [[], ['192.0.2.1/24', 'fd02::1/64']] });
      await joinUs(router);
      await router.forward();
      const guest = await Guest.boot(lab, bridge, {
        label: 'charon',
        addresses: [`${charon.address}/24`, `${charon.second}/24`, `${charon.ipv6}/64`],
        gateways: ['192.0.2.1', 'fd02::1'],
        modules: ['ipv6', ...ipsecModules],
        role: `${role('charon')}${role('echo')}ready`,
        variables: { ADDRESSES: Object.values(charon).join(' ') },
      });
      await guest.ready();
      return new IkeLab(lab, router, guest);
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends) end[Symbol.dispose]();
    await this.#lab.close();
  }

  /** An address of ours that none had before. */
  address(): string {
    const address = `198.51.100.${this.#nextAddress++}`;
    execFileSync('ip', ['address', 'add', `${address}/24`, 'dev', 'eth0']);
    return address;
  }

  address6(): string {
    const address = `fd01::${this.#nextAddress++}`;
    execFileSync('ip', ['address', 'add', `${address}/64`, 'dev', 'eth0', 'nodad']);
    return address;
  }

  /** The router hides an address of ours, charon's second address, or both, until `show`. */
  async hide(address: string, whom: { readonly ours: boolean; readonly charon: boolean }): Promise<Hidden> {
    // New ones each time, since the router remembers connections.
    const [ours, charons] = [`192.0.2.${this.#nextAddress}`, `198.51.100.${this.#nextAddress++}`];
    for (const [address, device] of [
      [ours, 'eth0'],
      [charons, 'eth1'],
    ])
      await this.router.ip(`address add ${address}/24 dev ${device}`);
    const rules = [
      ...(!whom.ours ? [] : [`ip saddr ${address} snat to ${ours}`]),
      ...(whom.charon ? [`ip saddr ${charon.second} snat to ${charons}`] : []),
    ];
    const back = [
      ...(!whom.ours ? [] : [`iif eth0 ip daddr ${ours} udp dport { 500, 4500 } dnat to ${address}`]),
      ...(whom.charon ? [`iif eth1 ip daddr ${charons} udp dport { 500, 4500 } dnat to ${charon.second}`] : []),
    ];
    await this.router.exec('nft', ['-f', '-'], {
      input: `table ip hide {
        chain out {
          type nat hook postrouting priority srcnat;
          ${rules.join('\n')}
        }
        chain back {
          type nat hook prerouting priority dstnat;
          ${back.join('\n')}
        }
      }
      `,
    });
    return {
      ours: whom.ours ? ours : address,
      charon: whom.charon ? charons : charon.address,
      show: this.#changes.made(async () => void (await this.router.exec('nft', ['delete', 'table', 'ip', 'hide']))),
    };
  }

  end(options: IkeEndOptions): IkeEnd {
    const end = new IkeEnd({ presharedKey: () => Buffer.from(presharedKey), ...options });
    this.#ends.push(end);
    return end;
  }

  /** As it was before the test, whatever became of that. Charon keeps what it has: each test has addresses of its own. */
  async restore(): Promise<void> {
    await allOf([
      async () => {
        for (const end of this.#ends.splice(0)) end[Symbol.dispose]();
      },
      () => this.#changes.undo(),
      () => this.charon.exec('if charon_is_gone >/dev/null; then forget && start_charon; fi'),
    ]);
  }
}

interface Hidden {
  /** Where charon finds us. */
  readonly ours: string;
  /** Where we find charon. */
  readonly charon: string;
  show(): Promise<void>;
}

async function joinUs(router: TestHost): Promise<void> {
  await router.ip(`link add eth1 type veth peer name eth0 netns ${process.pid}`);
  for (const address of ['198.51.100.1/24', 'fd01::1/64']) await router.ip(`address add ${address} dev eth1`);
  await router.ip('link set eth1 up');
  const ip = (words: string) => execFileSync('ip', words.split(' '));
  ip('link set eth0 up');
  ip('address add fd01::2/64 dev eth0 nodad');
  ip('address add 198.51.100.2/24 dev eth0');
  ip('route add 192.0.2.0/24 via 198.51.100.1');
  ip('-6 route add fd02::/64 via fd01::1');
}
