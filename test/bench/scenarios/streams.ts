/** TCP through the tunnel, several streams at once, each way. */
import { bothDirections, type Scenario } from '../scenario.ts';
import { tcpStage } from './throughput.ts';

const STREAMS = 4;

export const streams: Scenario = {
  name: 'streams',
  what: `TCP, ${STREAMS} streams at once`,
  subjects: ['openvpn', 'culvert', 'culvert+threads', 'bare'],
  figures: bothDirections({ unit: 'Mbit/s', better: 'more', digits: 1 }),
  reach: { culvert: { ratioUp: 6, ratioDown: 6 } },
  conditions: ({ seconds }) => [`${STREAMS} TCP streams at once, ${seconds} s each way after a second of warm-up`],
  open: (options) => tcpStage(options, STREAMS),
};
