/** Trains that the kernel refuses for reasons of one path, or for all. The refusals are made: see test/no-trains-to.cc. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { append, pathTo, receive } from '../test/sockets.ts';
import { createDatagramBatch, type DatagramBatch, openUdp, type UdpSocket } from './index.ts';

/** Ten datagrams for 127.0.0.2 and ten for 127.0.0.1, in turns of ten. */
function twoTrains(socket: UdpSocket): DatagramBatch {
  const batch = createDatagramBatch(20, 20_000);
  for (const host of ['127.0.0.2', '127.0.0.1'])
    for (let i = 0; i < 10; i++) append(batch, new Uint8Array(1_000), pathTo(socket, host));
  return batch;
}

async function sendTwice(): Promise<object> {
  using server = openUdp({ family: 4, address: '0.0.0.0', receiveBufferBytes: 1 << 20 });
  using client = openUdp({ family: 4 });
  const batch = twoTrains(server);
  for (let round = 0; round < 2; round++) for (let from = 0; from < 20; ) from += client.sendBatch(batch, from);
  await receive(server, 40);
  const { sent, sendErrors, trainsSent, trainFallbacks, segmentation } = client.stats;
  return { sent, sendErrors, trainsSent, trainFallbacks, segmentation };
}

/** What `sendTwice` returns in a process whose kernel refuses so. */
function whereRefusedWith(error: number): unknown {
  const directory = mkdtempSync(join(tmpdir(), 'culvert-netio-'));
  try {
    const shim = join(directory, 'shim.so');
    const source = fileURLToPath(new URL('../test/no-trains-to.cc', import.meta.url));
    execFileSync(process.env['CXX'] ?? 'g++', ['-shared', '-fPIC', '-O1', source, '-o', shim]);
    // Sanitizers have to stay the first.
    const preload = [process.env['LD_PRELOAD'], shim].filter((one) => one !== undefined).join(':');
    const env = { ...process.env, LD_PRELOAD: preload, REFUSE_TRAINS: `${error}`, NODE_TEST_CONTEXT: undefined };
    const child = spawnSync(process.execPath, [import.meta.filename], { env, encoding: 'utf8', timeout: 60_000 });
    assert.equal(child.status, 0, child.stderr);
    return JSON.parse(child.stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

if (process.env['REFUSE_TRAINS'] !== undefined) console.log(JSON.stringify(await sendTwice()));
else {
  test('where trains to one peer fail (EIO: IPsec is in the way) they are sent to all others, and nothing is lost', () => {
    const expected = { sent: 40, sendErrors: 0, trainsSent: 2, trainFallbacks: 1, segmentation: 'on' };
    assert.deepEqual(whereRefusedWith(constants.errno.EIO), expected);
  });

  test('where the kernel knows no trains on this socket the first that is refused is the last', () => {
    const expected = { sent: 40, sendErrors: 0, trainsSent: 0, trainFallbacks: 1, segmentation: 'off' };
    assert.deepEqual(whereRefusedWith(constants.errno.EOPNOTSUPP), expected);
  });
}
