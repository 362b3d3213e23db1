import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { askControl, openControl } from './control.ts';

const directory = mkdtempSync(join(tmpdir(), 'cv-control-'));
const path = join(directory, 'office.sock');
after(() => rmSync(directory, { recursive: true }));

test('a request is answered, by a socket for its owner alone', async () => {
  writeFileSync(path, 'left by a killed process');
  const server = await openControl(path, (request) => ({ heard: request.command }));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(await askControl(path, { command: 'status' }), { heard: 'status' });
  await server.close();
  await assert.rejects(askControl(path, { command: 'status' }), { code: 'CULVERT_CLIENT_NOT_RUNNING', exitCode: 6 });
});

test('down returns when the tunnel is gone, not before', async () => {
  let gone = false;
  const server = await openControl(path, () => {
    setImmediate(async () => {
      gone = true;
      await server.close();
    });
    return {};
  });
  await askControl(path, { command: 'down' });
  assert.ok(gone);
});

test('what is no request, or too long, does no harm', async () => {
  const server = await openControl(path, () => assert.fail('nothing was asked'));
  const send = (text: string) =>
    new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect(path, () => socket.write(text));
      socket.on('data', (chunk) => {
        answer += chunk;
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(answer));
    });
  assert.match(await send('{"command":"rm"}\n'), /not a request/);
  assert.match(await send('{\n'), /not a request/);
  assert.equal(await send('x'.repeat(10_000)), '');
  await server.close();
});

test('a process that does not answer is told', async () => {
  const server = await openControl(path, () => ({}));
  await assert.rejects(askControl(path, { command: 'down' }, 50), { code: 'CULVERT_CLIENT_SILENT' });
  await server.close();
});
