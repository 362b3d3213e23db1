import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordingLogger } from '@culvert/testkit';
import { dataKeysOf } from './data-keys.ts';

const options = {
  cipher: 'AES-256-GCM',
  key: new Uint8Array(32),
  implicitIv: new Uint8Array(8),
  format: 'v2',
} as const;

test('a processor that computes wrongly, and slow packets, are said once', () => {
  const log = new RecordingLogger();
  const said = { portableCipher: false, failedEngines: false };
  const make = [
    dataKeysOf('native', said, log, () => ['avx512']),
    dataKeysOf('native', said, log, () => ['avx512']),
    dataKeysOf('portable', said, log),
  ];
  for (const create of [...make, ...make]) create(options).close();
  assert.deepEqual(
    log.lines.map((line) => [line.level, line.fields]),
    [
      ['warn', { engines: ['avx512'] }],
      ['warn', { reason: 'unwanted' }],
    ],
  );
});

test('nothing is said of a machine that computes right', () => {
  const log = new RecordingLogger();
  dataKeysOf(undefined, { portableCipher: false, failedEngines: false }, log)(options).close();
  assert.deepEqual(log.lines, []);
});
