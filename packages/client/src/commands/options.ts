/** Options that several commands share. */
import type { Argv } from '@culvert/terminal';

export interface DirOption {
  readonly dir: string | undefined;
}

export function withDir<T>(y: Argv<T>) {
  return y.option('dir', {
    type: 'string',
    describe: 'Where profiles are kept [default: /etc/culvert/profiles, or $CULVERT_PROFILES]',
    requiresArg: true,
  });
}

export function withJson<T>(y: Argv<T>, describe = 'Print JSON') {
  return y.option('json', { type: 'boolean', default: false, describe });
}

export function withName<T>(y: Argv<T>) {
  return y.positional('name', { type: 'string', demandOption: true, describe: 'A profile by name, or its file' });
}
