/** `culvert down`: ends a tunnel, or undoes what a killed one left. */

import { recover } from '@culvert/host';
import type { CommandModule } from '@culvert/terminal';
import { createLogger, ExitCode } from '@culvert/terminal';
import { askControl } from '../control.ts';
import { ClientError } from '../errors.ts';
import { placesOf, runFiles } from '../paths.ts';
import { profileNameOf } from '../profile-store.ts';
import { downAsService } from '../service-user.ts';
import { withName } from './options.ts';

export const downCommand: CommandModule<object, { readonly name: string }> = {
  command: 'down <name>',
  describe: 'End a tunnel; the host is as before when it returns',
  builder: (y) =>
    withName(y)
      .example('$0 down office', 'end it, or undo what a killed one left')
      .example('$0 down ./office.ovpn', 'a profile that was not imported'),
  handler: async ({ name: given }) => {
    const name = profileNameOf(given);
    const files = runFiles(placesOf(undefined), name);
    try {
      await askControl(files.socket, { command: 'down' });
      process.stdout.write(`${name} is down\n`);
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'CULVERT_CLIENT_NOT_RUNNING') throw error;
      await cleanUp(name, files.journal);
    }
  },
};

/** Nobody listens: the process was killed, starts just now, or there is none. */
async function cleanUp(name: string, journal: string): Promise<void> {
  const exitCode = downAsService(journal, name);
  if (exitCode !== undefined) {
    process.exitCode = exitCode;
    return;
  }
  const log = createLogger({ level: 'warn', format: 'text' });
  switch (await recover({ journal, log })) {
    case 'undone':
      process.stdout.write(`${name} was not running; its changes of this host are undone\n`);
      return;
    case 'left':
      process.stderr.write(`${name} was not running; some of its changes of this host could not be undone\n`);
      process.exitCode = ExitCode.failed;
      return;
    case 'busy':
      throw new ClientError('CULVERT_CLIENT_SILENT', `${name} (it may be starting or stopping)`);
    case 'nothing':
      throw new ClientError('CULVERT_CLIENT_NOT_RUNNING', name);
  }
}
