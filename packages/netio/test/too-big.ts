/** A router's answer to a datagram that was too long for its next link (RFC 1191, RFC 8201), as it may also be forged. */
import { encodePath, openRawIp, type UdpSocket } from '../src/index.ts';

const ICMP_HEADER = 8;
const UDP_HEADER = 8;

/** Makes the kernel believe that a datagram of `socket`, sent from `near` by the path `far`, met a link of this MTU. Needs CAP_NET_RAW. */
export function tooBigFor(
  socket: UdpSocket,
  { near, far, mtu }: { readonly near: string; readonly far: Uint32Array; readonly mtu: number },
): void {
  const { family, local } = socket;
  const ipHeader = family === 4 ? 20 : 40;
  const message = Buffer.alloc(ICMP_HEADER + ipHeader + UDP_HEADER);
  message.writeUInt8(family === 4 ? 3 : 2, 0);
  message.writeUInt8(family === 4 ? 4 : 0, 1);
  message.writeUInt32BE(mtu, 4);
  const addresses = encodePath({ local: near, remote: { address: near, port: 0 } }, family);
  const bytes = (words: Uint32Array) => new Uint8Array(words.buffer, 0, family === 4 ? 4 : 16);
  const quoted = message.subarray(ICMP_HEADER);
  if (family === 4) {
    quoted.writeUInt8(0x45, 0);
    quoted.writeUInt16BE(1_400, 2);
    quoted.writeUInt16BE(0x4000, 6);
    quoted.writeUInt8(64, 8);
    quoted.writeUInt8(17, 9);
  } else {
    quoted.writeUInt8(0x60, 0);
    quoted.writeUInt16BE(1_360, 4);
    quoted.writeUInt8(17, 6);
    quoted.writeUInt8(64, 7);
  }
  const addressesAt = family === 4 ? 12 : 8;
  quoted.set(bytes(addresses), addressesAt);
  quoted.set(bytes(far), addressesAt + (ipHeader - addressesAt) / 2);
  quoted.writeUInt16BE(local.port, ipHeader);
  quoted.writeUInt16BE(far[8] ?? 0, ipHeader + 2);
  quoted.writeUInt16BE(1_380, ipHeader + 4);
  // Over IPv6 the kernel makes the checksum.
  if (family === 4) message.writeUInt16BE(checksum(message), 2);
  using router = openRawIp({ family, protocol: family === 4 ? 1 : 58 });
  if (!router.send(message, addresses)) throw new Error(`not sent: ${router.stats.lastError}`);
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~(sum + (sum >>> 16)) & 0xffff;
}
