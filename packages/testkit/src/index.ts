/** What tests stand on: virtual time, bad wires, fakes. Only tests import it. */

export { type ChildResult, runChild } from './child.ts';
export type { Mirror, TransportBed, TransportComplianceOptions, Wishes } from './compliance/bed.ts';
export { batchOf, ipv4Packet, packetsOf } from './compliance/packets.ts';
export { transportCompliance } from './compliance/transport.ts';
export { eventually, inTime } from './eventually.ts';
export { createFakeTlsContext, FakeTlsEngine, type FakeTlsOptions } from './fake-tls.ts';
export { type FlowOptions, flowPackets } from './flow-packets.ts';
export { Guest, type GuestOptions, guestPrograms } from './guests/guest.ts';
export { hostileBytes, hostileNumber, hostileWords } from './hostile-arguments.ts';
export { type LogLine, nullLogger, RecordingLogger } from './loggers.ts';
export {
  LossyLink,
  type LossyLinkOptions,
  type Side,
  simulatedPath,
} from './lossy-link.ts';
export { MemoryDevice, type MemoryDeviceOptions } from './memory-device.ts';
export {
  createMemoryTransport,
  type MemoryDialOptions,
  type MemoryListenOptions,
  MemoryNetwork,
} from './memory-transport.ts';
export { enterFreshNamespace, missing } from './namespaces/fresh-namespace.ts';
export { type DiagnosedTest, HostProcess, showLastWords } from './namespaces/host-process.ts';
export { Lab, TestHost } from './namespaces/lab.ts';
export { labIsPossible, missingForLab, onCi } from './namespaces/prerequisites.ts';
export { type OpenvpnOptions, OpenvpnPeer, openvpnVersion, startOpenvpn, tlsCryptV2Keys } from './peers/openvpn.ts';
export { type Identity, type IssueOptions, pem, TestCa } from './peers/test-ca.ts';
export { openRelay, type Relay } from './relay.ts';
export { ScriptedAdmission, sampleConfig } from './scripted-admission.ts';
export { type SeededRandom, seededRandom } from './seeded-random.ts';
export { VirtualClock } from './virtual-clock.ts';
export type { WireOptions } from './wire-noise.ts';
