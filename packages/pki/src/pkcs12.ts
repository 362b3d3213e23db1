/**
 * PKCS#12 (RFC 7292): a key, its certificate and the CA's in one file under a password, as phones and desktops import it.
 *
 * node-forge has the ASN.1, the key derivation and the ciphers; its own maker of files knows RSA alone, so the bags are put together
 * here from PKCS#8 and DER, whatever the key is. Certificates are not encrypted: they are no secrets.
 */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { PkiError } from './errors.ts';
import { encodePem } from './pem.ts';

/** `modern`: AES-256 and SHA-256, as OpenSSL 3 and today's systems have it. `legacy`: 3DES and SHA-1, for Windows before 10 (1709) and macOS before 15. */
export type Pkcs12Strength = 'modern' | 'legacy';

/** Guesses cost so many hashes; node-forge's are slow, so this is some 50 ms here. */
const ITERATIONS = 2048;
const SALT_BYTES = 16;
/** Of a file that we read: more would be a way to keep us busy. */
const MAX_FILE_BYTES = 1 << 20;

const { asn1, pki } = forge;
const { Class, Type } = asn1;

/** A PKCS#12 file as DER. Texts are PEM. The password is printable ASCII, which every system encodes alike; RangeError else. */
export function makePkcs12(options: {
  readonly privateKey: string;
  readonly certificate: string;
  readonly ca: string;
  readonly name: string;
  readonly password: string;
  /** @default 'modern' */
  readonly strength?: Pkcs12Strength;
}): Uint8Array {
  if (!/^[\x20-\x7e]+$/.test(options.password))
    throw new RangeError('the password of a PKCS#12 file is printable ASCII');
  const modern = options.strength !== 'legacy';
  const certificate = new X509Certificate(options.certificate);
  const attributes = [
    // node-forge encodes a BMPString's characters itself.
    attribute(pki.oids['friendlyName'], asn1.create(Class.UNIVERSAL, Type.BMPSTRING, false, options.name)),
    attribute(pki.oids['localKeyId'], octets(Buffer.from(certificate.fingerprint.replaceAll(':', ''), 'hex'))),
  ];
  const keyInfo = asn1.fromDer(binary(createPrivateKey(options.privateKey).export({ format: 'der', type: 'pkcs8' })));
  const cost = { count: ITERATIONS, saltSize: SALT_BYTES };
  const encryption = modern
    ? { ...cost, algorithm: 'aes256' as const, prfAlgorithm: 'sha256' as const }
    : { ...cost, algorithm: '3des' as const };
  const keyBag = bag(
    pki.oids['pkcs8ShroudedKeyBag'],
    pki.encryptPrivateKeyInfo(keyInfo, options.password, encryption),
    attributes,
  );
  const certificateBags = [
    certificateBag(certificate, attributes),
    certificateBag(new X509Certificate(options.ca), []),
  ];
  const safe = sequence([contentInfo(sequence(certificateBags)), contentInfo(sequence([keyBag]))]);
  const pfx = sequence([integer(3), contentInfo(safe), macData(asn1.toDer(safe).getBytes(), options.password, modern)]);
  return Buffer.from(asn1.toDer(pfx).getBytes(), 'latin1');
}

export interface Pkcs12Content {
  /** PKCS#8 as PEM. */
  readonly privateKey: string;
  /** The certificate that belongs to the key, as PEM. */
  readonly certificate: string;
  /** The other certificates, as PEM. */
  readonly others: readonly string[];
}

