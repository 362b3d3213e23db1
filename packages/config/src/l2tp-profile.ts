/**
 * An L2TP/IPsec client profile as a value: what a client needs to know to dial.
 *
 * Owns the meaning of a profile. `apple-profile.ts` reads it from and writes it to Apple's .mobileconfig, `windows-profile.ts` writes the
 * PowerShell script that sets Windows up.
 */

/** How the machines prove themselves to each other (IKE). The user's password comes later, inside (PPP). */
export type L2tpMachineAuth =
  | {
      readonly kind: 'psk';
      /** Undefined: it is asked for. Mostly text, but any bytes will do. */
      readonly psk: Uint8Array | undefined;
    }
  | {
      readonly kind: 'certificate';
      /** PKCS#12, DER: the machine's key and its certificate. */
      readonly pkcs12: Uint8Array;
      /** Of the PKCS#12 file; undefined: it is asked for. */
      readonly pkcs12Password: string | undefined;
      /** The CA that the server's certificate comes from, DER. */
      readonly ca: Uint8Array | undefined;
    };

export interface L2tpProfile {
  /** What people see. */
  readonly name: string;
  /** A name or an IP literal (IPv6 without brackets). */
  readonly server: string;
  /** Undefined: asked for. */
  readonly username: string | undefined;
  /** Undefined: asked for. */
  readonly password: string | undefined;
  readonly machineAuth: L2tpMachineAuth;
  /** All traffic goes through the tunnel. */
  readonly redirect: boolean;
}
