/** Certificates for both ends below intermediate authorities of their own, which share no more than the root; by openssl. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates } from './certificates.ts';

export const chainPrograms = ['openssl'];
const keys = {
  'rsa-3072': ['-newkey', 'rsa:3072'],
  'ec-p521': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521'],
};

/** Its root, its own chain and key; the root is all that the other end trusts. */
export type Chains = Pick<Certificates, 'files' | 'ca' | 'certificate' | 'key'> & {
  /** Of charon's certificate. */
  readonly intermediate: string;
};

/** `serverName` is the server's, which `charonIs` or we are. */
export function createChains(
  folder: string,
  kind: keyof typeof keys,
  serverName: string,
  charonIs: 'server' | 'client',
): Chains {
  const place = join(folder, `chains-${kind}-${charonIs}`);
  mkdirSync(place);
  const make = (name: string, issuer: string | undefined, extensions: readonly string[]): void => {
    const by = issuer === undefined ? [] : ['-CA', `${issuer}.crt`, '-CAkey', `${issuer}.key`];
    const out = ['-nodes', '-keyout', `${name}.key`, '-out', `${name}.crt`, '-days', '2', '-subj', `/CN=${name}`];
    const added = extensions.flatMap((extension) => ['-addext', extension]);
    const all = ['req', '-x509', '-config', '/dev/null', ...keys[kind], ...by, ...out, ...added];
    execFileSync('openssl', all, { cwd: place, stdio: 'pipe' });
  };
  const isAuthority = ['basicConstraints=critical,CA:true', 'keyUsage=critical,keyCertSign,cRLSign'];
  const isPeer = (serves: boolean) => [
    'basicConstraints=critical,CA:false',
    `extendedKeyUsage=${serves ? 'serverAuth' : 'clientAuth'}`,
    ...(serves ? [`subjectAltName=DNS:${serverName}`] : []),
  ];
  make('root', undefined, isAuthority);
  for (const who of ['charon', 'ours']) {
    make(`${who}-authority`, 'root', isAuthority);
    make(who, `${who}-authority`, isPeer((who === 'charon') === (charonIs === 'server')));
  }
  const read = (name: string) => readFileSync(join(place, name), 'utf8');
  return {
    files: {
      certificate: read('ours.crt') + read('ours-authority.crt'),
      privateKey: read('ours.key'),
      ca: read('root.crt'),
    },
    ca: read('root.crt'),
    certificate: read('charon.crt'),
    key: read('charon.key'),
    intermediate: read('charon-authority.crt'),
  };
}
