/** The command line of culvert-ca. */
import { runProgram } from '@culvert/terminal';
import packageJson from '../package.json' with { type: 'json' };
import { commands } from './index.ts';

/** Runs one command line, without the program's name. Sets `process.exitCode`. */
export async function main(argv: readonly string[]): Promise<void> {
  await runProgram({
    name: 'culvert-ca',
    version: packageJson.version,
    summary: 'Issues, renews and revokes the certificates of a VPN. Nothing that it reported as done is lost.',
    commands,
    examples: [
      ['$0 init --name "Example Office CA"', 'make a CA'],
      ['$0 issue server vpn.example.com --out /etc/culvert', 'certify the gateway'],
      ['$0 issue client alice', 'certify a user'],
      ['$0 export alice --remote vpn.example.com', 'write alice.ovpn'],
      ['$0 revoke alice', 'lock her out'],
    ],
    argv,
    // `--no-passphrase` and its like are options of their own, not the absence of another.
    configure: (y) => y.parserConfiguration({ 'boolean-negation': false }),
  });
}
