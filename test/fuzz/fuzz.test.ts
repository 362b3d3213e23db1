/** The corpus again, and a search. `CULVERT_FUZZ_COUNT` sets how many datagrams are tried. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { cellsOf, statesOf, subjects, summarize } from './cells.ts';
import { readCorpus } from './corpus.ts';
import { Field } from './field.ts';
import { layers } from './layers.ts';
import { applyChanges, drawChanges } from './mutate.ts';
import { search } from './search.ts';
import { drawVisit, runVisit } from './visit.ts';

const COUNT = Number(process.env['CULVERT_FUZZ_COUNT'] ?? 1_000_000);
/** Fewer leave some cell of the table empty by chance. */
const ENOUGH_FOR_EVERY_CELL = 500_000;

let field: Field;
before(async () => {
  field = await Field.open();
});
after(() => field.close());

test('a seed draws the same visits again', () => {
  const draw = () => {
    const random = seededRandom(5);
    return Array.from({ length: 20 }, () => drawVisit(random));
  };
  assert.deepEqual(draw(), draw());
  assert.deepEqual(JSON.parse(JSON.stringify(draw())), draw(), 'and they survive the corpus');
});

test('changes fit whatever they meet', () => {
  const random = seededRandom(5);
  for (let n = 0; n < 5_000; n++) {
    const changes = drawChanges(random, 100, { text: n % 2 === 0 });
    const bytes = applyChanges(random.bytes(random.integer(40)), changes);
    assert.ok(bytes.length <= 1_500);
  }
});

for (const { name, visit } of readCorpus()) {
  test(`corpus: ${name}`, async () => {
    await runVisit(visit, field);
  });
}

test('the corpus left nothing behind', async () => {
  await field.quiet();
  assert.deepEqual(field.problems(), []);
  const visited = new Set(readCorpus().map(({ visit }) => `${visit.subject} ${visit.state}`));
  const missing = subjects.flatMap((subject) =>
    statesOf(subject).flatMap((state) => (visited.has(`${subject} ${state}`) ? [] : [`${subject} ${state}`])),
  );
  assert.deepEqual(missing, [], 'it has every state');
});

test('every layer has a state in which it is tried', () => {
  const tried = new Set(subjects.flatMap((s) => statesOf(s).flatMap((state) => cellsOf(s, state).map((c) => c.layer))));
  assert.deepEqual([...tried].sort(), Object.keys(layers).sort());
});

test(`${COUNT} mutated datagrams break nothing`, async () => {
  const { tally, problems } = await search({ count: COUNT, seed: 1 });
  assert.deepEqual(problems, []);
  const { sent, inside, unreached } = summarize(tally);
  assert.ok(sent >= COUNT);
  assert.ok(inside >= sent / 2, `${inside} of ${sent} were mutated inside valid protection`);
  if (COUNT >= ENOUGH_FOR_EVERY_CELL) assert.deepEqual(unreached, [], 'every decoder is reached in every state');
});
