/** `culvertd user ...`: works on the store itself, so it needs no running gateway; a running one hears of it at once. */
import { readFileSync } from 'node:fs';
import type { GatewayConfig } from '@culvert/config';
import { openStore, PasswordHasher, type Store, StoreError, type User, type UserChange } from '@culvert/store';
import { type Argv, askSecret, type CommandModule, printJson, printTable, UsageError } from '@culvert/terminal';
import { formatAddress, formatNetwork, parseAddress, parseNetwork } from '@culvert/wire';
import { NtHashes } from '../nt-hashes.ts';
import { secretKeyFile, usersFile } from '../paths.ts';
import { makeDirectories, serviceAccount } from '../privileges.ts';
import { needsNtHash } from '../transport-groups.ts';
import { addressMistake } from '../users.ts';
import { type ConfigArguments, configOption, jsonOption, readConfig } from './common.ts';

interface NameArguments extends ConfigArguments {
  readonly name: string;
  readonly json: boolean;
}

interface FieldArguments extends NameArguments {
  readonly group: readonly string[] | undefined;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly network: readonly string[] | undefined;
}

interface PasswordArguments {
  readonly 'password-file': string | undefined;
  readonly 'no-password': boolean | undefined;
}

const namePattern = /^[\p{L}\p{N}._@-]{1,64}$/u;

export const userCommand: CommandModule = {
  command: 'user',
  describe: 'Add, change, disable and list users',
  builder: (y) =>
    [add, set, passwd, switchCommand(false), switchCommand(true), remove, list]
      .reduce((all, command) => all.command(command as CommandModule), y)
      .example('$0 user add alice --group staff', 'a new user')
      .example('$0 user disable alice', 'her sessions end within a second')
      .demandCommand(1, 'Which? user add, set, passwd, disable, enable, remove or list.'),
  handler: () => {},
};

const add: CommandModule<unknown, FieldArguments & PasswordArguments> = {
  command: 'add <name>',
  describe: 'Add a user',
  builder: (y) =>
    passwordOptions(fieldOptions(nameOption(configOption(y))))
      .example('$0 user add alice --group staff', 'asks for a password, where the configuration wants passwords')
      .example(
        '$0 user add bob --no-password --ipv4 10.88.0.20',
        'who shows a certificate, and always has this address',
      ),
  handler: (args) =>
    withStore(args, async (store, config) => {
      const name = checkName(args.name);
      const password = await newPassword(args, config);
      const hashes = password === undefined ? {} : await hashesOf(name, args.group ?? [], password, config);
      await store.addUser(name, { ...fieldsOf(args, config), ...hashes });
      await report(args, store, 'added');
    }),
};

const set: CommandModule<unknown, FieldArguments> = {
  command: 'set <name>',
  describe: 'Change groups, addresses or networks of a user',
  builder: (y) =>
    fieldOptions(nameOption(configOption(y)))
      .example('$0 user set alice --group staff --group admins', 'these groups and no others')
      .example('$0 user set bob --group legacy', 'who may use PPTP, where transports.pptp.groups names that group')
      .example('$0 user set alice --ipv4 none', 'any address again'),
  handler: (args) =>
    withStore(args, async (store, config) => {
      const change = fieldsOf(args, config);
      if (Object.keys(change).length === 0) throw new UsageError('change what? --group, --ipv4, --ipv6 or --network');
      await store.changeUser(args.name, change);
      const note = change.groups === undefined ? '' : await followGroups(args.name, change.groups, store, config);
      await report(args, store, `changed${note}`);
    }),
};

