import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flood } from '../../test/flood.ts';
import { Stage } from '../../test/openvpn-stage.ts';

test('a client that floods loses most of it, and another link little', async (t) => {
  await using stage = await new Stage({ listen: { join: 0 } }).listen();
  const [flooding, other] = [await stage.connect(), await stage.connect()];
  const { sent, lost, median, summary } = await flood(flooding, other);
  const over = stage.listener.stats['dataOverShare'] ?? 0;
  t.diagnostic(`${summary}; of ${sent} packets of the flood ${over} were over its share`);
  // Without shares 61 to 81 %, and within 470 to 1,130 ms.
  assert.ok(lost < 0.3 && median < 300, summary);
  assert.ok(over > sent / 4, `${over} of ${sent}`);
  // Packets of the other that were held up come together.
  assert.equal(flooding[1].stats.droppedIn + other[1].stats.droppedIn, over);
});
