import { test } from 'node:test';
import { floodCostsOthersLittle } from '../../test/flood.ts';
import { Stage } from '../../test/openvpn-stage.ts';

test('a client that floods loses most of it, and another link little', async (t) => {
  await using stage = await new Stage({ listen: { join: 0 } }).listen();
  const [flooding, other] = [await stage.connect(), await stage.connect()];
  await floodCostsOthersLittle(t, flooding, other, () => stage.listener.stats['dataOverShare'] ?? 0);
});
