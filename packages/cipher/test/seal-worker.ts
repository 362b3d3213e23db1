/** A thread's work: many sealed batches. It fails when one of them is not whole. */
import { createPacketBatch } from '@culvert/base';
import { createOpenvpnAeadKey } from '../src/index.ts';

const [key, implicitIv] = [new Uint8Array(32), new Uint8Array(8)];
const src = createPacketBatch(8, 10_000);
const dst = createPacketBatch(8, 10_000);
src.lengths.fill(1000);
src.count = 8;
for (let n = 0; n < 2000; n++) {
  const one = createOpenvpnAeadKey({ cipher: 'AES-256-GCM', key, implicitIv, format: 'v2' });
  dst.count = 0;
  dst.used = 0;
  if (one.seal(src, 0, dst, 0x48, 1) !== 8) throw new Error('not all were sealed');
  if (n % 2 === 0) one.close();
}