const passwd: CommandModule<unknown, NameArguments & PasswordArguments> = {
  command: 'passwd <name>',
  describe: 'Set a new password',
  builder: (y) =>
    passwordOptions(nameOption(configOption(y)))
      .example('$0 user passwd alice', 'asks for it')
      .example('pwgen 20 1 | $0 user passwd alice --password-file -', 'from another program'),
  handler: (args) =>
    withStore(args, async (store, config) => {
      const user = await store.user(args.name);
      if (user === undefined) throw new StoreError('CULVERT_STORE_NO_USER', args.name);
      const none = args['no-password'] === true;
      const change = none
        ? { passwordHash: null }
        : await hashesOf(args.name, user.groups, await readPassword(args['password-file']), config);
      await store.changeUser(args.name, change);
      await report(args, store, `has ${none ? 'no password' : 'a new password'}`);
    }),
};

function switchCommand(enabled: boolean): CommandModule<unknown, NameArguments> {
  return {
    command: `${enabled ? 'enable' : 'disable'} <name>`,
    describe: enabled ? 'Let a user in again' : 'Lock a user out: sessions end within a second',
    builder: (y) =>
      nameOption(configOption(y)).example(
        `$0 user ${enabled ? 'enable' : 'disable'} alice`,
        'takes effect within a second',
      ),
    handler: (args) =>
      withStore(args, async (store) => {
        const known = (await store.user(args.name)) !== undefined;
        if (known || enabled) await store.changeUser(args.name, { enabled });
        // Who shows a certificate gets in without being listed, and must be lockable all the same.
        else await store.addUser(checkName(args.name), { enabled });
        const note = known || enabled ? '' : ' (was not in the list, and is now)';
        await report(args, store, `${enabled ? 'enabled' : 'disabled'}${note}`);
      }),
  };
}

const remove: CommandModule<unknown, NameArguments> = {
  command: 'remove <name>',
  describe: 'Remove a user, password and addresses; whoever holds a certificate may still get in, see disable',
  builder: (y) => nameOption(configOption(y)).example('$0 user remove alice', 'who has left'),
  handler: (args) =>
    withStore(args, async (store) => {
      await store.removeUser(args.name);
      await report(args, store, 'removed');
    }),
};

const list: CommandModule<unknown, ConfigArguments & { readonly json: boolean }> = {
  command: 'list',
  describe: 'List the users',
  builder: (y) => jsonOption(configOption(y)).example('$0 user list --json', 'for scripts'),
  handler: (args) =>
    withStore(args, async (store) => {
      const users = await store.users();
      if (args.json) printJson(users.map(plain));
      else printTable(['NAME', 'STATE', 'PASSWORD', 'GROUPS', 'ADDRESSES', 'NETWORKS'], users.map(row));
    }),
};

/** Tells what was done: a sentence, or with --json the user as it is now (null: gone). */
async function report({ name, json }: NameArguments, store: Store, done: string): Promise<void> {
  if (!json) return void process.stdout.write(`${name} ${done}\n`);
  const user = await store.user(name);
  printJson(user === undefined ? null : plain(user));
}

function plain(user: User): object {
  return { ...user, created: new Date(user.created).toISOString() };
}

function row(user: User): string[] {
  const addresses = [user.ipv4, user.ipv6].filter((address) => address !== undefined);
  const or = (text: string) => (text === '' ? '-' : text);
  return [
    user.name,
    user.enabled ? 'enabled' : 'disabled',
    user.hasPassword ? `yes${user.hasNtHash ? ', NT hash' : ''}` : 'no',
    or(user.groups.join(',')),
    or(addresses.join(',')),
    or(user.networksBehind.join(',')),
  ];
}

function nameOption<T>(y: Argv<T>): Argv<T & { readonly name: string; readonly json: boolean }> {
  return jsonOption(y).positional('name', {
    type: 'string',
    demandOption: true,
    describe: 'As certificate or client spell it',
  });
}

function fieldOptions<T>(y: Argv<T>) {
  return y
    .option('group', { type: 'string', array: true, requiresArg: true, describe: 'A group; may be repeated' })
    .option('ipv4', { type: 'string', requiresArg: true, describe: 'The inner IPv4 address it always has, or none' })
    .option('ipv6', { type: 'string', requiresArg: true, describe: 'The inner IPv6 address it always has, or none' })
    .option('network', {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'A network behind it, or none; may be repeated',
    });
}

