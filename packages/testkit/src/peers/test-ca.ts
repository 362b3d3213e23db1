/** A throw-away CA by the openssl program: independent of our own, and able to make what ours refuses to (expired certificates). */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Identity {
  readonly name: string;
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly key: string;
}

export interface IssueOptions {
  readonly role: 'server' | 'client';
  /** Of its validity, as openssl writes times: YYYYMMDDHHMMSSZ. @default yesterday and in ten years */
  readonly from?: string;
  readonly until?: string;
  /** The subject's common name. @default the identity's name */
  readonly commonName?: string;
  /** A DNS name of the certificate. @default none */
  readonly dnsName?: string;
  /** Its extended key usage in openssl's words (`1.3.6.1.5.5.8.2.2`), or none. @default that of the role in TLS */
  readonly usage?: string | 'none';
  /** @default ECDSA over P-256 */
  readonly key?: 'rsa';
}

const config = (folder: string) => `
[ca]
default_ca = here
[here]
dir = ${folder}
database = ${folder}/index.txt
new_certs_dir = ${folder}/issued
certificate = ${folder}/ca.crt
private_key = ${folder}/ca.key
rand_serial = yes
default_md = sha256
default_crl_days = 30
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyAgreement
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[other]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`;

export class TestCa {
  readonly folder: string;
  /** Paths of PEM files; the list is written by `create` and by each `revoke`. */
  readonly certificate: string;
  readonly crl: string;
  readonly #config: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.certificate = join(folder, 'ca.crt');
    this.crl = join(folder, 'crl.pem');
    this.#config = join(folder, 'openssl.cnf');
  }

  static async create(folder: string, name = 'Test CA'): Promise<TestCa> {
    mkdirSync(join(folder, 'issued'), { recursive: true, mode: 0o700 });
    const ca = new TestCa(folder);
    writeFileSync(ca.#config, config(folder));
    writeFileSync(join(folder, 'index.txt'), '');
    await ca.#openssl('req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -extensions authority', [
      '-subj',
      `/CN=${name}`,
      '-keyout',
      join(folder, 'ca.key'),
      '-out',
      ca.certificate,
    ]);
    await ca.#openssl('ca -gencrl', ['-out', ca.crl]);
    return ca;
  }

  async issue(name: string, options: IssueOptions): Promise<Identity> {
    const [key, request, certificate] = ['key', 'csr', 'crt'].map((kind) => join(this.folder, `${name}.${kind}`)) as [
      string,
      string,
      string,
    ];
    const subject = `/CN=${options.commonName ?? name}`;
    const algorithm = options.key === 'rsa' ? 'rsa:2048' : 'ec -pkeyopt ec_paramgen_curve:P-256';
    const { usage } = options;
    await this.#openssl(`req -new -newkey ${algorithm} -nodes`, [
      ...(usage === undefined || usage === 'none' ? [] : ['-addext', `extendedKeyUsage=${usage}`]),
      ...(options.dnsName === undefined ? [] : ['-addext', `subjectAltName=DNS:${options.dnsName}`]),
      ...['-subj', subject, '-keyout', key, '-out', request],
    ]);
    await this.#openssl(`ca -batch -notext -extensions ${usage === undefined ? options.role : 'other'}`, [
      ...['-startdate', options.from ?? opensslTime(-1), '-enddate', options.until ?? opensslTime(3650)],
      ...['-in', request, '-out', certificate],
    ]);
    return { name, certificate, key };
  }

  async revoke(identity: Identity): Promise<void> {
    await this.#openssl('ca', ['-revoke', identity.certificate]);
    await this.#openssl('ca -gencrl', ['-out', this.crl]);
  }

  async #openssl(words: string, rest: readonly string[]): Promise<void> {
    const [command = '', ...options] = words.split(' ');
    await run('openssl', [command, '-config', this.#config, ...options, ...rest]);
  }
}

/** A PEM file's text. */
export function pem(path: string): string {
  return readFileSync(path, 'utf8').trim();
}

function opensslTime(days: number): string {
  const time = new Date(Date.now() + days * 86_400_000);
  return `${time.toISOString().replace(/[-:T]|\.\d+/g, '')}`;
}
