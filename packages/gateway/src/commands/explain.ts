import { type CommandModule, printJson, printTable } from '@culvert/terminal';
import { askGateway } from '../control-client.ts';
import type { Explanation } from '../explain.ts';
import type { Offers } from '../stories.ts';
import { type ConfigArguments, configOption, jsonOption, readConfig } from './common.ts';

type Arguments = ConfigArguments & { readonly json: boolean; readonly which: string | undefined };

export const explainCommand: CommandModule<unknown, Arguments> = {
  command: 'explain [which]',
  describe: 'What happened, step by step: in a session, or in tries that came to nothing',
  builder: (y) =>
    jsonOption(configOption(y))
      .positional('which', {
        type: 'string',
        describe:
          'A number of session list, a user, an address, or a try such as a12; without it, a list of such tries',
      })
      .example('$0 session explain', 'who did not get in of late, with the numbers of the tries')
      .example('$0 session explain a12', 'one of them: where nothing was in common, with both offers side by side')
      .example('$0 session explain 192.0.2.7', 'all that came from there')
      .example('$0 session explain alice', 'why she does not get in, or how she did')
      .example('$0 session explain 7', 'how session 7 came up, and what happened since'),
  handler: async ({ config, json, which }) => {
    const request = { command: 'explain', ...(which !== undefined && { which: String(which) }) } as const;
    const found = (await askGateway(readConfig(config).control, request)) as readonly Explanation[];
    if (json) printJson(found);
    else if (which === undefined) printTries(found);
    else for (const [i, each] of found.entries()) printExplanation(each, i > 0);
  },
};

function printTries(tries: readonly Explanation[]): void {
  const rows = tries.map(({ attempt, began, transport, remote, reason }) => [
    attempt ?? '-',
    began ?? '-',
    transport,
    remote,
    reason ?? '-',
  ]);
  printTable(['TRY', 'BEGAN', 'TRANSPORT', 'REMOTE', 'REASON'], rows);
}

function printExplanation(told: Explanation, after: boolean): void {
  if (after) process.stdout.write('\n');
  const { session, user, attempt, claimed, link, transport, remote, began, outcome, reason, facts } = told;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['session', session === undefined ? undefined : `${session} of ${user}`],
    ['try', attempt],
    ['claimed', session === undefined ? claimed : undefined],
    ['in the log', link === undefined ? undefined : `link=${link}`],
    ['transport', transport],
    ['remote', remote],
    ['began', began],
    ['outcome', outcome],
    ['reason', reason],
    ...Object.entries(facts),
  ];
  printTable(
    ['WHAT', 'VALUE'],
    rows.flatMap(([what, value]) => (value === undefined ? [] : [[what, value]])),
  );
  for (const offers of told.offers) printOffers(offers);
  if (told.steps.length === 0) return;
  process.stdout.write('\n');
  const steps = told.steps.map(({ seconds, what, fields }) => [
    `${seconds.toFixed(3)}s`,
    what,
    Object.entries(fields)
      .map(([name, text]) => `${name}=${text}`)
      .join(' '),
  ]);
  printTable(['AFTER', 'STEP', 'DETAILS'], steps);
}

/** Both lists in the order of their ends. What is accepted may be one line for all ways to combine it: a row for each of its parts. */
function printOffers({ phase, offered, ...ours }: Offers): void {
  const accepted = ours.accepted.flatMap((name) => name.split(' - '));
  process.stdout.write('\n');
  const of = phase === undefined ? '' : ` IN PHASE ${phase}`;
  const rows = Array.from({ length: Math.max(offered.length, accepted.length) }, (_, i) => [
    offered[i] ?? '',
    accepted[i] ?? '',
  ]);
  printTable([`THE PEER OFFERS${of}`, 'ACCEPTED HERE'], rows);
}
