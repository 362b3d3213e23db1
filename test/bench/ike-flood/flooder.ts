/**
 * First messages of main mode from invented addresses: flooder.ts TARGET RATE SECONDS HEX
 *
 * They come out of a device of this host, which forwards them. It prints how many the kernel took.
 */
import { randomFillSync } from 'node:crypto';
import { createPacketBatch } from '@culvert/base';
import { openTun } from '@culvert/tun-tap';
import { checksum } from '@culvert/wire';

const [target = '', rate = '0', seconds = '0', hex = ''] = process.argv.slice(2);
const message = Buffer.from(hex, 'hex');
const HEADERS = 28;
const TURN = 10;
const perTurn = Math.round((Number(rate) * TURN) / 1_000);

const device = openTun({ name: 'flood0' });
device.setUp();
const size = HEADERS + message.length;
const batch = createPacketBatch(perTurn, perTurn * size);
const template = Buffer.alloc(size);
template.set([0x45, 0, size >> 8, size & 0xff, 0, 0, 0, 0, 64, 17]);
template.set(target.split('.').map(Number), 16);
template.writeUInt16BE(500, 20);
template.writeUInt16BE(500, 22);
template.writeUInt16BE(size - 20, 24);
template.set(message, HEADERS);
for (let i = 0; i < perTurn; i++) {
  batch.arena.set(template, i * size);
  batch.offsets[i] = i * size;
  batch.lengths[i] = size;
}
batch.count = perTurn;
batch.used = perTurn * size;

let sent = 0;
const start = performance.now();
const total = Number(rate) * Number(seconds);
/** As many as are due by now; what the host was too slow for is not made up for beyond a turn. */
function turn(): void {
  for (let i = 0; i < perTurn; i++) {
    const at = i * size;
    randomFillSync(batch.arena, at + 12, 4);
    batch.arena[at + 12] = 1 + ((batch.arena[at + 12] ?? 0) % 220);
    batch.view.setUint16(at + 10, 0);
    batch.view.setUint16(at + 10, checksum(batch.view, at, 20));
    // The initiator's cookie.
    randomFillSync(batch.arena, at + HEADERS, 8);
  }
  sent += device.writeBatch(batch);
  if (sent < total && performance.now() - start < Number(seconds) * 2_000) {
    setTimeout(turn, Math.max(0, start + (sent / Number(rate)) * 1_000 - performance.now()));
    return;
  }
  console.log(`sent ${sent} in ${((performance.now() - start) / 1_000).toFixed(1)} s`);
  process.exit();
}
turn();
