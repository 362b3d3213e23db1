/** Random traffic of a few flows, with everything in it that may end a train. */
import fc from 'fast-check';
import { type PacketOptions, packet } from './packets.ts';

/** How a flow's packets look. */
interface Flow {
  readonly options: PacketOptions;
  readonly mss: number;
  /** 0: all packets have one IPv4 identification. */
  readonly idStep: number;
}

interface Step {
  readonly flow: number;
  /** Payload bytes less than the flow's mss; more than it: none. */
  readonly less: number;
  readonly twist: Twist;
  readonly content: number;
}

const twists = {
  none: {},
  psh: { flags: 0x18 },
  fin: { flags: 0x11 },
  cwr: { flags: 0x90 },
  ece: { flags: 0x50 },
  syn: { flags: 0x12 },
  rst: { flags: 0x14 },
  urg: { flags: 0x30, urgent: 5 },
  pointer: { urgent: 9 },
  ack: { ack: 8 },
  window: { window: 501 },
  congested: { tos: 3 },
  ttl: { ttl: 63 },
  fragments: { fragment: 0 },
  reserved: { fragment: 0xc000 },
  fragment: { fragment: 0x2000 },
  label: { flowLabel: 0x12345 },
  timestamp: { tcpOptions: Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 1) },
  unoptioned: { tcpOptions: new Uint8Array(0) },
  ipOptions: { ipOptions: Uint8Array.of(1, 1, 1, 0) },
  extension: { extension: 2 },
  route: { routed: true },
  wrong: { checksum: 'wrong' },
  unchecked: { checksum: 'none' },
  hole: {},
  idJump: {},
  padded: {},
  cut: {},
  flipped: {},
  ping: {},
  icmp: {},
} as const satisfies Record<string, PacketOptions>;
type Twist = keyof typeof twists;

/** Those that the kernel's GRO and ours answer in one way, whatever else flows. */
const agreed = [
  ...(['none', 'psh', 'fin', 'ece', 'syn', 'rst', 'urg', 'ack', 'window'] as const),
  ...(['congested', 'ttl', 'fragments', 'reserved', 'timestamp', 'unoptioned', 'hole', 'idJump'] as const),
] satisfies Twist[];

const arbitraryFlow: fc.Arbitrary<Flow> = fc.record({
  options: fc.record({
    version: fc.constantFrom(4, 6),
    protocol: fc.constantFrom('tcp', 'tcp', 'udp'),
    source: fc.constantFrom(1, 3),
    sourcePort: fc.constantFrom(1000, 1001),
    fragment: fc.constantFrom(0x4000, 0x4000, 0),
    extension: fc.constantFrom(0, 0, 0, 1, 3),
    routed: fc.constantFrom(false, false, false, true),
    tos: fc.constantFrom(0, 2),
    tcpOptions: fc.constantFrom(
      new Uint8Array(0),
      Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1),
      new Uint8Array(40).fill(1),
    ),
    id: fc.constantFrom(1, 0xfffe),
    seq: fc.constantFrom(5, 0xffff_ff00),
  }) as fc.Arbitrary<PacketOptions>,
  mss: fc.constantFrom(1, 7, 100, 101, 1400),
  idStep: fc.constantFrom(1, 1, 1, 0),
});

const arbitraryStep = (among: readonly Twist[]): fc.Arbitrary<Step> =>
  fc.record({
    flow: fc.nat({ max: 2 }),
    less: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: -1, max: 101 })),
    twist: fc.oneof(
      { weight: 12, arbitrary: fc.constant<Twist>('none') },
      { weight: 2, arbitrary: fc.constantFrom<Twist[]>(...among) },
    ),
    content: fc.nat({ max: 255 }),
  });

export interface Traffic {
  readonly packets: readonly Buffer[];
  /** IPv4 identifications of packets that must not be fragmented all alike: cutting renumbers them. */
  readonly renumbered: boolean;
}

