import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodePath, endpointOfPath, type NetioError, pathWords, samePath } from './index.ts';

const port = fc.nat(65_535);
const addresses = { 4: fc.ipV4(), 6: fc.ipV6().filter((text) => isIPv6(text)) };

for (const family of [4, 6] as const) {
  test(`IPv${family}: a path survives words and text`, () => {
    fc.assert(
      fc.property(addresses[family], addresses[family], port, (local, address, port) => {
        const words = encodePath({ local, remote: { address, port } }, family);
        const again = endpointOfPath(words);
        assert.equal(again.remote.port, port);
        assert.ok(samePath(encodePath(again, family), 0, words, 0));
      }),
    );
  });
}

test('words have the layout that the README draws', () => {
  const v4 = encodePath({ local: '10.0.0.2', remote: { address: '192.0.2.1', port: 1194 } }, 4);
  assert.deepEqual([...new Uint8Array(v4.buffer, 0, 32)], [192, 0, 2, 1, ...zeros(12), 10, 0, 0, 2, ...zeros(12)]);
  assert.deepEqual([...v4.subarray(8)], [1194, 0x4000_0000]);
  const v6 = encodePath({ remote: { address: 'fe80::1%7', port: 1 } }, 6);
  assert.deepEqual([...new Uint8Array(v6.buffer, 0, 32)], [0xfe, 0x80, ...zeros(13), 1, ...zeros(16)]);
  assert.deepEqual([...v6.subarray(8)], [1, 0x6000_0007]);
});

test('text is canonical, and only link-local addresses have a zone', () => {
  const texts = ['2001:DB8:0:0:1::1', '::', 'fe80::1%3', 'ff02::1', '2001:db8::'];
  const canonical = texts.map((address) => endpointOfPath(encodePath({ remote: { address, port: 1 } }, 6)));
  assert.deepEqual(
    canonical.map(({ local, remote }) => [local, remote.address]),
    [
      ['::', '2001:db8::1:0:0:1'],
      ['::', '::'],
      ['::', 'fe80::1%3'],
      ['::', 'ff02::1'],
      ['::', '2001:db8::'],
    ],
  );
});

test('records are compared and read where they lie', () => {
  const a = encodePath({ remote: { address: '10.0.0.1', port: 1 } }, 4);
  const many = new Uint32Array(3 * pathWords);
  many.set(a, pathWords);
  assert.equal(samePath(a, 0, many, pathWords), true);
  assert.equal(samePath(a, 0, many, 0), false);
  assert.deepEqual(endpointOfPath(many, pathWords).remote, { address: '10.0.0.1', port: 1 });
  for (let word = 0; word < pathWords; word++) {
    const other = a.slice();
    other[word] = (other[word] ?? 0) ^ 1;
    assert.equal(samePath(a, 0, other, 0), false, `word ${word} counts`);
  }
  assert.throws(() => endpointOfPath(many, 2 * pathWords + 1), RangeError);
});

test('what is no address or no port is refused', () => {
  const isNoAddress = (error: NetioError) => error.code === 'CULVERT_NETIO_ADDRESS';
  for (const address of ['', 'host', '10.0.0.256', '1::2::3', 'fe80::1%', '::1\u0000']) {
    assert.throws(() => encodePath({ remote: { address, port: 1 } }, 6), isNoAddress, address);
  }
  for (const port of [-1, 65_536, 1.5, Number.NaN]) {
    assert.throws(() => encodePath({ remote: { address: '::1', port } }, 6), RangeError);
  }
});

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}
