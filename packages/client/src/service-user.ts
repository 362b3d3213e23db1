/**
 * What a killed `culvert@.service` left, when root cleans up by hand.
 *
 * The service is not root, and root does not believe a journal that another user may write: whoever took over the service could
 * name files and routes of its choice. So the journal's own user undoes it, with the capabilities that the service has.
 */
import { spawnSync } from 'node:child_process';
import { lstatSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ClientError } from './errors.ts';

const SERVICE_USER = 'culvert';
const CAPABILITIES = ['net_admin', 'net_raw', 'dac_override'].map((name) => `+${name}`).join(',');

/**
 * Runs `culvert down NAME` as the service's user, if we are root and `journal` is that user's; its exit code, else undefined.
 * Call it only where no process of the tunnel answers. Throws ClientError when it cannot be run.
 */
export function downAsService(journal: string, name: string, json = false): number | undefined {
  const stat = process.getuid?.() === 0 ? lstatSync(journal, { throwIfNoEntry: false }) : undefined;
  if (stat === undefined || stat.uid === 0 || !stat.isFile()) return undefined;
  const [account, , uid, gid] = spawnSync('getent', ['passwd', SERVICE_USER], { encoding: 'utf8' }).stdout.split(':');
  if (account !== SERVICE_USER || Number(uid) !== stat.uid) return undefined;
  const limits = ['inh', 'ambient', 'bounding'].map((set) => [
    `--${set}-${set === 'bounding' ? 'set' : 'caps'}`,
    `-all,${CAPABILITIES}`,
  ]);
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const { status, error } = spawnSync(
    'setpriv',
    [
      ...[`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...limits.flat(), '--no-new-privs', '--'],
      ...[process.execPath, ...process.execArgv, main, 'down', name, ...(json ? ['--json'] : [])],
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  if (status === null) throw new ClientError('CULVERT_CLIENT_SILENT', name, { cause: error });
  return status;
}
