/** Small UDP packets a second, each way, at less than one in a hundred lost. */
import { bothDirections, type Options, type Scenario } from '../scenario.ts';
import { PACKET_BYTES } from '../traffic/packets.ts';
import { packetRate, serveTraffic } from '../traffic.ts';
import { tunnelStage } from '../tunnel.ts';

export const packets: Scenario = {
  name: 'packets',
  what: 'small UDP packets a second at less than 1 % loss',
  subjects: ['openvpn', 'culvert', 'culvertd+openvpn', 'bare'],
  figures: bothDirections({ unit: 'packets/s', better: 'more', digits: 0 }),
  reach: { culvert: { ratioUp: 2.5, ratioDown: 2.5 } },
  conditions: (options) => [
    `UDP payloads of ${PACKET_BYTES} bytes, complete packets put on the sender's device one by one (AF_PACKET, no segmentation offload) in bursts of a millisecond; the best rate by bounded search, trials of ${secondsOf(options)} s`,
  ],
  open: (options) =>
    tunnelStage(async ({ world }) => {
      await serveTraffic(world);
      const up = await packetRate(world, false, secondsOf(options));
      const down = await packetRate(world, true, secondsOf(options));
      return { up, down };
    }),
};

function secondsOf({ seconds, short }: Options): number {
  return short ? 0.2 : Math.min(seconds, 1);
}
