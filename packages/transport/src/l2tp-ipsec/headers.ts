/** The headers of UDP, L2TP and PPP before an inner packet as one pattern, so that ESP takes and gives inner packets. */
import { createEspFraming, type EspFraming, unframe } from '@culvert/cipher';
import { UDP_HEADER_BYTES, writeUdpHeader } from '@culvert/ipsec';
import type { Session } from '@culvert/l2tp';
import { type Framing, headerBytes, writeFrameHeader } from './frames.ts';

export interface InnerPorts {
  readonly local: number;
  readonly remote: number;
}

const UDP_LENGTH = 4;
const UDP_CHECKSUM = { at: 6, bytes: 2 };
/** Of L2TP's length field, in its header. */
const L2TP_LENGTH = 2;

/** What packets of ours begin with. */
export function headersOut(session: Pick<Session, 'plainHeader'>, ports: InnerPorts, ppp: Framing): EspFraming {
  const frameHeader = new Uint8Array(headerBytes(ppp));
  writeFrameHeader(frameHeader, frameHeader.length, ppp);
  return pattern(ports, session.plainHeader(), true, frameHeader);
}

/**
 * What a packet of the peer begins with, where that is what its others may begin with too: no numbers, no offset, no bytes behind it.
 *
 * @param frameAt where L2TP's payload begins; the headers before it lie as they came
 * @param packetAt where the inner packet begins
 * @param end where it ends
 */
export function headersIn(
  arena: Uint8Array,
  { frameAt, packetAt, end }: { readonly frameAt: number; readonly packetAt: number; readonly end: number },
  session: Pick<Session, 'expectedHeader'>,
  ports: InnerPorts,
): EspFraming | undefined {
  const turned = { local: ports.remote, remote: ports.local };
  for (const withLength of [true, false]) {
    const l2tp = session.expectedHeader(withLength);
    const found = pattern(turned, l2tp, withLength, arena.slice(frameAt, packetAt));
    const start = packetAt - found.bytes;
    if (start >= 0 && unframe(found, arena.subarray(start, end)) !== undefined) return found;
  }
  return undefined;
}

function pattern(ports: InnerPorts, l2tp: Uint8Array, withLength: boolean, frameHeader: Uint8Array): EspFraming {
  const l2tpEnd = UDP_HEADER_BYTES + l2tp.length;
  const header = new Uint8Array(l2tpEnd + frameHeader.length);
  writeUdpHeader(new DataView(header.buffer), 0, 0, ports);
  header.set(l2tp, UDP_HEADER_BYTES);
  header.set(frameHeader, l2tpEnd);
  const lengths = [{ at: UDP_LENGTH, from: 0 }];
  if (withLength) lengths.push({ at: UDP_HEADER_BYTES + L2TP_LENGTH, from: UDP_HEADER_BYTES });
  return createEspFraming({ header, protocolAt: header.length - 1, lengths, ignored: [UDP_CHECKSUM] });
}
