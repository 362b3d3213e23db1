/** Starts the dialler, whose links are the load of scenarios with many of them. */
import { fileURLToPath } from 'node:url';
import type { HostProcess, Identity } from '@culvert/testkit';
import { gatewayAddress, type World } from '../interop/world.ts';
import { DONE, type Orders } from './dialler/orders.ts';
import { LINKS_A_USER, MTU, PORT } from './ends.ts';

const CONCURRENCY = 32;
const DEVICE = 'many';
/** A gateway answers a bounded number of strangers a second, so that thousands of links take a while. */
const WITHIN = 300_000;

const node = fileURLToPath(new URL('../../scripts/node', import.meta.url));
const dialler = fileURLToPath(new URL('./dialler/main.ts', import.meta.url));

export class ManyLinks {
  readonly #world: World;
  readonly #identities: readonly Identity[];

  private constructor(world: World, identities: readonly Identity[]) {
    this.#world = world;
    this.#identities = identities;
  }

  /** As many users as `links` links need. */
  static async create(world: World, links: number): Promise<ManyLinks> {
    const identities: Identity[] = [];
    for (let i = 0; i * LINKS_A_USER < links; i++)
      identities.push(await world.ca.issue(`user${i}`, { role: 'client' }));
    return new ManyLinks(world, identities);
  }

  /** Resolves when that many links are up; they stay until the process ends. */
  hold(links: number): Promise<HostProcess> {
    return this.#start('hold', links);
  }

  /** Resolves when that many links came up and were closed. `groups`: see `Orders`. */
  async churn(links: number, groups?: string): Promise<void> {
    const process = await this.#start('churn', links, groups);
    await process.succeeded();
  }

  /** Resolves with the names of the client's devices, each of which a link carries and has given its address. */
  async carry(links: number): Promise<readonly string[]> {
    await this.#start('carry', links);
    return Array.from({ length: links }, (_, i) => `${DEVICE}${i}`);
  }

  async #start(mode: Orders['mode'], links: number, groups?: string): Promise<HostProcess> {
    const { lab, client, ca, wrap } = this.#world;
    const orders: Orders = {
      mode,
      links,
      concurrency: CONCURRENCY,
      remote: { address: gatewayAddress[4], port: PORT },
      ca: ca.certificate,
      identities: this.#identities,
      groups,
      wrap: wrap.client,
      mtu: MTU,
      device: DEVICE,
    };
    const file = lab.write(`orders-${client.processes.length}.json`, JSON.stringify(orders));
    const process = client.spawn(node, [dialler, file]);
    await process.waitFor(DONE, WITHIN);
    return process;
  }
}
