/** The commands of culvert-ca. */
import { crlCommand } from './crl.ts';
import { exportCommand } from './export.ts';
import { initCommand } from './init.ts';
import { issueCommand } from './issue.ts';
import { listCommand } from './list.ts';
import { passphraseCommand } from './passphrase.ts';
import { renewCommand } from './renew.ts';
import { revokeCommand } from './revoke.ts';
import { showCommand } from './show.ts';

export const commands = [
  initCommand,
  issueCommand,
  renewCommand,
  revokeCommand,
  crlCommand,
  listCommand,
  showCommand,
  exportCommand,
  passphraseCommand,
];