const trafficOf = (flow: fc.Arbitrary<Flow>, among: readonly Twist[]): fc.Arbitrary<Traffic> =>
  fc
    .record({
      flows: fc.array(flow, { minLength: 3, maxLength: 3 }),
      // Runs of a flow, as they come from one super-packet.
      steps: fc.array(fc.tuple(arbitraryStep(among), fc.integer({ min: 1, max: 6 })), { maxLength: 12 }),
    })
    .map(({ flows, steps }) =>
      build(
        flows,
        steps.flatMap(([step, times]) => Array<Step>(times).fill(step)),
      ),
    );

export const arbitraryTraffic = trafficOf(arbitraryFlow, Object.keys(twists) as Twist[]);

/** Of TCP, and of what the kernel's GRO and ours join in one way. */
export const agreedTraffic = trafficOf(
  arbitraryFlow.map(({ options, mss }) => ({
    options: { ...options, protocol: 'tcp', extension: 0, routed: false },
    mss,
    idStep: 1,
  })),
  agreed,
);

function build(flows: readonly Flow[], steps: readonly Step[]): Traffic {
  const states = flows.map(({ options }) => ({ seq: options.seq ?? 0, id: options.id ?? 0 }));
  const packets = steps.map((step, number) => {
    const flow = flows[step.flow];
    const state = states[step.flow];
    if (flow === undefined || state === undefined) throw new Error('no such flow');
    if (step.twist === 'hole') state.seq += 1;
    if (step.twist === 'idJump') state.id += 5;
    const size = step.less > flow.mss ? 0 : flow.mss - step.less;
    // No two payloads are alike.
    const payload = new Uint8Array(size).map((_, i) => (i === 0 ? number : step.content + i * 7));
    const one = packet({ ...flow.options, ...twists[step.twist], seq: state.seq, id: state.id, payload });
    state.seq += size;
    state.id += flow.idStep;
    return twisted(one, step);
  });
  return { packets, renumbered: flows.some(({ idStep }) => idStep === 0) };
}

function twisted(one: Buffer, { twist, content }: Step): Buffer {
  const odd = Buffer.from(one);
  switch (twist) {
    case 'padded':
      return Buffer.concat([one, Buffer.alloc(3)]);
    case 'cut':
      return odd.subarray(0, 1 + (content % one.length));
    case 'flipped':
      odd[content % odd.length] = (odd[content % odd.length] ?? 0) ^ (1 << (content & 7));
      return odd;
    case 'ping':
      return Buffer.from('2a187bf3641eb4cb07ed2d0a981fc748', 'hex');
    case 'icmp':
      odd[(odd[0] ?? 0) >> 4 === 4 ? 9 : 6] = 1;
      return odd;
    default:
      return odd;
  }
}

/** Packets by flow, each flow's in their order: what joining and cutting has to keep. */
export function byFlow(packets: readonly Uint8Array[], renumbered: boolean): Map<string, string[]> {
  const flows = new Map<string, string[]>();
  for (const one of packets) {
    const bytes = Buffer.from(one);
    const key = flowOf(bytes);
    if (renumbered && key.startsWith('4') && ((bytes[6] ?? 0) & 0x40) !== 0 && bytes.length >= 20) {
      bytes.fill(0, 4, 6);
      bytes.fill(0, 10, 12);
    }
    flows.set(key, [...(flows.get(key) ?? []), bytes.toString('hex')]);
  }
  return flows;
}

function flowOf(bytes: Buffer): string {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && bytes.length >= 20) {
    const upper = ((bytes[0] ?? 0) & 15) * 4;
    return `4 ${bytes.toString('hex', 12, 20)} ${bytes[9]} ${bytes.toString('hex', upper, upper + 4)}`;
  }
  if (version === 6 && bytes.length >= 48) {
    let [protocol, upper] = [bytes[6], 40];
    while (protocol === 60 || protocol === 43) {
      protocol = bytes[upper];
      upper += ((bytes[upper + 1] ?? 0) + 1) * 8;
    }
    return `6 ${bytes.toString('hex', 8, 40)} ${protocol} ${bytes.toString('hex', upper, upper + 4)}`;
  }
  return `${version}`;
}
