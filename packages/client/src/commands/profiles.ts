/** `culvert import`, `list` and `remove`. */

import type { CommandModule } from '@culvert/terminal';
import { colour, printJson, printTable } from '@culvert/terminal';
import { ClientError } from '../errors.ts';
import { placesOf } from '../paths.ts';
import type { KindName } from '../profile.ts';
import { listProfiles, loadProfile, readProfile, removeProfile, storeProfile } from '../profile-store.ts';
import { type DirOption, withDir, withJson } from './options.ts';

interface ImportArgs extends DirOption {
  readonly file: string;
  readonly name: string | undefined;
  readonly force: boolean;
  readonly 'accept-insecure': boolean;
  readonly 'passphrase-file': string | undefined;
  readonly json: boolean;
}

export const importCommand: CommandModule<object, ImportArgs> = {
  command: 'import <file>',
  describe: 'Store a profile of OpenVPN, L2TP/IPsec or PPTP, with the files that it names',
  builder: (y) =>
    withJson(withDir(y))
      .positional('file', {
        type: 'string',
        demandOption: true,
        describe: 'The profile: .ovpn, .mobileconfig of Apple, or .nmconnection of NetworkManager',
      })
      .option('name', { type: 'string', describe: "Its name [default: the file's]", requiresArg: true })
      .option('force', { type: 'boolean', default: false, describe: 'Replace a profile of that name' })
      .option('accept-insecure', {
        type: 'boolean',
        default: false,
        describe: 'Take a profile that protects little, such as every one of PPTP',
      })
      .option('passphrase-file', {
        type: 'string',
        describe: 'File with the password of the certificate file (PKCS#12) that the profile holds; else asked for',
        requiresArg: true,
      })
      .example('$0 import office.ovpn', 'then: culvert up office')
      .example('$0 import client.ovpn --name office --force', 'a newer file in the place of the old one')
      .example('$0 import office.mobileconfig', 'L2TP/IPsec, as culvert-ca exports it for macOS and iOS')
      .example('$0 import office.nmconnection --accept-insecure', 'PPTP, from NetworkManager'),
  handler: async (args) => {
    const { file, name, force, dir, json, 'accept-insecure': acceptInsecure } = args;
    const read = await readProfile(file, name, args['passphrase-file']);
    const { insecurity } = read.profile;
    if (insecurity !== undefined && !insecurity.accepted && !acceptInsecure)
      throw new ClientError('CULVERT_CLIENT_INSECURE', `${insecurity.why}; --accept-insecure takes it all the same`);
    const warnings = insecurity === undefined ? read.warnings : [...read.warnings, `warning: ${insecurity.why}`];
    const loaded = { ...read, profile: acceptInsecure ? read.profile.accept() : read.profile };
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    const stored = await storeProfile(placesOf(dir).profiles, loaded, force);
    if (json) return printJson({ name: loaded.name, file: stored, warnings });
    process.stdout.write(`${colour('green', 'imported')} ${loaded.name} (${stored})\n`);
    process.stdout.write(`connect with: culvert up ${loaded.name}\n`);
  },
};

export const listCommand: CommandModule<object, DirOption & { readonly json: boolean }> = {
  command: 'list',
  describe: 'List the stored profiles',
  builder: (y) => withJson(withDir(y)).example('$0 list', 'names, servers, what each asks for'),
  handler: async ({ dir, json }) => {
    const { profiles } = placesOf(dir);
    const rows = [];
    for (const name of await listProfiles(profiles)) rows.push(await summary(profiles, name));
    if (json) return printJson(rows);
    const needs = (row: Summary) =>
      [
        row.password ? 'password' : '',
        row.passphrase ? 'passphrase' : '',
        row.presharedKey ? 'shared secret' : '',
      ].filter(Boolean);
    printTable(
      ['NAME', 'KIND', 'SERVERS', 'ASKS FOR', 'TROUBLE'],
      rows.map((row) => [
        row.name,
        row.kind ?? '-',
        row.remotes.join(' '),
        needs(row).join(', ') || '-',
        row.trouble ?? '-',
      ]),
    );
  },
};

interface Summary {
  readonly name: string;
  readonly kind: KindName | null;
  readonly remotes: readonly string[];
  readonly password: boolean;
  readonly passphrase: boolean;
  readonly presharedKey: boolean;
  readonly trouble: string | null;
}

async function summary(directory: string, name: string): Promise<Summary> {
  try {
    const { profile } = await loadProfile(directory, name);
    const { credentials, passphrase, presharedKey } = profile.needs;
    return {
      name,
      kind: profile.kind,
      remotes: profile.remotes.map(({ host, port, protocol }) => `${host}:${port}/${protocol}`),
      password: credentials !== undefined && (credentials.file ?? credentials.password) === undefined,
      passphrase: passphrase !== undefined && passphrase.file === undefined,
      presharedKey,
      trouble: null,
    };
  } catch (error) {
    return {
      name,
      kind: null,
      remotes: [],
      password: false,
      passphrase: false,
      presharedKey: false,
      trouble: (error as Error).message,
    };
  }
}

export const removeCommand: CommandModule<object, DirOption & { readonly name: string; readonly json: boolean }> = {
  command: 'remove <name>',
  describe: 'Delete a stored profile',
  builder: (y) =>
    withJson(withDir(y))
      .positional('name', { type: 'string', demandOption: true, describe: 'A profile by name' })
      .example('$0 remove office', 'keys included'),
  handler: async ({ dir, name, json }) => {
    await removeProfile(placesOf(dir).profiles, name);
    if (json) printJson({ name, removed: true });
    else process.stdout.write(`removed ${name}\n`);
  },
};
