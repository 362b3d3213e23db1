/**
 * TCP through many links at once, summed, each way. Each link has a device of its own and a routing table that its address chooses.
 * OpenVPN's links are as many client programs. Ours are one program's: 200 of Node's would measure the machine's memory. What that alone is
 * worth `openvpn+dialler` tells.
 */
import { buildWorld, officeNetworks, type World } from '../../interop/world.ts';
import { startOpenvpnClient } from '../ends.ts';
import { ManyLinks } from '../many-links.ts';
import { bothDirections, type Options, type Scenario } from '../scenario.ts';
import { serveTraffic, sumOfStreams } from '../traffic.ts';
import { withServer } from '../tunnel.ts';

const LINKS = 200;
const LINKS_SHORT = 40;
/** Programs that start at a time. */
const STARTING = 20;
const FIRST_TABLE = 10_000;

export const links: Scenario = {
  name: 'links',
  what: 'TCP, many links at once, summed',
  subjects: ['openvpn', 'openvpn+dialler', 'culvert', 'culvert+threads'],
  figures: bothDirections({ unit: 'Mbit/s', better: 'more', digits: 1 }),
  reach: { culvert: { ratioUp: 6, ratioDown: 6 } },
  conditions: (options) => [
    `${countOf(options)} links at once, one TCP stream each, all opened before one sends, ${options.seconds} s each way after two seconds of warm-up; a device a link; OpenVPN's links are a program each, ours share one`,
  ],
  open: async (options) => {
    const world = await buildWorld();
    const many = await ManyLinks.create(world, 1);
    return {
      measure: (subject) =>
        withServer(world, subject, async () => {
          const count = countOf(options);
          await serveTraffic(world);
          const devices = subject === 'openvpn' ? await manyClients(world, count) : await many.carry(count);
          const addresses = await routeBySource(world, devices);
          const up = await sumOfStreams(world, false, options.seconds, addresses);
          const down = await sumOfStreams(world, true, options.seconds, addresses);
          return { up, down };
        }),
      close: () => world.lab.close(),
    };
  },
};

/** Resolves with the links' devices. */
async function manyClients(world: World, count: number): Promise<string[]> {
  const devices = Array.from({ length: count }, (_, i) => `tun${i}`);
  const left = [...devices];
  const starter = async (): Promise<void> => {
    for (let device = left.shift(); device !== undefined; device = left.shift())
      await startOpenvpnClient(world, device, world.clients.good, ['route-noexec']);
  };
  await Promise.all(Array.from({ length: STARTING }, starter));
  return devices;
}

/** Each device's address reaches the office through that device. Rules of an earlier run make room. Resolves with the addresses. */
async function routeBySource({ client }: World, devices: readonly string[]): Promise<string[]> {
  const known = JSON.parse(await client.ip('-json -4 address show')) as {
    ifname: string;
    addr_info: { local: string }[];
  }[];
  const addresses = devices.map((device) => {
    const address = known.find(({ ifname }) => ifname === device)?.addr_info[0]?.local;
    if (address === undefined) throw new Error(`${device} has no address`);
    return address;
  });
  const lines = devices.flatMap((device, i) => {
    const table = FIRST_TABLE + i;
    return [
      `rule del priority ${table}`,
      `rule add priority ${table} from ${addresses[i]} lookup ${table}`,
      `route add ${officeNetworks.ipv4} dev ${device} table ${table}`,
    ];
  });
  // Forced past what it cannot delete; what it could not add the streams will miss.
  await client.spawn('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` }).exited;
  return addresses;
}

function countOf({ short }: Options): number {
  return short ? LINKS_SHORT : LINKS;
}
