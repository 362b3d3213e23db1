/** What all commands share: where the CA is, its passphrase, its errors as exit codes, and what it should be reminded of. */
import { randomBytes } from 'node:crypto';
import type { RandomSource, WallClock } from '@culvert/base';
import { CaDirectory, PkiError, parseCrl } from '@culvert/pki';
import type { Argv } from '@culvert/terminal';
import { ExitCode } from '@culvert/terminal';
import { readPassphrase } from './secret-input.ts';

export interface CommonArguments {
  readonly dir: string;
  readonly json: boolean;
}

export interface SigningArguments extends CommonArguments {
  readonly 'passphrase-file': string | undefined;
}

export const systemClock: WallClock = { unixMillis: () => Date.now() };
export const systemRandom: RandomSource = { bytes: (length) => new Uint8Array(randomBytes(length)) };

const DAY_MILLIS = 86_400_000;
const CRL_REMINDER_DAYS = 30;
const CA_REMINDER_DAYS = 180;

export function commonOptions<Given>(y: Argv<Given>) {
  return y
    .option('dir', {
      type: 'string',
      requiresArg: true,
      describe: 'Directory of the CA',
      default: process.env['CULVERT_CA_DIR'] ?? (process.getuid?.() === 0 ? '/var/lib/culvert-ca' : './ca'),
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print JSON' });
}

export function signingOptions<Given>(y: Argv<Given>) {
  return commonOptions(y).option('passphrase-file', {
    type: 'string',
    requiresArg: true,
    describe:
      'File with the passphrase of the CA key (- for standard input); else CULVERT_CA_PASSPHRASE, else asked for',
  });
}

/** Runs `use` with the CA opened, and closes it whatever happens. */
export async function withCa<Value>(args: CommonArguments, use: (ca: CaDirectory) => Promise<Value>): Promise<Value> {
  return withExitCodes(async () => {
    const ca = CaDirectory.open(args.dir, { clock: systemClock });
    try {
      remind(ca);
      return await use(ca);
    } finally {
      ca.close();
    }
  });
}

/** The same, with the CA able to sign. */
export async function withSigningCa<Value>(
  args: SigningArguments,
  use: (ca: CaDirectory) => Promise<Value>,
): Promise<Value> {
  return withCa(args, async (ca) => {
    const question = `Passphrase of ${ca.authority.name}: `;
    await ca.unlock(
      ca.authority.sealed ? await readPassphrase({ file: args['passphrase-file'], question, twice: false }) : undefined,
    );
    return use(ca);
  });
}

const exitCodes: Readonly<Record<string, number>> = {
  CULVERT_PKI_NAME: ExitCode.usage,
  CULVERT_PKI_LIFETIME: ExitCode.usage,
  CULVERT_PKI_LOCKED: ExitCode.usage,
  CULVERT_PKI_MISSING: ExitCode.configuration,
  CULVERT_PKI_DAMAGED: ExitCode.configuration,
  CULVERT_PKI_VERSION: ExitCode.configuration,
  CULVERT_PKI_FORMAT: ExitCode.configuration,
  CULVERT_PKI_MODE: ExitCode.permission,
  CULVERT_PKI_PASSPHRASE: ExitCode.refused,
  EACCES: ExitCode.permission,
  EPERM: ExitCode.permission,
};

/** Gives errors the exit code that their kind has in all programs. */
export async function withExitCodes<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const code = exitCodes[(error as NodeJS.ErrnoException).code ?? ''];
    const hint =
      error instanceof PkiError && error.code === 'CULVERT_PKI_MISSING' ? ` (make one with 'culvert-ca init')` : '';
    error.message += hint;
    throw code === undefined ? error : Object.assign(error, { exitCode: code });
  }
}

/** What neglect would turn into an outage, on stderr. */
function remind(ca: CaDirectory): void {
  const warn = (text: string) => process.stderr.write(`warning: ${text}\n`);
  const now = systemClock.unixMillis();
  const { nextUpdate } = parseCrl(ca.authority.crl);
  if (ca.stale !== undefined) warn(`the files beside the database are not up to date: ${ca.stale}`);
  if (nextUpdate !== undefined && nextUpdate < now + CRL_REMINDER_DAYS * DAY_MILLIS) {
    warn(
      `the CRL ${nextUpdate < now ? 'ended' : 'ends'} on ${day(nextUpdate)}: renew it with 'culvert-ca crl --renew'`,
    );
  }
  if (ca.notAfter < now + CA_REMINDER_DAYS * DAY_MILLIS) warn(`the CA's own certificate ends on ${day(ca.notAfter)}`);
}

/** `2027-01-31`. */
export function day(unixMillis: number): string {
  return new Date(unixMillis).toISOString().slice(0, 10);
}
