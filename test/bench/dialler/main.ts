/**
 * Many links in one process, dialled through our own transport: the load of scenarios that have more links than a machine has
 * room for client programs. The same dialler calls on our gateway and on openvpn's server.
 *
 *   scripts/node test/bench/dialler/main.ts ORDERS.json
 */
import { readFileSync } from 'node:fs';
import { parseTlsCryptV2ClientKey } from '@culvert/config';
import type { Link, Transport } from '@culvert/core';
import { nullLogger } from '@culvert/testkit';
import { createTlsContext, type TlsContext } from '@culvert/tls';
import { createOpenvpnTransport, type OpenvpnDialOptions } from '@culvert/transport';
import { Carrier } from './carrier.ts';
import { DONE, type Orders } from './orders.ts';

/** A busy server may drop first packets: then a dial is tried again. */
const MAX_FAILURES_A_LINK = 5;

class Dialler {
  readonly #orders: Orders;
  readonly #transport: Transport<unknown, OpenvpnDialOptions> = createOpenvpnTransport();
  readonly #tls: readonly TlsContext[];
  readonly #wrap: OpenvpnDialOptions['wrap'];
  readonly #stop = new AbortController();
  readonly #carrier: Carrier | undefined;
  readonly links: Link[] = [];

  constructor(orders: Orders, carrier: Carrier | undefined) {
    this.#orders = orders;
    this.#carrier = carrier;
    const ca = readFileSync(orders.ca, 'utf8');
    this.#tls = orders.identities.map(({ certificate, key }) =>
      createTlsContext({
        role: 'client',
        ca,
        certificate: readFileSync(certificate, 'utf8'),
        privateKey: readFileSync(key, 'utf8'),
        groups: orders.groups,
      }),
    );
    this.#wrap = { kind: 'tls-crypt-v2', ...parseTlsCryptV2ClientKey(readFileSync(orders.wrap, 'utf8')) };
  }

  /** Resolves when every link came up. */
  async run(): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < this.#orders.links) await this.#link(next++);
    };
    await Promise.all(Array.from({ length: this.#orders.concurrency }, worker));
  }

  async close(): Promise<void> {
    await Promise.all(this.links.map((link) => link.close({ cause: 'operator', detail: 'the measurement is over' })));
  }

  async #link(number: number): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        const link = await this.#dial(number);
        if (this.#orders.mode === 'churn') await link.close({ cause: 'operator', detail: 'the measurement is over' });
        else this.links.push(link);
        return;
      } catch (error) {
        if (failures === MAX_FAILURES_A_LINK) throw error;
      }
    }
  }

  async #dial(number: number): Promise<Link> {
    const { remote, mtu } = this.#orders;
    const tls = this.#tls[number % this.#tls.length];
    if (tls === undefined) throw new Error('no identity to dial with');
    const link = await this.#transport.dial(
      { remote, protocol: 'udp', tls, wrap: this.#wrap, mtu, join: this.#carrier?.join ?? 0 },
      { onEvent: () => {}, log: nullLogger, signal: this.#stop.signal },
    );
    this.#carrier?.attach(link);
    return link;
  }
}

async function main(): Promise<void> {
  const orders = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Orders;
  const carrier = orders.mode === 'carry' ? new Carrier(orders.device, orders.links, orders.mtu) : undefined;
  const dialler = new Dialler(orders, carrier);
  await dialler.run();
  carrier?.configure();
  console.log(DONE);
  if (orders.mode === 'churn') process.exit(0);
  const idle = setInterval(() => {}, 60_000); // Links that are silent keep no process alive.
  process.once('SIGTERM', () => {
    clearInterval(idle);
    void dialler.close().finally(() => process.exit(0));
  });
}

await main();
