import type { CertificateRecord } from '@culvert/pki';
import type { CommandModule } from '@culvert/terminal';
import { colour, printJson, printTable } from '@culvert/terminal';
import { type CommonArguments, commonOptions, day, systemClock, withCa } from './ca-access.ts';

interface Arguments extends CommonArguments {
  readonly role: 'server' | 'client' | undefined;
  readonly valid: boolean;
  readonly expired: boolean;
  readonly revoked: boolean;
  readonly ending: number | undefined;
}

export type Status = 'valid' | 'expired' | 'revoked';

export const listCommand: CommandModule<unknown, Arguments> = {
  command: 'list',
  describe: 'List the certificates, the newest first',
  builder: (y) =>
    commonOptions(y)
      .option('role', { choices: ['server', 'client'] as const, describe: 'Only those for this role' })
      .option('valid', { type: 'boolean', default: false, describe: 'Only valid ones' })
      .option('expired', { type: 'boolean', default: false, describe: 'Only expired ones' })
      .option('revoked', { type: 'boolean', default: false, describe: 'Only revoked ones' })
      .option('ending', { type: 'number', requiresArg: true, describe: 'Only valid ones that end within so many days' })
      .example('$0 list --ending 30', 'who needs a new certificate soon')
      .example('$0 list --revoked --json', 'for scripts'),
  handler: (args) =>
    withCa(args, async (ca) => {
      const records = ca.list().filter((record) => wanted(args, record));
      if (args.json) return printJson(records.map(describe));
      const rows = records.map((record) => [
        record.name,
        record.role,
        record.serial,
        day(record.notAfter),
        statusText(record),
      ]);
      printTable(['NAME', 'ROLE', 'SERIAL', 'UNTIL', 'STATUS'], rows);
    }),
};

function wanted(args: Arguments, record: CertificateRecord): boolean {
  const status = statusOf(record);
  const chosen = (['valid', 'expired', 'revoked'] as const).filter((name) => args[name]);
  if (args.role !== undefined && record.role !== args.role) return false;
  if (args.ending !== undefined)
    return status === 'valid' && record.notAfter < systemClock.unixMillis() + args.ending * 86_400_000;
  return chosen.length === 0 || chosen.includes(status);
}

export function statusOf(record: CertificateRecord): Status {
  if (record.revoked !== undefined) return 'revoked';
  return record.notAfter > systemClock.unixMillis() ? 'valid' : 'expired';
}

function statusText(record: CertificateRecord): string {
  const { revoked } = record;
  if (revoked !== undefined) return colour('red', `revoked ${day(revoked.when)} (${revoked.reason})`);
  return statusOf(record) === 'valid' ? 'valid' : colour('yellow', 'expired');
}

/** A certificate as `--json` prints it. */
export function describe(record: CertificateRecord) {
  const { name, role, serial, revoked } = record;
  return {
    name,
    role,
    serial,
    status: statusOf(record),
    notBefore: new Date(record.notBefore).toISOString(),
    notAfter: new Date(record.notAfter).toISOString(),
    hasPrivateKey: record.hasPrivateKey,
    ...(revoked && { revoked: new Date(revoked.when).toISOString(), reason: revoked.reason }),
  };
}
