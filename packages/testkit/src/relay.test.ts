import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { eventually } from './eventually.ts';
import { openRelay } from './relay.ts';

test('datagrams pass both ways, stop while the wire is cut, and come from elsewhere after roaming', async () => {
  const listener = createSocket('udp4');
  const seen: { text: string; port: number }[] = [];
  listener.on('message', (datagram, { port, address }) => {
    seen.push({ text: String(datagram), port });
    listener.send('answer', port, address);
  });
  listener.bind(0, '127.0.0.1');
  await once(listener, 'listening');
  const relay = await openRelay('udp', { address: '0.0.0.0', port: listener.address().port });
  const dialler = createSocket('udp4');
  const say = (text: string) => dialler.send(text, relay.endpoint.port, relay.endpoint.address);
  say('one');
  const [answer] = await once(dialler, 'message');
  assert.equal(String(answer), 'answer');
  relay.cut();
  say('lost');
  await eventually('the wire swallows it', () => relay.dropped === 1);
  relay.roam();
  relay.heal();
  await eventually('two arrives', () => {
    say('two');
    return seen.some(({ text }) => text === 'two');
  });
  assert.deepEqual([...new Set(seen.map(({ text }) => text))], ['one', 'two']);
  assert.notEqual(seen[0]?.port, seen[1]?.port);
  dialler.close();
  listener.close();
  await relay.close();
});

test('a stream passes both ways, waits while the wire is cut, and breaks by roaming', async () => {
  const listener = createServer((socket) => socket.pipe(socket).on('error', () => {}));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const relay = await openRelay('tcp', { address: '127.0.0.1', port: (listener.address() as { port: number }).port });
  const dialler = connect(relay.endpoint.port, relay.endpoint.address);
  let heard = '';
  dialler.on('data', (bytes) => {
    heard += bytes;
  });
  dialler.write('one ');
  await eventually('the echo', () => heard === 'one ');
  relay.cut();
  dialler.write('two');
  relay.heal();
  await eventually('the rest', () => heard === 'one two');
  relay.roam();
  await once(dialler, 'close');
  listener.close();
  await relay.close();
});
