/** Our IKE and ESP against strongSwan with the kernel's ESP, both roles. The hosts are drawn in ike/lab.ts. */
import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { enterFreshNamespace, labIsPossible, missingForLab } from '@culvert/testkit';
import type { IkeEnd } from './ike/ike-end.ts';
import { charon, IkeLab, labPrograms, presharedKey } from './ike/lab.ts';
import { answered, nameOf, offered, type Row } from './ike/suites.ts';
import { configure } from './ike/swanctl.ts';

const skip = enterFreshNamespace();
/** What charon's guest does at a time. */
const AT_ONCE = 8;

let lab: IkeLab;
before(async () => {
  if (skip === false && missingForLab(labPrograms).length === 0) lab = await IkeLab.open();
  await lab?.charon.exec('start_charon');
});
after(() => lab?.[Symbol.asyncDispose]());

/** Whether the lab is there; it is as it was once the test is over, its subtests too. */
function isPossible(t: TestContext): boolean {
  t.after(() => lab?.restore());
  return labIsPossible(t, labPrograms);
}

interface Case {
  readonly row: Row;
  readonly name: string;
  readonly end: IkeEnd;
}

/** A connection of charon's and an end of ours for each row. */
async function cases(rows: readonly Row[]): Promise<Case[]> {
  const made = rows.map((row, n): Case => {
    const end = lab.end({
      address: lab.address(),
      algorithms: { weak: row.weak },
      forceEncapsulation: row.carriage === 'ESP in UDP',
    });
    return { row, end, name: `case${n}` };
  });
  configure(
    lab.charon,
    made.map(({ row, name, end }) => ({ ...row, name, local: charon.address, remote: end.address })),
    presharedKey,
  );
  await lab.charon.exec('load');
  return made;
}

async function carries(t: TestContext, role: string, { row, end }: Case): Promise<void> {
  const { phase1, phase2, carriage } = row;
  await t.test(`${role}: ${phase1}, ${phase2}, ${carriage}`, async () => {
    await end.next('child-ready');
    assert.equal(nameOf((await end.next('established')).suite), phase1);
    const { child, sa } = await end.next('child-created');
    assert.deepEqual(sa.algorithms, row.algorithms);
    assert.equal(sa.udpEncapsulated, carriage === 'ESP in UDP');
    for (const size of [0, 1, 15, 100, 1_400]) await end.echo(child, size);
    const { espInUdp, esp } = end.arrived;
    assert.equal(carriage === 'ESP' ? espInUdp : esp, 0, end.describe());
    assert.deepEqual(end.refused, { unknown: 0, cipher: 0, selectors: 0 });
  });
}

test('strongSwan calls us by every suite that we take', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const all = await cases(answered());
  for (let n = 0; n < all.length; n += AT_ONCE) {
    const some = all.slice(n, n + AT_ONCE);
    const calls = lab.charon.exec(`initiate ${some.map(({ name }) => name).join(' ')}`).catch((error: Error) => error);
    for (const each of some) await carries(t, 'strongSwan calls', each);
    const said = await calls;
    assert.ok(!(said instanceof Error), String(said));
  }
});

test('we call strongSwan by every suite that we offer', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const all = await cases(offered());
  for (let n = 0; n < all.length; n += AT_ONCE) {
    const some = all.slice(n, n + AT_ONCE);
    for (const { row, end } of some) end.connect(charon.address, { child: { group: row.pfs } });
    for (const each of some) await carries(t, 'we call', each);
  }
});
