/** CAs, certificates and CRLs for tests: P-256, written field by field, so that any of them can be wrong. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { bits, type Der, integer, octets, oid, pem, sequence, set, time, tlv, utf8, yes } from './der.ts';

export const DAY = 86_400_000;

export type Usage =
  | 'clientAuth'
  | 'serverAuth'
  | 'codeSigning'
  | 'ipsecIKE'
  | 'iKEIntermediate'
  | 'anyExtendedKeyUsage';

export interface CertificateOptions {
  readonly commonName: string;
  readonly organization?: string;
  readonly serial?: bigint;
  /** @default yesterday */
  readonly notBefore?: number;
  /** @default in 30 days */
  readonly notAfter?: number;
  /** No extended key usage at all when empty. @default [] */
  readonly usages?: readonly Usage[];
  /** The key usage of what is no CA: one octet of bits and how many of them are not used. @default digitalSignature */
  readonly keyUsage?: readonly [octet: number, unused: number];
  readonly dnsNames?: readonly string[];
  readonly ca?: boolean;
  readonly issuer?: Authority;
  readonly keys?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
}

/** A certificate with its key, in DER and PEM. */
export interface Authority {
  readonly der: Der;
  readonly pem: string;
  readonly keyPem: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly name: Der;
  readonly serial: bigint;
}

export function makeCertificate(options: CertificateOptions): Authority {
  const keys = options.keys ?? generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const serial =
    options.serial ?? BigInt(`0x${createHash('sha256').update(options.commonName).digest('hex').slice(0, 15)}`);
  const name = makeName(options.commonName, options.organization);
  const signer = options.issuer ?? { name, privateKey: keys.privateKey, publicKey: keys.publicKey };
  const now = Date.now();
  const tbs = sequence(
    tlv(0xa0, integer(2)),
    integer(serial),
    ecdsaWithSha256(),
    signer.name,
    sequence(time(options.notBefore ?? now - DAY), time(options.notAfter ?? now + 30 * DAY)),
    name,
    spki(keys.publicKey),
    tlv(0xa3, sequence(...certificateExtensions(options, keys.publicKey, signer.publicKey))),
  );
  const der = signed(tbs, signer.privateKey);
  return {
    der,
    pem: pem('CERTIFICATE', der),
    keyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ...keys,
    name,
    serial,
  };
}

export function makeCa(commonName: string, issuer?: Authority): Authority {
  return makeCertificate({ commonName, ca: true, ...(issuer === undefined ? {} : { issuer }) });
}

export function makeCrl(options: {
  readonly issuer: Authority;
  readonly revoked: readonly Authority[];
  readonly thisUpdate?: number;
  readonly nextUpdate?: number;
  /** Signs in the issuer's place: a forgery. */
  readonly signer?: Authority;
}): string {
  const now = Date.now();
  const entries = options.revoked.map((one) => sequence(integer(one.serial), time(now - DAY)));
  const tbs = sequence(
    integer(1),
    ecdsaWithSha256(),
    options.issuer.name,
    time(options.thisUpdate ?? now - DAY),
    time(options.nextUpdate ?? now + DAY),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    tlv(0xa0, sequence(authorityKeyId(options.issuer.publicKey), extension('2.5.29.20', false, integer(1)))),
  );
  return pem('X509 CRL', signed(tbs, (options.signer ?? options.issuer).privateKey));
}

const usageOids: Record<Usage, string> = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  ipsecIKE: '1.3.6.1.5.5.7.3.17',
  iKEIntermediate: '1.3.6.1.5.5.8.2.2',
  anyExtendedKeyUsage: '2.5.29.37.0',
};

function certificateExtensions(options: CertificateOptions, subject: KeyObject, issuer: KeyObject): Der[] {
  const { ca = false, usages = [], dnsNames = [], keyUsage = [0x80, 7] } = options;
  const list = [
    extension('2.5.29.19', true, ca ? sequence(yes()) : sequence()),
    // keyCertSign and cRLSign of a CA.
    extension('2.5.29.15', true, ca ? bits(Uint8Array.of(0x06), 1) : bits(Uint8Array.of(keyUsage[0]), keyUsage[1])),
    extension('2.5.29.14', false, octets(keyId(subject))),
    authorityKeyId(issuer),
  ];
  if (usages.length > 0)
    list.push(extension('2.5.29.37', false, sequence(...usages.map((one) => oid(usageOids[one])))));
  if (dnsNames.length > 0) {
    list.push(extension('2.5.29.17', false, sequence(...dnsNames.map((one) => tlv(0x82, Buffer.from(one))))));
  }
  return list;
}

function extension(id: string, critical: boolean, value: Der): Der {
  return critical ? sequence(oid(id), yes(), octets(value)) : sequence(oid(id), octets(value));
}

function authorityKeyId(issuer: KeyObject): Der {
  return extension('2.5.29.35', false, sequence(tlv(0x80, keyId(issuer))));
}

function makeName(commonName: string, organization: string | undefined): Der {
  const attribute = (id: string, text: string) => set(sequence(oid(id), utf8(text)));
  const parts = organization === undefined ? [] : [attribute('2.5.4.10', organization)];
  return sequence(...parts, attribute('2.5.4.3', commonName));
}

function ecdsaWithSha256(): Der {
  return sequence(oid('1.2.840.10045.4.3.2'));
}

function signed(tbs: Der, key: KeyObject): Der {
  return sequence(tbs, ecdsaWithSha256(), bits(sign('sha256', tbs, key)));
}

function spki(key: KeyObject): Der {
  return key.export({ type: 'spki', format: 'der' });
}

function keyId(key: KeyObject): Der {
  return createHash('sha1').update(spki(key)).digest();
}
