import type { CommandModule } from '@culvert/terminal';
import { type CommonArguments, commonOptions } from './ca-access.ts';

export interface ExportArguments extends CommonArguments {
  readonly which: string;
  readonly remote: readonly string[];
  readonly server: string | undefined;
  readonly 'tls-crypt-v2-server-key': string | undefined;
  readonly 'tls-crypt': string | undefined;
  readonly 'no-tls-crypt': boolean;
  readonly password: boolean;
  readonly 'forget-key': boolean;
  readonly out: string | undefined;
}

export const exportCommand: CommandModule<unknown, ExportArguments> = {
  command: 'export <which>',
  describe: 'Write a profile with all that a client needs in one .ovpn file',
  builder: (y) =>
    commonOptions(y)
      .positional('which', {
        type: 'string',
        demandOption: true,
        describe: "A client's name (its newest certificate) or a serial number",
      })
      .option('remote', {
        type: 'string',
        array: true,
        nargs: 1,
        demandOption: true,
        describe: 'HOST[:PORT[:udp|tcp]] of the gateway; several are tried in order',
      })
      .option('server', {
        type: 'string',
        requiresArg: true,
        describe: "Name in the gateway's certificate [default: that of the only valid server certificate]",
      })
      .option('tls-crypt-v2-server-key', {
        type: 'string',
        requiresArg: true,
        describe: "The gateway's key, if not the CA's own",
      })
      .option('tls-crypt', {
        type: 'string',
        requiresArg: true,
        describe: 'Use tls-crypt with this static key instead',
      })
      .option('no-tls-crypt', { type: 'boolean', default: false, describe: 'Use neither: for a server that has none' })
      .option('password', {
        type: 'boolean',
        default: false,
        describe: 'The client asks for user name and password too',
      })
      .option('forget-key', { type: 'boolean', default: false, describe: 'Then erase the private key from the CA' })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'File to write (- for standard output) [default: NAME.ovpn]',
      })
      .example('$0 export alice --remote vpn.example.com', 'UDP port 1194')
      .example(
        '$0 export alice --remote vpn.example.com:1194:udp --remote vpn.example.com:443:tcp --out -',
        'TCP where UDP is blocked',
      ),
  // Loaded when it is used: the profile's printer shares a package with the gateway's configuration, which costs 100 ms.
  handler: async (args) => (await import('./export-profile.ts')).exportProfile(args),
};
