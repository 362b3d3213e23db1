import { type CommandModule, UsageError } from '@culvert/terminal';
import { type CommonArguments, commonOptions } from './ca-access.ts';

export type ExportFormat = 'ovpn' | 'p12' | 'mobileconfig' | 'powershell';
const formats: readonly ExportFormat[] = ['ovpn', 'p12', 'mobileconfig', 'powershell'];

export interface ExportArguments extends CommonArguments {
  readonly which: string;
  readonly format: ExportFormat;
  readonly remote: readonly string[];
  readonly server: string | undefined;
  readonly 'tls-crypt-v2-server-key': string | undefined;
  readonly 'tls-crypt': string | undefined;
  readonly 'no-tls-crypt': boolean;
  readonly password: boolean;
  readonly 'forget-key': boolean;
  readonly 'psk-file': string | undefined;
  readonly 'password-file': string | undefined;
  readonly legacy: boolean;
  readonly title: string | undefined;
  readonly 'split-tunnel': boolean;
  readonly out: string | undefined;
}

export const exportCommand: CommandModule<unknown, ExportArguments> = {
  command: 'export <which>',
  describe: 'Write all that a client needs into one file: for OpenVPN, for macOS and iOS, for Windows',
  builder: (y) =>
    commonOptions(y)
      .positional('which', {
        type: 'string',
        demandOption: true,
        describe: "A client's name (its newest certificate) or a serial number; with --psk-file a user's name",
      })
      .option('format', {
        choices: formats,
        default: 'ovpn' as ExportFormat,
        describe:
          'ovpn; p12: key and certificates for any system; mobileconfig, powershell: L2TP/IPsec set up by one click',
      })
      .option('remote', {
        type: 'string',
        array: true,
        nargs: 1,
        default: [],
        describe: 'HOST[:PORT[:udp|tcp]] of the gateway; several are tried in order (OpenVPN). L2TP/IPsec: HOST',
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
      .option('psk-file', {
        type: 'string',
        requiresArg: true,
        describe: 'mobileconfig, powershell: use the shared secret of this file, and no certificate',
      })
      .option('password-file', {
        type: 'string',
        requiresArg: true,
        describe: 'File with the password of the PKCS#12 (- for standard input); else asked for',
      })
      .option('legacy', {
        type: 'boolean',
        default: false,
        describe: 'PKCS#12 with 3DES and SHA-1, for Windows before 10 (1709) and macOS before 15',
      })
      .option('title', {
        type: 'string',
        requiresArg: true,
        describe: 'mobileconfig, powershell: what the connection is called [default: the gateway]',
      })
      .option('split-tunnel', {
        type: 'boolean',
        default: false,
        describe: "mobileconfig, powershell: only the office's networks go through the tunnel",
      })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'File to write (- for standard output) [default: NAME.ovpn, .p12, .mobileconfig or .ps1]',
      })
      .example('$0 export alice --remote vpn.example.com', 'UDP port 1194')
      .example(
        '$0 export alice --remote vpn.example.com:1194:udp --remote vpn.example.com:443:tcp --out -',
        'TCP where UDP is blocked',
      )
      .example('$0 export alice --format p12', 'asks for a password and writes alice.p12')
      .example(
        '$0 export alice --format mobileconfig --remote vpn.example.com --psk-file psk',
        'macOS and iOS, L2TP/IPsec',
      )
      .example(
        '$0 export alice --format powershell --remote vpn.example.com',
        'Windows, L2TP/IPsec with a certificate',
      ),
  // Loaded when they are used: the printers share a package with the gateway's configuration, which costs 100 ms.
  handler: async (args) => {
    checkOptions(args);
    if (args.format === 'p12') return (await import('./export-p12.ts')).exportPkcs12(args);
    if (args.format !== 'ovpn') return (await import('./export-l2tp.ts')).exportL2tp(args);
    return (await import('./export-openvpn.ts')).exportOpenvpn(args);
  },
};

const openvpn: readonly ExportFormat[] = ['ovpn'];
const l2tp: readonly ExportFormat[] = ['mobileconfig', 'powershell'];
const pkcs12: readonly ExportFormat[] = ['p12', ...l2tp];

/** Options that say nothing in other formats: who gives one there expects what does not happen. */
const formatsOf = [
  ['server', openvpn],
  ['tls-crypt-v2-server-key', openvpn],
  ['tls-crypt', openvpn],
  ['no-tls-crypt', openvpn],
  ['password', openvpn],
  ['psk-file', l2tp],
  ['title', l2tp],
  ['split-tunnel', l2tp],
  ['password-file', pkcs12],
  ['legacy', pkcs12],
] as const satisfies readonly (readonly [keyof ExportArguments, readonly ExportFormat[]])[];

function checkOptions(args: ExportArguments): void {
  for (const [option, allowed] of formatsOf) {
    const isGiven = args[option] !== undefined && args[option] !== false;
    if (isGiven && !allowed.includes(args.format))
      throw new UsageError(`--${option} is for --format ${allowed.join(', ')}, not for ${args.format}`);
  }
  if (args['psk-file'] !== undefined && args['forget-key'])
    throw new UsageError('--forget-key has no key to forget: with --psk-file no certificate is exported');
}
