/**
 * Apple's configuration profiles (.mobileconfig) with an L2TP/IPsec connection, for macOS and iOS: parse and print.
 *
 * The keys are those of Apple's Configuration Profile Reference: payload types com.apple.vpn.managed (VPNType L2TP, with the
 * dictionaries PPP, IPSec and IPv4), com.apple.security.pkcs12 and com.apple.security.root. `parse(print(profile))` is the profile.
 */
import { createHash } from 'node:crypto';
import { build, type PlistValue, parse } from 'plist';
import type { L2tpProfile, PortableAuth } from './l2tp-profile.ts';
import type { ParsedProfileOf, Problem } from './problem.ts';

const VPN = 'com.apple.vpn.managed';
const PKCS12 = 'com.apple.security.pkcs12';
/** Root certificates of old profiles have the second type. */
const CERTIFICATES: readonly PlistValue[] = ['com.apple.security.root', 'com.apple.security.pkcs1'];
/** Profiles with a certificate have some 10 KiB. */
const MAX_TEXT_BYTES = 1 << 20;

type Dictionary = { [key: string]: PlistValue };

/**
 * Parses a profile. Never throws for what the text holds.
 *
 * @param options.file its name, for problems
 */
export function parseAppleProfile(
  text: string,
  options: { readonly file: string },
): ParsedProfileOf<L2tpProfile<PortableAuth>> {
  const problems: Problem[] = [];
  const refuse = (key: string, found: string, expected: string): ParsedProfileOf<L2tpProfile<PortableAuth>> => {
    const severity = 'error' as const;
    return {
      profile: undefined,
      problems: [...problems, { file: options.file, line: 1, key, found, expected, severity }],
    };
  };
  const root = readPropertyList(text);
  if (typeof root === 'string') return refuse('', root, 'a configuration profile as an XML property list, not signed');
  const payloads = listOf(root['PayloadContent']).map(dictionaryOf);
  const at = payloads.findIndex((one) => one['PayloadType'] === VPN && one['VPNType'] === 'L2TP');
  const vpn = payloads[at];
  if (vpn === undefined) {
    const found = payloads.map((one) => [one['PayloadType'], one['VPNType']].filter(Boolean).join(' ')).join(', ');
    return refuse('PayloadContent', found === '' ? 'nothing' : found, `a payload ${VPN} of VPNType L2TP`);
  }
  const others = payloads.filter((one) => one['PayloadType'] === VPN).length - 1;
  if (others > 0) {
    const [found, expected] = [`${others + 1} VPN connections`, 'one; the first with L2TP is taken'];
    problems.push({ file: options.file, line: 1, key: 'PayloadContent', found, expected, severity: 'warning' });
  }
  const [ppp, ipsec] = [dictionaryOf(vpn['PPP']), dictionaryOf(vpn['IPSec'])];
  const key = `PayloadContent[${at}]`;
  const server = textOf(ppp['CommRemoteAddress']);
  if (server === undefined) return refuse(`${key}.PPP.CommRemoteAddress`, 'nothing', "the server's name or address");
  if (textOf(ipsec['LocalIdentifier']) !== undefined) {
    return refuse(
      `${key}.IPSec.LocalIdentifier`,
      'a group name',
      'none: it makes IKE use aggressive mode, which shows the shared secret to guessing',
    );
  }
  const machineAuth = machineAuthOf(ipsec, payloads);
  if (typeof machineAuth === 'string')
    return refuse(`${key}.IPSec`, machineAuth, 'SharedSecret, or a certificate of this file');
  const name = textOf(vpn['UserDefinedName']) ?? textOf(root['PayloadDisplayName']) ?? server;
  const [username, password] = [textOf(ppp['AuthName']), textOf(ppp['AuthPassword'])];
  const redirect = [dictionaryOf(vpn['IPv4'])['OverridePrimary'], vpn['OverridePrimary']].some(
    (it) => it === 1 || it === true,
  );
  return { profile: { name, server, username, password, machineAuth, redirect }, problems };
}

/** The profile's dictionary, or what the text is instead. */
function readPropertyList(text: string): Dictionary | string {
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) return 'more than 1 MiB';
  if (!text.trimStart().startsWith('<')) return 'no XML (signed profiles are none: ask for the unsigned one)';
  if (/<!DOCTYPE[^>]*\[/.test(text)) return 'a document type with declarations of its own';
  try {
    const root = parse(text);
    return isDictionary(root) ? root : 'a property list that is no dictionary';
  } catch (error) {
    return `XML with a mistake (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`;
  }
}

