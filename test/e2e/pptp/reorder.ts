/**
 * Puts packets out of order: what is routed to the device `reorder0` comes back from it, and each tenth packet after three later ones,
 * or after 30 ms where none follow. It says "ready", and how many were late when it ends.
 */
import { createBatch, openTun } from '@culvert/tun-tap';

const EACH = 10;
const BEHIND = 3;
const PATIENCE = 30;
const BYTES = 64 * 2_048;

const device = openTun({ name: 'reorder0' });
device.setUp();
const incoming = createBatch(64, BYTES);
const outgoing = createBatch(128, 2 * BYTES);
let held: { readonly packet: Uint8Array; passed: number } | undefined;
let timer: NodeJS.Timeout | undefined;
let seen = 0;
let late = 0;

function append(packet: Uint8Array): void {
  outgoing.arena.set(packet, outgoing.used);
  outgoing.offsets[outgoing.count] = outgoing.used;
  outgoing.lengths[outgoing.count] = packet.length;
  outgoing.used += packet.length;
  outgoing.count++;
}

function release(): void {
  clearTimeout(timer);
  if (held === undefined) return;
  if (held.passed > 0) late++;
  append(held.packet);
  held = undefined;
}

function flush(): void {
  device.writeBatch(outgoing);
  outgoing.count = outgoing.used = 0;
}

device.onReadable(() => {
  incoming.count = incoming.used = 0;
  device.readBatch(incoming);
  for (let i = 0; i < incoming.count; i++) {
    const at = incoming.offsets[i] ?? 0;
    const packet = incoming.arena.slice(at, at + (incoming.lengths[i] ?? 0));
    if (++seen % EACH === 0 && held === undefined) {
      held = { packet, passed: 0 };
      timer = setTimeout(() => {
        release();
        flush();
      }, PATIENCE);
      continue;
    }
    append(packet);
    if (held !== undefined && ++held.passed === BEHIND) release();
  }
  flush();
});
process.once('SIGTERM', () => {
  console.log(`late ${late}`);
  process.exit();
});
console.log('ready');
