import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addressAt,
  contains,
  formatAddress,
  formatNetwork,
  type IpNetwork,
  networkOf,
  parseAddress,
  parseNetwork,
} from '@culvert/wire';
import fc from 'fast-check';
import { addressWords, networkWords } from './network-words.ts';
import { PrefixTable } from './prefix-table.ts';
import { NOT_FOUND } from './word-hash.ts';

/** Few bytes differ, so that networks nest and addresses hit. */
const address = fc.oneof(
  fc.tuple(fc.constant(10), fc.nat(3), fc.nat(3), fc.nat(3)),
  fc.tuple(fc.constant(0xfd), ...new Array<fc.Arbitrary<number>>(15).fill(fc.nat(1))),
);
const network = fc.tuple(address, fc.nat(128)).map(([bytes, prefix]): IpNetwork => {
  const version = bytes.length === 4 ? 4 : 6;
  return networkOf({ version, bytes: Uint8Array.from(bytes) }, prefix % (bytes.length * 8 + 1));
});
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ set: network, value: fc.nat(1000) }) },
  fc.record({ remove: network }),
);

test('the longest prefix wins, whatever was added and removed before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.array(address, { maxLength: 20 }), (steps, probes) => {
      const table = new PrefixTable();
      const model = new Map<string, number>();
      for (const s of steps) {
        if ('set' in s) {
          table.set(networkWords(s.set), s.value);
          model.set(formatNetwork(s.set), s.value);
        } else {
          table.delete(networkWords(s.remove));
          model.delete(formatNetwork(s.remove));
        }
      }
      for (const [text, value] of model) assert.equal(table.get(networkWords(text)), value);
      for (const bytes of probes) {
        const probe = formatAddress(Uint8Array.from(bytes));
        const { version, a, b, c, d } = addressWords(probe);
        assert.equal(table.find(version, a, b, c, d), naiveFind(model, probe), probe);
      }
    }),
    { numRuns: 400 },
  );
});

function naiveFind(model: ReadonlyMap<string, number>, probe: string): number {
  const address = parseAddress(probe);
  const holders = [...model]
    .map(([text, value]) => ({ network: parseNetwork(text), value }))
    .filter(({ network }) => contains(network, address));
  holders.sort((x, y) => y.network.prefix - x.network.prefix);
  return holders[0]?.value ?? NOT_FOUND;
}

test('ten thousand host routes of each version are found, and gone when removed', () => {
  const table = new PrefixTable();
  const hosts = ['10.0.0.0/8', 'fd00::/64'].flatMap((text) => {
    return Array.from({ length: 10_000 }, (_, i) =>
      networkWords(formatAddress(addressAt(parseNetwork(text), BigInt(i * 7)))),
    );
  });
  for (const [i, host] of hosts.entries()) table.set(host, i);
  for (const [i, { version, a, b, c, d }] of hosts.entries()) assert.equal(table.find(version, a, b, c, d), i);
  for (const host of hosts.filter((_, i) => i % 2 === 0)) table.delete(host);
  for (const [i, { version, a, b, c, d }] of hosts.entries()) {
    assert.equal(table.find(version, a, b, c, d), i % 2 === 0 ? NOT_FOUND : i);
  }
});