/** A string says why there is none. */
function machineAuthOf(ipsec: Dictionary, payloads: readonly Dictionary[]): PortableAuth | string {
  const method = ipsec['AuthenticationMethod'];
  if (method === 'SharedSecret') return { kind: 'psk', psk: secretOf(ipsec['SharedSecret']) };
  if (method !== 'Certificate') return `AuthenticationMethod ${textOf(method) ?? 'missing'}`;
  const wanted = ipsec['PayloadCertificateUUID'];
  const identity = payloads.find((one) => one['PayloadUUID'] === wanted && one['PayloadType'] === PKCS12);
  const pkcs12 = identity?.['PayloadContent'];
  if (!(pkcs12 instanceof Uint8Array))
    return `PayloadCertificateUUID ${textOf(wanted) ?? 'missing'}, which is no PKCS#12 of this file`;
  const ca = payloads.find((one) => CERTIFICATES.includes(one['PayloadType'] ?? null))?.['PayloadContent'];
  const password = textOf(identity?.['Password']);
  return { kind: 'pkcs12', pkcs12, password, ca: ca instanceof Uint8Array ? derOf(ca) : undefined };
}

/** Apple takes certificates as DER and as PEM. */
function derOf(certificate: Uint8Array): Uint8Array {
  const text = Buffer.from(certificate).toString('latin1');
  const base64 = /-----BEGIN CERTIFICATE-----([^-]*)-----END/.exec(text)?.[1];
  return base64 === undefined ? certificate : new Uint8Array(Buffer.from(base64, 'base64'));
}

/** By Apple's reference data; tools write strings as well. */
function secretOf(value: PlistValue | undefined): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  const text = textOf(value);
  return text === undefined ? undefined : new Uint8Array(Buffer.from(text));
}

function isDictionary(value: PlistValue | undefined): value is Dictionary {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function dictionaryOf(value: PlistValue | undefined): Dictionary {
  return isDictionary(value) ? value : {};
}

function listOf(value: PlistValue | undefined): readonly PlistValue[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: PlistValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * The profile's text. Printed twice it is the same, and an installed profile is replaced by a later one for the same server and user.
 *
 * iOS takes a shared secret only; certificates are for macOS.
 */
export function printAppleProfile(profile: L2tpProfile<PortableAuth>): string {
  const { name, server, username, machineAuth } = profile;
  const label = `culvert.l2tp.${identifierOf(server)}${username === undefined ? '' : `.${identifierOf(username)}`}`;
  const payload = (type: string, suffix: string, title: string): Dictionary => ({
    PayloadType: type,
    PayloadVersion: 1,
    PayloadIdentifier: `${label}${suffix}`,
    PayloadUUID: uuidOf(`${label}${suffix}`),
    PayloadDisplayName: title,
  });
  const vpn: Dictionary = {
    ...payload(VPN, '.vpn', name),
    UserDefinedName: name,
    VPNType: 'L2TP',
    PPP: {
      CommRemoteAddress: server,
      ...(username === undefined ? {} : { AuthName: username }),
      ...(profile.password === undefined ? {} : { AuthPassword: profile.password }),
    },
    IPSec: ipsecOf(machineAuth, uuidOf(`${label}.identity`)),
    IPv4: { OverridePrimary: profile.redirect ? 1 : 0 },
  };
  const certificates: Dictionary[] = [];
  if (machineAuth.kind === 'pkcs12') {
    const { pkcs12, password, ca } = machineAuth;
    const identity = payload(PKCS12, '.identity', `${name}: certificate`);
    certificates.push({
      ...identity,
      PayloadContent: pkcs12,
      ...(password === undefined ? {} : { Password: password }),
    });
    if (ca !== undefined)
      certificates.push({ ...payload('com.apple.security.root', '.ca', `${name}: CA`), PayloadContent: ca });
  }
  const text = build({ ...payload('Configuration', '', name), PayloadContent: [...certificates, vpn] });
  // Readers may take these for ends of lines (XML 1.1, section 2.11), unless they are written as references.
  return `${text.replaceAll('\u2028', '&#x2028;').replaceAll('\u2029', '&#x2029;')}\n`;
}

function ipsecOf(machineAuth: PortableAuth, identity: string): Dictionary {
  if (machineAuth.kind === 'pkcs12') return { AuthenticationMethod: 'Certificate', PayloadCertificateUUID: identity };
  const { psk } = machineAuth;
  return { AuthenticationMethod: 'SharedSecret', ...(psk === undefined ? {} : { SharedSecret: psk }) };
}

/** Letters, digits and hyphens, as reverse-DNS names have them. */
function identifierOf(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, '-');
}

/** A UUID that a name always has (RFC 9562, version 8). */
function uuidOf(name: string): string {
  const bytes = createHash('sha256').update(name).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes
    .toString('hex')
    .toUpperCase()
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
