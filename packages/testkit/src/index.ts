/** What tests stand on: virtual time, bad wires, fakes. Only tests import it. */
export { type LogLine, nullLogger, RecordingLogger } from './loggers.ts';
export {
  LossyLink,
  type LossyLinkOptions,
  type Side,
  simulatedEndpoints,
  simulatedPath,
  type WireOptions,
} from './lossy-link.ts';
export { type SeededRandom, seededRandom } from './seeded-random.ts';
export { VirtualClock } from './virtual-clock.ts';
