/** What native/esp-framing.h does with a framing. */
import type { EspFraming } from './framing.ts';

const FIELD_LIST = 3;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const PPP_IPV4 = 0x21;
const PPP_IPV6 = 0x57;

/** PPP's protocol of an IP packet; 0: it is none. */
export function protocolOf(packet: Uint8Array): number {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= IPV4_HEADER) return PPP_IPV4;
  return version === 6 && packet.length >= IPV6_HEADER ? PPP_IPV6 : 0;
}

/** Headers and packet. */
export function frame(framing: EspFraming, packet: Uint8Array, protocol: number): Uint8Array {
  const { header, fields, protocolAt } = partsOf(framing);
  const payload = new Uint8Array(header.length + packet.length);
  payload.set(header);
  payload.set(packet, header.length);
  const view = new DataView(payload.buffer);
  for (const { at, from } of fields) view.setUint16(at, payload.length - from);
  payload[protocolAt] = protocol;
  return payload;
}

/** The IP packet behind these headers; undefined: they are others, or what follows them is no whole packet. */
export function unframe(framing: EspFraming, payload: Uint8Array): Uint8Array | undefined {
  const { header, mask, fields, protocolAt } = partsOf(framing);
  if (payload.length <= header.length + IPV4_HEADER) return undefined;
  if (header.some((byte, i) => ((byte ^ (payload[i] ?? 0)) & (mask[i] ?? 0)) !== 0)) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset);
  if (fields.some(({ at, from }) => view.getUint16(at) !== payload.length - from)) return undefined;
  const packet = payload.subarray(header.length);
  const protocol = protocolOf(packet);
  if (protocol === 0 || payload[protocolAt] !== protocol) return undefined;
  return isWhole(new DataView(packet.buffer, packet.byteOffset), packet.length, protocol) ? packet : undefined;
}

function isWhole(view: DataView, length: number, protocol: number): boolean {
  if (protocol === PPP_IPV6) return IPV6_HEADER + view.getUint16(4) <= length;
  const [header, total] = [4 * (view.getUint8(0) & 15), view.getUint16(2)];
  return header >= IPV4_HEADER && total >= header && total <= length;
}

function partsOf({ form, bytes }: EspFraming) {
  const [, protocolAt = 0, count = 0] = form;
  const fields = Array.from({ length: count }, (_, i) => ({
    at: form[FIELD_LIST + 2 * i] ?? 0,
    from: form[FIELD_LIST + 2 * i + 1] ?? 0,
  }));
  const start = FIELD_LIST + 2 * count;
  return { protocolAt, fields, header: form.subarray(start, start + bytes), mask: form.subarray(start + bytes) };
}
