/** What the gateway changes on its host: the device's addresses, forwarding, the nft table, routes to networks behind links. */
import type { Logger } from '@culvert/base';
import type { GatewayConfig } from '@culvert/config';
import { type AppliedChanges, forwardingChanges, gatewayTable, type HostChange, HostChanges } from '@culvert/host';
import { DEVICE_QUEUE_LENGTH } from '@culvert/transport';
import { addressAt, formatAddress, parseNetwork } from '@culvert/wire';

/** The gateway's own address in its network, and the prefix: the first host, as core's LeasePool has it. */
export function gatewayAddress(network: string): { readonly address: string; readonly prefix: number } {
  const parsed = parseNetwork(network);
  return { address: formatAddress(addressAt(parsed, 1n)), prefix: parsed.prefix };
}

export class GatewayHost {
  readonly #changes: HostChanges;
  readonly #network: GatewayConfig['network'];
  readonly #device: string;
  #networksBehind: readonly string[] = [];
  #table: AppliedChanges;
  /** Calls take turns. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(changes: HostChanges, network: GatewayConfig['network'], device: string, table: AppliedChanges) {
    this.#changes = changes;
    this.#network = network;
    this.#device = device;
    this.#table = table;
  }

  /**
   * Undoes what a killed gateway left, then makes the changes for `device`, which is up. Throws HostError; nothing is changed
   * then.
   */
  static async open(options: {
    readonly network: GatewayConfig['network'];
    readonly device: string;
    readonly journal: string;
    readonly log: Logger;
  }): Promise<GatewayHost> {
    const { network, device, journal, log } = options;
    const changes = await HostChanges.open({ journal, log });
    try {
      const families = { ipv4: network.ipv4 !== undefined, ipv6: network.ipv6 !== undefined };
      await changes.apply([
        { kind: 'link', device, txQueueLength: DEVICE_QUEUE_LENGTH },
        ...addresses(network, device),
        ...(await forwardingChanges(families)),
      ]);
      const table = await changes.apply(tableAndRoutes(network, device, []));
      return new GatewayHost(changes, network, device, table);
    } catch (error) {
      await changes.close();
      throw error;
    }
  }

  /** Routes `networks`, and no others, into the device: they are behind links that are up or may come. Rejects with HostError. */
  setNetworksBehind(networks: readonly string[]): Promise<void> {
    const wanted = [...new Set(networks)].sort();
    const done = this.#turn.then(async () => {
      if (JSON.stringify(wanted) === JSON.stringify(this.#networksBehind)) return;
      this.#table = await this.#changes.replace(this.#table, tableAndRoutes(this.#network, this.#device, wanted));
      this.#networksBehind = wanted;
    });
    this.#turn = done.catch(() => {}); // The caller has the error; the next in line starts all the same.
    return done;
  }

  /** Leaves the host as it was. */
  close(): Promise<void> {
    return this.#turn.then(() => this.#changes.close());
  }
}

function addresses({ ipv4, ipv6 }: GatewayConfig['network'], device: string): HostChange[] {
  return [ipv4, ipv6]
    .filter((network) => network !== undefined)
    .map((network) => {
      const { address, prefix } = gatewayAddress(network);
      return { kind: 'address', device, address: `${address}/${prefix}` };
    });
}

function tableAndRoutes(
  network: GatewayConfig['network'],
  device: string,
  behind: readonly string[],
): readonly HostChange[] {
  const inner = [network.ipv4, network.ipv6].filter((each) => each !== undefined);
  const table = gatewayTable({
    name: device.replaceAll(/[^A-Za-z0-9_]/g, '_'),
    device,
    networks: [...inner, ...behind],
    masquerade: network.mode === 'nat',
  });
  return [table, ...behind.map((each): HostChange => ({ kind: 'route', network: each, device }))];
}
