/** Tables of nftables, each replaced as a whole in one transaction. */
import type { Kind, NftChange } from './change.ts';
import { run, runOk } from './command.ts';

export const nftKind: Kind<NftChange, Record<string, never>> = {
  check(change) {
    if (!/^culvert_[A-Za-z0-9_]{1,64}$/.test(change.table)) {
      throw new TypeError(`not a table of ours: ${JSON.stringify(change.table)}`);
    }
  },
  async before(changes) {
    return changes.map(() => ({}));
  },
  async make(steps, tools) {
    for (const { change } of steps) {
      // Adding before deleting makes the deletion succeed whether or not the table was there.
      const head = `add table inet ${change.table}\ndelete table inet ${change.table}\n`;
      await runOk(tools, 'nft', ['-f', '-'], `${head}table inet ${change.table} {\n${change.body}\n}\n`);
    }
  },
  async undo(steps, tools) {
    const problems: (string | undefined)[] = [];
    for (const { change } of steps) {
      const outcome = await run(tools, 'nft', ['delete', 'table', 'inet', change.table]);
      const gone = outcome.code === 0 || /No such file or directory/.test(outcome.stderr);
      problems.push(gone ? undefined : outcome.stderr);
    }
    return problems;
  },
};
