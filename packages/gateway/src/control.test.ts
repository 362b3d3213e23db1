import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { inTime } from '@culvert/testkit';
import { askGateway } from './control-client.ts';
import { maxRequestBytes } from './control-protocol.ts';
import { openControl } from './control-server.ts';
import { GatewayError } from './errors.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'culvert-control-'));
  path = join(folder, 'culvertd.sock');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a request is answered, a refusal keeps its code, and the socket is the owner’s alone', async () => {
  const control = await openControl(path, async (request) => {
    if (request.command === 'end') throw new GatewayError('CULVERT_GATEWAY_NO_SESSION', 'number 7');
    return { heard: request };
  });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(await askGateway(path, { command: 'status' }), { heard: { command: 'status' } });
  const message = 'there is no such session: number 7';
  await assert.rejects(askGateway(path, { command: 'end', id: 7 }), { code: 'CULVERT_GATEWAY_NO_SESSION', message });
  await control.close();
  await assert.rejects(askGateway(path, { command: 'status' }), { code: 'CULVERT_GATEWAY_NOT_RUNNING', exitCode: 6 });
});

test('a fault of the gateway is told to the asker, and the next one is served', async () => {
  const control = await openControl(path, async () => {
    throw new TypeError('oops');
  });
  await assert.rejects(askGateway(path, { command: 'status' }), /a fault of culvertd: TypeError: oops/);
  await assert.rejects(askGateway(path, { command: 'status' }), { code: 'CULVERT_GATEWAY_CONTROL' });
  await control.close();
});

test('a second gateway on the same socket is refused; a socket that a killed one left is taken over', async () => {
  const control = await openControl(path, async () => 'first');
  await assert.rejects(
    openControl(path, async () => 'second'),
    { code: 'CULVERT_GATEWAY_RUNNING' },
  );
  assert.equal(await askGateway(path, { command: 'status' }), 'first');
  await control.close();
  writeFileSync(path, '');
  const next = await openControl(path, async () => 'next');
  assert.equal(await askGateway(path, { command: 'status' }), 'next');
  await next.close();
});

test('a directory that cannot be written is told', async () => {
  await assert.rejects(
    openControl(join(folder, 'nowhere', 'x.sock'), async () => 0),
    { code: 'CULVERT_GATEWAY_CONTROL' },
  );
});

for (const [what, text] of [
  ['no JSON', 'hello\n'],
  ['JSON of another kind', '{"command":"shutdown"}\n'],
  ['null', 'null\n'],
  ['an end without a name', '{"command":"end"}\n'],
  ['an explain of what is no text', '{"command":"explain","which":7}\n'],
] as const) {
  test(`${what} is answered as no request`, async () => {
    const control = await openControl(path, async () => assert.fail('nobody is asked'));
    assert.match(await rawExchange(path, text), /"code":"CULVERT_GATEWAY_REQUEST"/);
    await control.close();
  });
}

test('an endless line is cut off', async () => {
  const control = await openControl(path, async () => assert.fail('nobody is asked'));
  assert.equal(await inTime('the cut', rawExchange(path, 'x'.repeat(maxRequestBytes + 1)), 5_000), '');
  await control.close();
});

test('closing does not wait for one who is connected and says nothing', async () => {
  const control = await openControl(path, async () => 0);
  const idle = connect(path);
  await new Promise((resolve) => idle.on('connect', resolve));
  await inTime('the end', control.close(), 5_000);
  idle.destroy();
});

function rawExchange(at: string, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = '';
  const socket = connect(at, () => socket.write(text));
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  socket.on('close', () => resolve(answer));
  return promise;
}
