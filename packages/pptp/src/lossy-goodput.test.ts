/** How long TCP takes for 100 kB where one GRE packet in ten is lost each way, with peers that wait 0.3 s for each: a table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LossyFlowOptions, runFlow } from '../test/lossy-flow.ts';

const SEEDS = 100;

/** Seconds that half, and nine in ten, of the runs take at the most, and packets that our window held back, of all runs. */
function table(flow: Pick<LossyFlowOptions, 'ends' | 'latency'>) {
  const runs = Array.from({ length: SEEDS }, (_, seed) => runFlow({ ...flow, seed, drop: 0.1, segments: 75 }));
  const took = runs.map((run) => run.took / 1_000).sort((a, b) => a - b);
  const at = (share: number) => Number((took[Math.floor(share * SEEDS)] ?? 0).toFixed(1));
  return { half: at(0.5), most: at(0.9), windowFull: runs.reduce((sum, { windowFull }) => sum + windowFull, 0) };
}

/** Two peers of the kind that wait have 6.3 and 30.5 s, 6.7 and 17.4 s. */
const rows = [
  [['ours', 'poptop'], 1, { half: 2.6, most: 5.5, windowFull: 0 }],
  [['poptop', 'ours'], 1, { half: 2.5, most: 5.7, windowFull: 0 }],
  [['ours', 'pptp-linux'], 1, { half: 2.3, most: 4.6, windowFull: 0 }],
  [['pptp-linux', 'ours'], 1, { half: 1.9, most: 3.2, windowFull: 0 }],
  [['ours', 'ours'], 1, { half: 0.7, most: 1.3, windowFull: 0 }],
  [['ours', 'poptop'], 20, { half: 3.3, most: 6.1, windowFull: 0 }],
  [['poptop', 'ours'], 20, { half: 3.3, most: 6.9, windowFull: 0 }],
] as const;

for (const [ends, latency, expected] of rows) {
  test(`from ${ends.join(' to ')}, ${latency} ms away`, () => {
    assert.deepEqual(table({ ends, latency }), expected);
  });
}
