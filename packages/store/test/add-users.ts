/** Adds users to the store until it is killed or the disk is full; prints each name once it was acknowledged. */
import { writeSync } from 'node:fs';
import { SqliteStore } from '../src/sqlite-store.ts';

const [path = '', prefix = ''] = process.argv.slice(2);
const store = new SqliteStore(path);
try {
  for (let n = 0; ; n++) {
    const name = `${prefix}-${n}`;
    store.addUser(name, { groups: ['staff', `g${n % 7}`], networksBehind: [`10.${n % 200}.0.0/24`] });
    store.putLeases([{ user: name, version: 4, address: `10.88.${(n >> 8) & 255}.${n & 255}` }]);
    writeSync(1, `${name}\n`);
  }
} catch (error) {
  writeSync(1, `!${(error as { code: string }).code}\n`);
}
