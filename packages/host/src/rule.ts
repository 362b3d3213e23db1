/** Policy rules, by `ip rule`. */
import { checkNetwork, checkNumber, type Kind, type RuleChange } from './change.ts';
import { run } from './command.ts';
import { ipBatch, ipUndo } from './ip-batch.ts';

export const ruleKind: Kind<RuleChange, Record<string, never>> = {
  check(change) {
    checkNumber('priority', change.priority, 0, 0xffff_ffff);
    checkNumber('table', change.table, 1, 0xffff_ffff);
    checkNumber('mark', change.mark, 0, 0xffff_ffff);
    if (change.from !== undefined) checkNetwork(change.from);
    if (change.to !== undefined) checkNetwork(change.to);
  },
  async before(changes, tools) {
    const befores: (Record<string, never> | undefined)[] = [];
    for (const change of changes) {
      // `ip rule show` takes the rule's own words as a filter, so whatever it prints is the rule itself.
      const shown = await run(tools, 'ip', [`-${change.family}`, 'rule', 'show', ...spec(change)]);
      befores.push(shown.code === 0 && shown.stdout.trim() !== '' ? undefined : {});
    }
    return befores;
  },
  async make(steps, tools) {
    for (const { change } of steps) await ipBatch(change.family, [`rule add ${spec(change).join(' ')}`], tools);
  },
  async undo(steps, tools) {
    const problems: (string | undefined)[] = [];
    for (const { change } of steps) {
      problems.push(...(await ipUndo(change.family, [`rule del ${spec(change).join(' ')}`], tools)));
    }
    return problems;
  },
};

function spec(change: RuleChange): string[] {
  const words = ['priority', String(change.priority), 'from', change.from ?? 'all'];
  if (change.to !== undefined) words.push('to', change.to);
  if (change.mark !== undefined) words.push('fwmark', String(change.mark));
  words.push('table', String(change.table));
  return words;
}
