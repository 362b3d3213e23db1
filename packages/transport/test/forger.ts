/** GRE packets that nobody's PPTP sent. */
import { encodePath, openRawIp } from '@culvert/netio';
import { gateway } from './pptp-lab.ts';

/** Sends GRE from `from` to `to`. */
export function forger(from: string) {
  const raw = openRawIp({ family: 4, protocol: 47, address: from });
  return {
    send: (packet: Uint8Array, to = gateway) =>
      raw.send(packet, encodePath({ local: from, remote: { address: to, port: 0 } }, 4)),
    [Symbol.dispose]: () => raw.close(),
  };
}

/** Enhanced GRE with a sequence number. */
export function gre(callId: number, sequence: number, frame: Uint8Array): Buffer {
  const packet = Buffer.alloc(12 + frame.length);
  packet.writeUInt32BE(0x3001_880b, 0);
  packet.writeUInt16BE(frame.length, 4);
  packet.writeUInt16BE(callId, 6);
  packet.writeUInt32BE(sequence, 8);
  packet.set(frame, 12);
  return packet;
}

/** MPPE with this count, of nobody's key. */
export function garbage(count: number): Buffer {
  const frame = Buffer.alloc(104, 0x5a);
  frame.writeUInt32BE(0xff03_00fd, 0);
  frame.writeUInt16BE(0x9000 | count, 4);
  return frame;
}
