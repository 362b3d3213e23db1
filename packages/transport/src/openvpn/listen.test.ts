import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeTlsContext, nullLogger, ScriptedAdmission, seededRandom } from '@culvert/testkit';
import { createOpenvpnTransport } from './transport.ts';

test('a listener tells where it takes peers, and over which protocol', async () => {
  const listener = await createOpenvpnTransport().listen(
    {
      listen: (['udp', 'tcp'] as const).map((protocol) => ({ address: '127.0.0.1', port: 0, protocol })),
      tls: createFakeTlsContext({ role: 'server', random: seededRandom(1), name: 'server' }),
      wrap: { kind: 'none' },
    },
    {
      admission: new ScriptedAdmission({}),
      onLink: () => {},
      onEvent: () => {},
      log: nullLogger,
      signal: new AbortController().signal,
    },
  );
  const told = listener.endpoints.map(({ protocol, address }) => `${protocol} ${address}`);
  await listener.close({ cause: 'shutdown', detail: 'done' });
  assert.deepEqual(told, ['udp 127.0.0.1', 'tcp 127.0.0.1']);
});