function passwordOptions<T>(y: Argv<T>) {
  return y
    .option('password-file', {
      type: 'string',
      requiresArg: true,
      describe: 'Its first line is the password; - is standard input',
    })
    .option('no-password', { type: 'boolean', describe: 'It shows a certificate instead' })
    .conflicts('password-file', 'no-password');
}

async function withStore(
  { config: file }: ConfigArguments,
  work: (store: Store, config: GatewayConfig) => Promise<void>,
): Promise<void> {
  const config = readConfig(file);
  makeDirectories(config, process.getuid?.() === 0 ? serviceAccount(config.user) : undefined);
  const store = openStore(usersFile(config));
  try {
    await work(store, config);
  } finally {
    await store.close();
  }
}

function checkName(name: string): string {
  if (namePattern.test(name)) return name;
  throw new UsageError('a name has letters, digits, ".", "_", "-" and "@", and at most 64 of them');
}

function fieldsOf({ group, ipv4, ipv6, network }: FieldArguments, config: GatewayConfig): UserChange {
  return {
    ...(group && { groups: group.map(checkName) }),
    ...(ipv4 !== undefined && { ipv4: innerAddress(ipv4, 4, config) }),
    ...(ipv6 !== undefined && { ipv6: innerAddress(ipv6, 6, config) }),
    ...(network && { networksBehind: network.filter((text) => text !== 'none').map(networkBehind) }),
  };
}

function innerAddress(text: string, version: 4 | 6, config: GatewayConfig): string | null {
  if (text === 'none') return null;
  const parsed = parseAddress(text);
  const address = formatAddress(parsed);
  if (parsed.version !== version) throw new UsageError(`${text} is no IPv${version} address`);
  const mistake = addressMistake(address, config.network);
  if (mistake !== undefined) throw new UsageError(mistake);
  return address;
}

function networkBehind(text: string): string {
  const network = parseNetwork(text);
  if (network.prefix === 0) throw new UsageError(`${text} is everything: name the networks that are there`);
  return formatNetwork(network);
}

/** Undefined: none was wanted. */
async function newPassword(args: PasswordArguments, config: GatewayConfig): Promise<string | undefined> {
  if (args['no-password'] || (config.auth.password === 'none' && args['password-file'] === undefined)) return undefined;
  return readPassword(args['password-file']);
}

/** What the store keeps of a password: an NT hash only where a transport needs one for users in these groups. */
async function hashesOf(
  user: string,
  groups: readonly string[],
  password: string,
  config: GatewayConfig,
): Promise<UserChange> {
  const passwordHash = await new PasswordHasher().hash(password);
  if (!needsNtHash(groups, config)) return { passwordHash };
  return { passwordHash, ntHash: new NtHashes(secretKeyFile(config)).seal(user, password) };
}

/** An NT hash goes when the last transport does that is for its user; for a new one it takes the password. Returns what to tell of it. */
async function followGroups(
  name: string,
  groups: readonly string[],
  store: Store,
  config: GatewayConfig,
): Promise<string> {
  if (!needsNtHash(groups, config)) {
    return (await store.forgetNtHashes([name])) > 0 ? ', and the NT hash of the password is forgotten' : '';
  }
  const user = await store.user(name);
  if (user?.hasPassword !== true || user.hasNtHash) return '';
  return `; MS-CHAPv2 needs an NT hash of the password: culvertd user passwd ${name}`;
}

async function readPassword(file: string | undefined): Promise<string> {
  if (file !== undefined) return readFileSync(file === '-' ? 0 : file, 'utf8').replace(/\r?\n[\s\S]*$/, '');
  const password = await askSecret('New password: ', 'use --password-file or --no-password');
  if ((await askSecret('Once more: ', '')) !== password) throw new UsageError('the two passwords differ');
  return password;
}
