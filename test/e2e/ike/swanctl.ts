/** What charon of a guest is told: connections, keys, certificates (swanctl.conf). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Guest } from '@culvert/testkit';
import type { Certificates } from './certificates.ts';

export const charonPrograms = ['/usr/lib/ipsec/charon', 'swanctl'];
/**
 * What the guest's kernel needs for ESP. drbg goes on without jitterentropy_rng, which some hosts' clocks are too coarse for: the kernel
 * measures them as it is loaded, and refuses it.
 */
export const ipsecModules = [
  ...['esp4', 'esp6', 'xfrm_user', 'cbc', 'hmac', 'authenc', 'echainiv', 'seqiv', 'gcm', 'ghash-generic', 'ctr'],
  ...['des_generic', 'sha512_generic', 'drbg'],
];

/** One connection of charon's, with one of our addresses, and its child of the same name. */
export interface Connection {
  readonly name: string;
  /** Of ours. */
  readonly remote: string;
  /** As swanctl.conf names them. */
  readonly phase1: string;
  readonly phase2: string;
  /** @default any */
  readonly local?: string;
  /** Of the child. @default UDP from 1701 to 1701 */
  readonly selectors?: readonly [local: string, remote: string];
  /** Lines more of the connection, and of its child. */
  readonly options?: string;
  readonly child?: string;
  /** What `install` called them. @default a pre-shared key */
  readonly certificates?: string;
}

/** For `load` and `start_charon` of its role. */
export function configure(guest: Guest, connections: readonly Connection[], key: string): void {
  const secrets = `secrets {\n ike-all {\n secret = "${key}"\n }\n}\n`;
  write(guest, 'swanctl.conf', `connections {\n${connections.map(textOf).join('')}}\n${secrets}`);
}

/** Certificates for connections that name them; `intermediate` is charon's own, below `ca`. */
export function install(
  guest: Guest,
  name: string,
  {
    ca,
    certificate,
    key,
    intermediate,
  }: Pick<Certificates, 'ca' | 'certificate' | 'key'> & { readonly intermediate?: string },
): void {
  write(guest, `x509ca/${name}.crt`, ca);
  if (intermediate !== undefined) write(guest, `x509ca/${name}-intermediate.crt`, intermediate);
  write(guest, `x509/${name}.crt`, certificate);
  write(guest, `private/${name}.key`, key);
}

function write(guest: Guest, name: string, text: string): void {
  const path = join(guest.folder, 'swanctl', name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
}

function textOf(connection: Connection): string {
  const {
    name,
    remote,
    local = '%any',
    selectors = ['udp/1701', 'udp/1701'],
    phase1,
    phase2,
    options = '',
    child = '',
    certificates,
  } = connection;
  const proof = (side: 'local' | 'remote') => {
    if (certificates === undefined) return `${side} {\n auth = psk\n }`;
    return `${side} {\n auth = pubkey\n ${side === 'local' ? `certs = ${certificates}.crt` : `cacerts = ${certificates}.crt`}\n }`;
  };
  return `
${name} {
  version = 1
  local_addrs = ${local}
  remote_addrs = ${remote}
  proposals = ${phase1}
  ${options}
  ${proof('local')}
  ${proof('remote')}
  children {
    ${name} {
      mode = transport
      esp_proposals = ${phase2}
      local_ts = dynamic[${selectors[0]}]
      remote_ts = dynamic[${selectors[1]}]
      ${child}
    }
  }
}
`;
}
