/** Where visits take place: the gateways under attack, and what must be true of them afterwards. */
import { eventually } from '@culvert/testkit';
import { createTally, type Tally } from './cells.ts';
import { Dialler } from './dial-subject.ts';
import { Gateway } from './server-subject.ts';
import { World } from './world.ts';

/** Sessions that were given up end by the gateway's deadlines within this. */
const QUIET_MILLIS = 20_000;
/** A busy machine makes a session late now and then. */
const MAY_BE_STUCK = 0.01;

export class Field {
  readonly world: World;
  readonly gateway: Gateway;
  readonly streams: Gateway;
  readonly dialler = new Dialler();
  readonly tally: Tally = createTally();
  /** Visits whose session did not come to its state. */
  stuck = 0;
  visits = 0;

  private constructor(world: World, gateway: Gateway, streams: Gateway) {
    this.world = world;
    this.gateway = gateway;
    this.streams = streams;
  }

  static async open(): Promise<Field> {
    const world = await World.create();
    return new Field(world, await Gateway.open(world, 'udp'), await Gateway.open(world, 'tcp'));
  }

  /** Resolves when no session is left. */
  async quiet(): Promise<void> {
    const left = () =>
      this.dialler.open +
      [this.gateway, this.streams].reduce((sum, { listener }) => sum + (listener.stats['peers'] ?? 0), 0);
    await eventually('every session ends', () => left() === 0, QUIET_MILLIS);
  }

  /** What is wrong after `quiet`, a sentence each. */
  problems(): string[] {
    const problems: string[] = [];
    const expectNone = (what: string, count: number): void => {
      if (count > 0) problems.push(`${count} ${what}`);
    };
    if (this.stuck > this.visits * MAY_BE_STUCK)
      problems.push(`${this.stuck} of ${this.visits} visits did not come to their state`);
    const { server, client } = this.world.tls;
    expectNone('TLS engines were never closed', server.open + client.open);
    for (const gateway of [this.gateway, this.streams]) {
      expectNone('answers were longer than their question', gateway.amplified);
      expectNone('packets reached the office with an address that their sender does not have', gateway.inner.spoofed);
      expectNone('links are still in the core', [...gateway.core.links()].length);
      expectNone('admissions were never released', gateway.leases);
      expectNone('admissions were released twice', gateway.releasedTwice);
      expectNone('datagrams never came to the gateway', gateway.lost);
    }
    return problems;
  }

  async close(): Promise<void> {
    await Promise.all([this.gateway.close(), this.streams.close()]);
    this.world.close();
  }
}
