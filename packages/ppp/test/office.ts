/** A CA with a server and alice, as options of real TLS contexts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pem, TestCa } from '@culvert/testkit';
import type { TlsContextOptions } from '@culvert/tls';

export interface Office {
  readonly ca: string;
  readonly server: TlsContextOptions;
  readonly client: TlsContextOptions;
}

export async function makeOffice(): Promise<Office> {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-ppp-'));
  try {
    const authority = await TestCa.create(folder);
    const ca = pem(authority.certificate);
    const optionsOf = async (role: 'server' | 'client', name: string): Promise<TlsContextOptions> => {
      const { certificate, key } = await authority.issue(name, { role });
      return { role, ca, certificate: pem(certificate), privateKey: pem(key) };
    };
    return { ca, server: await optionsOf('server', 'gateway'), client: await optionsOf('client', 'alice') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