/** Opens a file made by us, OpenSSL, Windows or others. Throws PkiError. */
export function readPkcs12(der: Uint8Array, password: string): Pkcs12Content {
  if (der.length > MAX_FILE_BYTES) throw new PkiError('CULVERT_PKI_FORMAT', 'a PKCS#12 file of more than 1 MiB');
  try {
    const bags = forge.pkcs12
      .pkcs12FromAsn1(asn1.fromDer(binary(der)), false, password)
      .safeContents.flatMap((content) => content.safeBags);
    const certificates = bags.flatMap((one) =>
      one.type === pki.oids['certBag'] ? [new X509Certificate(derOf(one, 'cert'))] : [],
    );
    const key = bags.find((one) => one.type === pki.oids['pkcs8ShroudedKeyBag'] || one.type === pki.oids['keyBag']);
    if (key === undefined) throw new Error('it holds no private key');
    const privateKey = createPrivateKey({ key: derOf(key, 'key'), format: 'der', type: 'pkcs8' });
    const own = certificates.find((one) => one.checkPrivateKey(privateKey));
    if (own === undefined) throw new Error('it holds no certificate that belongs to its key');
    return {
      privateKey: encodePem('PRIVATE KEY', privateKey.export({ format: 'der', type: 'pkcs8' })),
      certificate: encodePem('CERTIFICATE', own.raw),
      others: certificates.filter((one) => one !== own).map((one) => encodePem('CERTIFICATE', one.raw)),
    };
  } catch (error) {
    throw new PkiError('CULVERT_PKI_FORMAT', 'not a PKCS#12 file, or the password is wrong', { cause: error });
  }
}

/** node-forge parses RSA keys and certificates and leaves others as ASN.1. */
function derOf(one: forge.pkcs12.Bag, field: 'cert' | 'key'): Buffer {
  const { cert, key } = one;
  if (field === 'cert' && cert) return fromAsn1(pki.certificateToAsn1(cert));
  if (field === 'key' && key) return fromAsn1(pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(key)));
  return fromAsn1(one.asn1);
}

function certificateBag(certificate: X509Certificate, attributes: readonly forge.asn1.Asn1[]): forge.asn1.Asn1 {
  const value = sequence([oid(pki.oids['x509Certificate']), explicit(octets(certificate.raw))]);
  return bag(pki.oids['certBag'], value, attributes);
}

function bag(
  type: string | undefined,
  value: forge.asn1.Asn1,
  attributes: readonly forge.asn1.Asn1[],
): forge.asn1.Asn1 {
  const set = asn1.create(Class.UNIVERSAL, Type.SET, true, [...attributes]);
  return sequence([oid(type), explicit(value), ...(attributes.length === 0 ? [] : [set])]);
}

function attribute(type: string | undefined, value: forge.asn1.Asn1): forge.asn1.Asn1 {
  return sequence([oid(type), asn1.create(Class.UNIVERSAL, Type.SET, true, [value])]);
}

/** ContentInfo of type data, around the DER of `content`. */
function contentInfo(content: forge.asn1.Asn1): forge.asn1.Asn1 {
  return sequence([oid(pki.oids['data']), explicit(octets(fromAsn1(content)))]);
}

/** RFC 7292, 4: HMAC over the safe, under a key of appendix B.2 (id 3). */
function macData(safe: string, password: string, modern: boolean): forge.asn1.Asn1 {
  const salt = binary(randomBytes(SALT_BYTES));
  const digest = modern ? forge.md.sha256.create() : forge.md.sha1.create();
  const key = forge.pkcs12.generateKey(
    password,
    forge.util.createBuffer(salt),
    3,
    ITERATIONS,
    modern ? 32 : 20,
    digest,
  );
  const mac = forge.hmac.create();
  mac.start(modern ? 'sha256' : 'sha1', key);
  mac.update(safe);
  const algorithm = sequence([
    oid(pki.oids[modern ? 'sha256' : 'sha1']),
    asn1.create(Class.UNIVERSAL, Type.NULL, false, ''),
  ]);
  const digestInfo = sequence([algorithm, octets(Buffer.from(mac.getMac().getBytes(), 'latin1'))]);
  return sequence([digestInfo, octets(Buffer.from(salt, 'latin1')), integer(ITERATIONS)]);
}

function sequence(items: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, items);
}

function explicit(content: forge.asn1.Asn1): forge.asn1.Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [content]);
}

function oid(name: string | undefined): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(name ?? '').getBytes());
}

function octets(bytes: Uint8Array): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, binary(bytes));
}

function integer(value: number): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.INTEGER, false, asn1.integerToDer(value).getBytes());
}

function fromAsn1(value: forge.asn1.Asn1): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
}

/** node-forge's byte strings: one character a byte. */
function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
