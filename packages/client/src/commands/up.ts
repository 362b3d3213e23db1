/** `culvert up`: in the foreground, or behind it. */
import { mkdir } from 'node:fs/promises';
import type { CommandModule } from '@culvert/terminal';
import { colour, createLogger, ExitCode, type LogFormat, type LogLevel, printJson } from '@culvert/terminal';
import { failureReport, isBackgroundChild, receiveSecrets, report, startInBackground } from '../background.ts';
import { findSecrets } from '../credentials.ts';
import { ClientError } from '../errors.ts';
import { placesOf, runFiles } from '../paths.ts';
import type { Secrets } from '../profile.ts';
import { type LoadedProfile, loadProfile } from '../profile-store.ts';
import { type RunOptions, runTunnel } from '../run-tunnel.ts';
import { type DirOption, withDir, withJson, withName } from './options.ts';

interface UpArgs extends DirOption {
  readonly name: string;
  readonly background: boolean;
  readonly json: boolean;
  readonly username: string | undefined;
  readonly 'password-file': string | undefined;
  readonly response: string | undefined;
  readonly timeout: number | undefined;
  readonly offload: boolean;
  readonly 'log-level': LogLevel;
  readonly 'log-format': LogFormat;
}

/** Someone waits at the prompt: a server that has not answered by then will not. */
const BACKGROUND_TIMEOUT_S = 90;

export const upCommand: CommandModule<object, UpArgs> = {
  command: 'up <name>',
  describe: 'Connect; ends with Ctrl-C or culvert down',
  builder: (y) =>
    withName(withDir(withJson(y, 'With --background: print JSON when it is up')))
      .option('background', {
        type: 'boolean',
        default: false,
        describe: 'Detach when the tunnel is up; the exit code tells',
      })
      .option('username', { type: 'string', requiresArg: true, describe: 'User name' })
      .option('password-file', {
        type: 'string',
        requiresArg: true,
        describe: 'File with the password, or user name and password on two lines',
      })
      .option('response', {
        type: 'string',
        requiresArg: true,
        describe: "Answer to the profile's challenge (one-time code)",
      })
      .option('timeout', {
        type: 'number',
        requiresArg: true,
        describe: `Give up when not up after so many seconds [default: never; ${BACKGROUND_TIMEOUT_S} with --background]`,
      })
      .option('offload', {
        type: 'boolean',
        default: true,
        describe: 'Move packets in trains where the kernel can (--no-offload rules it out)',
      })
      .option('log-level', {
        choices: ['trace', 'debug', 'info', 'warn', 'error'] as const,
        default: 'info' as const,
        describe: 'The least that is worth a line',
      })
      .option('log-format', {
        choices: ['text', 'json'] as const,
        default: 'text' as const,
        describe: 'How lines look',
      })
      .example('$0 up office', 'in the foreground, until Ctrl-C')
      .example('$0 up office --background', 'returns when the tunnel is up')
      .example('$0 up ./office.ovpn', 'without importing it'),
  handler: async (args) => {
    const loaded = await loadProfile(placesOf(args.dir).profiles, args.name);
    refuseInsecure(loaded);
    const child = isBackgroundChild();
    const secrets = child ? await receiveSecrets() : await secretsFor(loaded, args);
    if (child) await runAsChild(args, loaded, secrets);
    else if (args.background) await detach(args, loaded, secrets);
    else await run(args, loaded, secrets, () => {});
  },
};

/** Throws ClientError CULVERT_CLIENT_INSECURE where nobody took the risk knowingly. */
function refuseInsecure({ profile: { insecurity }, file }: LoadedProfile): void {
  if (insecurity === undefined || insecurity.accepted) return;
  throw new ClientError(
    'CULVERT_CLIENT_INSECURE',
    `${insecurity.why}; culvert import ${file} --accept-insecure takes it all the same`,
  );
}

function secretsFor({ profile }: LoadedProfile, args: UpArgs): Promise<Secrets> {
  return findSecrets(profile.needs, { ...args, passwordFile: args['password-file'] });
}

async function run(args: UpArgs, loaded: LoadedProfile, secrets: Secrets, onUp: RunOptions['onUp']): Promise<void> {
  const log = createLogger({ level: args['log-level'], format: args['log-format'] }).child({ profile: loaded.name });
  const { insecurity } = loaded.profile;
  for (const warning of [...loaded.warnings, ...(insecurity ? [insecurity.why] : [])]) log.warn(warning);
  using stop = stopSignal(() => log.info('stopping'));
  const timeout = args.timeout ?? (args.background ? BACKGROUND_TIMEOUT_S : undefined);
  try {
    const reason = await runTunnel({
      loaded,
      secrets,
      places: placesOf(args.dir),
      log,
      signal: stop.signal,
      timeout: timeout === undefined ? undefined : timeout * 1_000,
      offload: args.offload,
      onUp,
    });
    log.info('the tunnel is down', { cause: reason.cause, reason: reason.detail });
  } catch (error) {
    throw withExitCode(error);
  }
}

async function detach(args: UpArgs, loaded: LoadedProfile, secrets: Secrets): Promise<void> {
  const places = placesOf(args.dir);
  const { log } = runFiles(places, loaded.name);
  await mkdir(places.run, { recursive: true, mode: 0o755 });
  using stop = stopSignal(() => {});
  const up = await startInBackground({ args: process.argv.slice(2), secrets, logFile: log, signal: stop.signal });
  if (args.json) return printJson(up);
  const { device, addresses, server } = up;
  process.stdout.write(`${colour('green', loaded.name)} is up: ${device} ${addresses.join(' ')} by ${server?.host}\n`);
  process.stdout.write(`culvert status ${loaded.name} tells more, culvert down ${loaded.name} ends it; log: ${log}\n`);
}

async function runAsChild(args: UpArgs, loaded: LoadedProfile, secrets: Secrets): Promise<void> {
  try {
    await run(args, loaded, secrets, (description) => report({ kind: 'up', description }));
  } catch (error) {
    if (process.connected) report(failureReport(error, exitCodeOf(error)));
    throw error;
  }
  if (process.connected) process.disconnect();
}

/** SIGINT, SIGTERM and a terminal that goes away stop; a second one changes nothing, since stopping is under way. */
function stopSignal(onStop: () => void): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) return;
    onStop();
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of signals) process.off(name, stop);
    },
  };
}

const permissionCodes = new Set([
  'CULVERT_HOST_PERMISSION',
  'CULVERT_TUN_PERMISSION',
  'CULVERT_TUN_NO_DEVICE',
  'CULVERT_NETIO_PERMISSION',
  'CULVERT_NETIO_RAW_PERMISSION',
  'EACCES',
  'EPERM',
]);

/** Errors of other packages do not know of exit codes. */
function withExitCode(error: unknown): unknown {
  if (error instanceof Error && !('exitCode' in error)) Object.assign(error, { exitCode: exitCodeOf(error) });
  return error;
}

function exitCodeOf(error: unknown): number {
  const { exitCode, code } = error as { readonly exitCode?: number; readonly code?: string };
  if (exitCode !== undefined) return exitCode;
  if (permissionCodes.has(code ?? '')) return ExitCode.permission;
  return isAboutFiles(code) ? ExitCode.configuration : ExitCode.failed;
}

/** TLS refuses the profile's own certificates and keys. */
function isAboutFiles(code = ''): boolean {
  return code.startsWith('CULVERT_TLS_') && code !== 'CULVERT_TLS_NATIVE';
}
