/** `culvert import`, `list` and `remove`. */

import type { CommandModule } from '@culvert/terminal';
import { colour, printJson, printTable } from '@culvert/terminal';
import { isSealed } from '../dialer.ts';
import { placesOf } from '../paths.ts';
import { listProfiles, loadProfile, readProfile, removeProfile, storeProfile } from '../profile-store.ts';
import { type DirOption, withDir, withJson } from './options.ts';

interface ImportArgs extends DirOption {
  readonly file: string;
  readonly name: string | undefined;
  readonly force: boolean;
  readonly json: boolean;
}

export const importCommand: CommandModule<object, ImportArgs> = {
  command: 'import <file>',
  describe: 'Store an OpenVPN profile, with the files that it names',
  builder: (y) =>
    withJson(withDir(y))
      .positional('file', { type: 'string', demandOption: true, describe: 'The profile (.ovpn)' })
      .option('name', { type: 'string', describe: "Its name [default: the file's]", requiresArg: true })
      .option('force', { type: 'boolean', default: false, describe: 'Replace a profile of that name' })
      .example('$0 import office.ovpn', 'then: culvert up office')
      .example('$0 import client.ovpn --name office --force', 'a newer file in the place of the old one'),
  handler: async ({ file, name, force, dir, json }) => {
    const loaded = await readProfile(file, name);
    for (const warning of loaded.warnings) process.stderr.write(`${warning}\n`);
    const stored = await storeProfile(placesOf(dir).profiles, loaded, force);
    if (json) return printJson({ name: loaded.name, file: stored, warnings: loaded.warnings });
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
      [row.password ? 'password' : '', row.passphrase ? 'passphrase' : ''].filter(Boolean);
    printTable(
      ['NAME', 'SERVERS', 'ASKS FOR', 'TROUBLE'],
      rows.map((row) => [row.name, row.remotes.join(' '), needs(row).join(', ') || '-', row.trouble ?? '-']),
    );
  },
};

interface Summary {
  readonly name: string;
  readonly remotes: readonly string[];
  readonly password: boolean;
  readonly passphrase: boolean;
  readonly trouble: string | null;
}

async function summary(directory: string, name: string): Promise<Summary> {
  try {
    const { profile } = await loadProfile(directory, name);
    return {
      name,
      remotes: profile.remotes.map(({ host, port, protocol }) => `${host}:${port}/${protocol}`),
      password: profile.credentials !== undefined && profile.credentials.kind !== 'file',
      passphrase: isSealed(profile.privateKey) && profile.passphraseFile === undefined,
      trouble: null,
    };
  } catch (error) {
    return { name, remotes: [], password: false, passphrase: false, trouble: (error as Error).message };
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
