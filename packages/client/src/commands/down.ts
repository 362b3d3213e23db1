/** `culvert down`: ends a tunnel, or undoes what a killed one left. */

import { recover } from '@culvert/host';
import type { CommandModule } from '@culvert/terminal';
import { createLogger, ExitCode, printJson } from '@culvert/terminal';
import { askControl } from '../control.ts';
import { ClientError } from '../errors.ts';
import { placesOf, runFiles } from '../paths.ts';
import { profileNameOf } from '../profile-store.ts';
import { downAsService } from '../service-user.ts';
import { withJson, withName } from './options.ts';

export const downCommand: CommandModule<object, { readonly name: string; readonly json: boolean }> = {
  command: 'down <name>',
  describe: 'End a tunnel; the host is as before when it returns',
  builder: (y) =>
    withJson(withName(y))
      .example('$0 down office', 'end it, or undo what a killed one left')
      .example('$0 down ./office.ovpn', 'a profile that was not imported'),
  handler: async ({ name: given, json }) => {
    const name = profileNameOf(given);
    const files = runFiles(placesOf(undefined), name);
    try {
      await askControl(files.socket, { command: 'down' });
      tell(name, 'down', json);
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'CULVERT_CLIENT_NOT_RUNNING') throw error;
      await cleanUp(name, files.journal, json);
    }
  },
};

const sentences = {
  down: 'is down',
  undone: 'was not running; its changes of this host are undone',
  left: 'was not running; some of its changes of this host could not be undone',
} as const;

function tell(profile: string, outcome: keyof typeof sentences, json: boolean): void {
  if (json) printJson({ profile, outcome });
  else process[outcome === 'left' ? 'stderr' : 'stdout'].write(`${profile} ${sentences[outcome]}\n`);
}

/** Nobody listens: the process was killed, starts just now, or there is none. */
async function cleanUp(name: string, journal: string, json: boolean): Promise<void> {
  const exitCode = downAsService(journal, name, json);
  if (exitCode !== undefined) {
    process.exitCode = exitCode;
    return;
  }
  const log = createLogger({ level: 'warn', format: 'text' });
  const outcome = await recover({ journal, log });
  switch (outcome) {
    case 'undone':
      return tell(name, outcome, json);
    case 'left':
      process.exitCode = ExitCode.failed;
      return tell(name, outcome, json);
    case 'busy':
      throw new ClientError('CULVERT_CLIENT_SILENT', `${name} (it may be starting or stopping)`);
    case 'nothing':
      throw new ClientError('CULVERT_CLIENT_NOT_RUNNING', name);
  }
}
