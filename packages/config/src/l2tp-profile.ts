/**
 * An L2TP/IPsec client profile as a value: what a client needs to know to dial.
 *
 * Owns the meaning of a profile. `apple-profile.ts` reads it from and writes it to Apple's .mobileconfig, `network-manager-l2tp.ts`
 * NetworkManager's keyfiles; `windows-profile.ts` writes the PowerShell script that sets Windows up.
 */

import type { IpsecProposals } from './ipsec-proposals.ts';
import type { VpnNetwork } from './network-manager-network.ts';
import type { PppEcho } from './network-manager-ppp.ts';

export interface SharedSecretAuth {
  readonly kind: 'psk';
  /** Undefined: it is asked for. Mostly text, but any bytes will do. */
  readonly psk: Uint8Array | undefined;
}

/** Key and certificates in the profile itself. */
export interface Pkcs12Auth {
  readonly kind: 'pkcs12';
  /** The machine's key and its certificate, DER. */
  readonly pkcs12: Uint8Array;
  /** Undefined: it is asked for. */
  readonly password: string | undefined;
  /** The CA that the server's certificate comes from, DER. */
  readonly ca: Uint8Array | undefined;
}

/** What goes into a file of its own. */
export type PortableAuth = SharedSecretAuth | Pkcs12Auth;

/** Key and certificates in files beside it: absolute paths, of PEM or PKCS#12. */
export interface CertificateFilesAuth {
  readonly kind: 'files';
  readonly certificate: string;
  readonly privateKey: string;
  /** Of the private key; undefined: it has none, or it is asked for. */
  readonly passphrase: string | undefined;
  readonly ca: string | undefined;
}

/** Key and certificates as texts of PEM in the profile, which is how the client stores them. */
export interface PemAuth {
  readonly kind: 'pem';
  /** Ours, then intermediates. */
  readonly certificate: string;
  readonly privateKey: string;
  /** Of the private key; undefined: it has none, or it is asked for. */
  readonly passphrase: string | undefined;
  readonly ca: string;
}

/** `Auth` is how the machines prove themselves to each other (IKE). The user's password comes later, inside (PPP). */
export interface L2tpProfile<Auth = PortableAuth | CertificateFilesAuth> {
  /** What people see. */
  readonly name: string;
  /** A name or an IP literal (IPv6 without brackets). */
  readonly server: string;
  /** Undefined: asked for. */
  readonly username: string | undefined;
  /** Undefined: asked for. */
  readonly password: string | undefined;
  readonly machineAuth: Auth;
  /** All traffic goes through the tunnel. */
  readonly redirect: boolean;
}

/** What a connection of NetworkManager tells, which is more. */
export interface L2tpConnection<Auth = SharedSecretAuth | CertificateFilesAuth | PemAuth>
  extends Omit<L2tpProfile<Auth>, 'redirect'> {
  /** Of Windows, before the user name. */
  readonly domain: string | undefined;
  /** How the user's password is shown: proved, or inside IPsec as it is. */
  readonly authentication: 'mschapv2' | 'pap';
  /** L2TP's own, beside IPsec's (RFC 2661, section 5.1.1): some routers ask for it. */
  readonly tunnelSecret: string | undefined;
  /** What the server's certificate must say that it is; undefined: what `server` says. */
  readonly remoteId: string | undefined;
  readonly proposals: IpsecProposals;
  readonly lifetimes: { readonly phase1Seconds: number | undefined; readonly phase2Seconds: number | undefined };
  /** The largest packet inside that we take, in bytes. */
  readonly mru: number | undefined;
  readonly echo: PppEcho | undefined;
  readonly network: VpnNetwork;
  /** Whoever uses the profile was told what its proposals do not protect. */
  readonly acceptInsecure: boolean;
}
