/**
 * Searches for packets that break a protocol: `npm run fuzz -- [--target NAME] [--count N] [--seed S] [--json] [--visit WHICH]`.
 *
 * Without a target both ends of OpenVPN are searched, by `--jobs N` at once; WHICH is then a file of the corpus, elsewhere the seed that a
 * problem names.
 */
import { parseArgs } from 'node:util';
import { esp } from './esp/search.ts';
import { ike } from './ike/search.ts';
import { l2tp } from './l2tp/search.ts';
import { runOpenvpn } from './openvpn.ts';
import { ppp } from './ppp/search.ts';
import { pptp } from './pptp/search.ts';
import { type RunOptions, runTarget, type Target } from './target.ts';

const targets: Readonly<Record<string, Target>> = { esp, ike, l2tp, ppp, pptp };

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: { target: text, count: text, seed: text, jobs: text, visit: text, json: { type: 'boolean' } },
});
const number = (value: string | undefined) => (value === undefined ? undefined : Number(value.replaceAll('_', '')));
const options: RunOptions = {
  count: number(values.count),
  seed: number(values.seed) ?? 1,
  jobs: number(values.jobs),
  json: values.json === true,
  visit: values.visit,
};
const { target: name = 'openvpn' } = values;
const target = targets[name];
if (target !== undefined) await runTarget(target, options);
else if (name === 'openvpn') await runOpenvpn(options);
else throw new Error(`no target is called ${name}; there are openvpn, ${Object.keys(targets).join(', ')}`);
