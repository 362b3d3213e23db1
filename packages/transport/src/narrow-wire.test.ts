/** One port before a wire that is slower than we are: what waits in front of it, and who loses. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { encodePath } from '@culvert/netio';
import { enterFreshNamespace, nullLogger } from '@culvert/testkit';
import { systemClock } from './clock.ts';
import { FaultLog } from './fault-log.ts';
import type { Outbox } from './outbox.ts';
import { createDatagrams, UdpPort } from './udp-port.ts';

const skip = enterFreshNamespace();
const scratch = createDatagrams();
const open: UdpPort[] = [];
after(() => {
  for (const port of open) port.close();
});

function openPort(onDelay: (millis: number) => void = () => {}): UdpPort {
  const port = new UdpPort({
    family: 4,
    address: '127.0.0.1',
    number: 0,
    scratch,
    log: nullLogger,
    faults: new FaultLog(nullLogger, systemClock),
    onDatagrams: ({ view, offsets, count }, first) => {
      for (let i = first; i < count; i++) onDelay(systemClock.now() - view.getFloat64(offsets[i] as number));
      return count;
    },
  });
  open.push(port);
  return port;
}

/** As a link does it: what finds no room is dropped. */
function append(outbox: Outbox, bytes: number): void {
  let out = outbox.open();
  if (out !== undefined && (out.count === out.offsets.length || out.arena.length - out.used < bytes))
    out = outbox.makeRoom() ? outbox.open() : undefined;
  if (out === undefined) return;
  const slot = out.count++;
  out.view.setFloat64(out.used, systemClock.now());
  out.offsets[slot] = out.used;
  out.lengths[slot] = bytes;
  out.used += bytes;
  outbox.commit(slot);
}

test('a flood to one peer leaves the others their packets, and lets them wait a tenth of a second', {
  skip,
}, async (t) => {
  execFileSync('tc', 'qdisc add dev lo root tbf rate 100mbit burst 128k limit 100m'.split(' '));
  t.after(() => execFileSync('tc', ['qdisc', 'del', 'dev', 'lo', 'root']));
  const delays: number[] = [];
  const [flooded, other, from] = [openPort(), openPort((millis) => delays.push(millis)), openPort()];
  const [toFlooded, toOther] = [flooded, other].map((port) => {
    const path = from.pathFrom(encodePath({ remote: port.socket.local }, 4));
    return UdpPort.outboxFor(() => path);
  }) as [Outbox, Outbox];
  let sent = 0;
  const start = systemClock.now();
  for (let now = start; now < start + 2_000; now = systemClock.now()) {
    for (let i = 0; i < 300; i++) append(toFlooded, 1_400);
    while (start + sent * 10 < now) {
      append(toOther, 100);
      sent++;
    }
    await setImmediate();
  }
  const median = delays.sort((a, b) => a - b)[delays.length >> 1] ?? Number.NaN;
  t.diagnostic(`${delays.length} of ${sent} came, half of them within ${median.toFixed(0)} ms`);
  // A hundred milliseconds of them still wait.
  assert.ok(delays.length > sent * 0.75, `${delays.length} of ${sent} came`);
  assert.ok(median < 250, `after ${median} ms`);
});
