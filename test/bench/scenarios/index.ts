/** All of them, in the order of the table in docs/performance.md. */
import type { Scenario } from '../scenario.ts';
import { bufferbloat } from './bufferbloat.ts';
import { cpu } from './cpu.ts';
import { handshakes } from './handshakes.ts';
import { latency } from './latency.ts';
import { links } from './links.ts';
import { memory } from './memory.ts';
import { packets } from './packets.ts';
import { soak } from './soak.ts';
import { streams } from './streams.ts';
import { throughput } from './throughput.ts';

export const scenarios: readonly Scenario[] = [
  throughput,
  streams,
  links,
  packets,
  latency,
  bufferbloat,
  cpu,
  handshakes,
  memory,
  soak,
];
