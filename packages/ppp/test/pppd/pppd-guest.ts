/** A guest that runs pppd on its serial line, one after the other. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Guest, type Identity, type Lab, pem, TestCa } from '@culvert/testkit';
import type { TlsContextOptions } from '@culvert/tls';
import { PASSWORD } from '../auth-ends.ts';

const modules = ['ipv6', 'ppp_async', 'ppp_mppe', 'ppp_deflate', 'bsd_comp', 'ecb', 'arc4'];
/** What every pppd here is told. It names no address by itself: that would ask for the guest's name. */
const usual = 'local nodetach debug logfd 2 lcp-restart 1 ipcp-restart 1 noipdefault';
const role = `
printf 'alice * "%s" *\\ngateway * "%s" *\\n' "$PASSWORD" "$PASSWORD" >/etc/ppp/chap-secrets
cp /etc/ppp/chap-secrets /etc/ppp/pap-secrets
echo 'alice gateway - /run/guest/pki/gateway.crt /run/guest/pki/ca.crt /run/guest/pki/gateway.key *' >/etc/ppp/eaptls-server
chmod 600 /etc/ppp/*
stty -F /dev/ttyS0 raw -echo
ready`;

/** One run of pppd. */
export interface Pppd {
  /** Its exit code (pppd(8)) and what it logged, once it has ended. */
  readonly ended: Promise<{ readonly code: number; readonly log: string }>;
  readonly hasEnded: boolean;
  signal(signal: 'HUP' | 'TERM' | 'KILL'): Promise<void>;
}

export class PppdGuest {
  readonly guest: Guest;
  /** Options of TLS contexts, and pppd's, by certificates of one CA. */
  readonly tls: { readonly gateway: TlsContextOptions; readonly alice: TlsContextOptions };
  #runs = 0;

  private constructor(guest: Guest, tls: PppdGuest['tls']) {
    this.guest = guest;
    this.tls = tls;
  }

  static async boot(lab: Lab): Promise<PppdGuest> {
    const host = await lab.createHost('guest');
    const variables = { PASSWORD };
    const guest = await Guest.boot(lab, host, { label: 'pppd', modules, role, variables, serial: true });
    guest.serial.on('error', () => {}); // it ends with the guest
    guest.serial.resume();
    const folder = join(guest.folder, 'pki');
    mkdirSync(folder);
    const ca = await TestCa.create(folder);
    const optionsOf = ({ certificate, key }: Identity, side: 'server' | 'client'): TlsContextOptions => ({
      ...{ role: side, ca: pem(ca.certificate), certificate: pem(certificate), privateKey: pem(key) },
    });
    const tls = {
      gateway: optionsOf(await ca.issue('gateway', { role: 'server' }), 'server'),
      alice: optionsOf(await ca.issue('alice', { role: 'client' }), 'client'),
    };
    await guest.ready();
    return new PppdGuest(guest, tls);
  }

  /** Paths of certificates as pppd's options, inside. */
  static certificatesOf(name: 'gateway' | 'alice'): string {
    const folder = '/run/guest/pki';
    return `ca ${folder}/ca.crt cert ${folder}/${name}.crt key ${folder}/${name}.key`;
  }

  start(words: string): Pppd {
    const { guest } = this;
    const pid = `/run/pppd.${this.#runs++}.pid`;
    const run = `sh -c 'echo $$ >${pid}; exec pppd /dev/ttyS0 115200 ${usual} ${words}' 2>&1; echo "ended with $?"`;
    const state = { hasEnded: false };
    const ended = guest.exec(run).then((output) => {
      state.hasEnded = true;
      const [, code] = /ended with (\d+)\n$/.exec(output) ?? assert.fail(output);
      return { code: Number(code), log: output };
    });
    ended.catch(() => {}); // told by whoever waits for it
    return {
      ended,
      get hasEnded() {
        return state.hasEnded;
      },
      signal: async (signal) => {
        await guest.exec(`wait_for 50 test -s ${pid}; kill -${signal} $(cat ${pid}) || true`);
      },
    };
  }
}
