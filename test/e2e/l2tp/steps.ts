/** What tests of L2TP/IPsec, in both directions, do with guests. */
import type { Guest } from '@culvert/testkit';
import { type Connection, configure } from '../ike/swanctl.ts';
import { ours, password, presharedKey } from './lab.ts';

/** For a call that does not come up, on a busy machine: longer than the guest waits, so that it tells what was said. */
const CALL = 240_000;

/** As swanctl.conf names them: what every system takes. */
export const usual = { phase1: 'aes256-sha256-modp2048', phase2: 'aes256-sha256' };

/** How the guest's charon calls us. */
export async function prepare(guest: Guest, connection: Partial<Connection> = {}, key = presharedKey): Promise<void> {
  configure(guest, [{ name: 'ours', remote: ours, ...usual, ...connection }], key);
  await guest.exec('if charon_is_up; then load; else start_charon; fi');
}

export async function call(guest: Guest, secret = password, options = ''): Promise<string> {
  return await guest.exec(`initiate ours && call '${secret}' ${options}`, CALL);
}

/** Until no phase 1 is left: swanctl says no, too, where one of several ended by itself meanwhile. */
export async function hangUp(guest: Guest): Promise<void> {
  const none = '[ -z "$(swanctl --list-sas --ike ours)" ]';
  await guest.exec(
    `hang_up && until swanctl --terminate --ike ours || { charon_is_up && ${none}; }; do sleep 0.1; done`,
  );
}
