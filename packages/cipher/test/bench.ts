/** How fast batches of 64 packets of 1400 bytes are sealed and opened, in one thread. */
import { createPacketBatch } from '@culvert/base';
import { createOpenvpnAeadKey } from '../src/index.ts';

const PACKETS = 64;
const BYTES = 1400;
const SECONDS = 0.5;

const src = createPacketBatch(PACKETS, PACKETS * BYTES);
src.count = PACKETS;
for (let i = 0; i < PACKETS; i++) {
  src.offsets[i] = i * BYTES;
  src.lengths[i] = BYTES;
}
const sealed = createPacketBatch(PACKETS, 2 * PACKETS * BYTES);
const opened = createPacketBatch(PACKETS, 2 * PACKETS * BYTES);

for (const implementation of ['native', 'portable'] as const) {
  for (const cipher of ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'] as const) {
    const key = new Uint8Array(cipher === 'AES-128-GCM' ? 16 : 32);
    const one = createOpenvpnAeadKey({ cipher, key, implicitIv: new Uint8Array(8), format: 'v2', implementation });
    const seal = measure(() => {
      sealed.count = sealed.used = 0;
      one.seal(src, 0, sealed, 0x48_00_00_00, 1);
    });
    const open = measure(() => {
      opened.count = opened.used = 0;
      one.open(sealed, 0, PACKETS, opened);
    });
    console.log(`${implementation} ${cipher}: seal ${seal.toFixed(2)} GB/s, open ${open.toFixed(2)} GB/s`);
  }
}

/** Gigabytes of plaintext a second. */
function measure(batch: () => void): number {
  const start = performance.now();
  let batches = 0;
  for (; performance.now() - start < SECONDS * 1000; batches++) batch();
  return (batches * PACKETS * BYTES) / (performance.now() - start) / 1e6;
}
