/**
 * An OpenVPN client profile (`.ovpn`) as a value: what a client needs to know, in units and words of its own.
 *
 * Owns the meaning of a profile. `openvpn-profile-parse.ts` makes one from text, `openvpn-profile-print.ts` makes text of it, and
 * `parse(print(profile))` equals `profile`. Directives are those of OpenVPN 2.4 to 2.7 (doc/man-sections of its source).
 */

/** The content of a file: in the profile itself, or beside it (a relative path is relative to the profile). */
export type ProfileFile =
  | { readonly kind: 'inline' /** Ends with a newline; base64 for `pkcs12`. */; readonly text: string }
  | { readonly kind: 'file'; readonly path: string };

export interface OpenvpnRemote {
  /** A name or an IP literal (IPv6 without brackets). */
  readonly host: string;
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
  /** Only addresses of this IP version (`udp4`, `tcp6-client`); undefined: both. */
  readonly family: 4 | 6 | undefined;
}

/** How control packets are protected before TLS. */
export type ProfileWrap =
  | { readonly kind: 'none' }
  | { readonly kind: 'tls-auth'; readonly key: ProfileFile; readonly direction: 0 | 1 | undefined }
  | { readonly kind: 'tls-crypt'; readonly key: ProfileFile }
  | { readonly kind: 'tls-crypt-v2'; readonly key: ProfileFile };

/** Where user name and password come from. An inline password may be missing: then it is asked for. */
export type ProfileCredentials =
  | { readonly kind: 'prompt' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'inline'; readonly username: string; readonly password: string | undefined };

export interface ProfileRoute {
  /** Canonical: `10.1.0.0/16`, `fd00::/64`. */
  readonly network: string;
  /** Undefined and `vpn`: through the tunnel. `net`: past it, by the gateway that was there before. Else an address. */
  readonly gateway: string | undefined;
  readonly metric: number | undefined;
}

/** Fields that a profile leaves out are undefined, false or empty; defaults are the client's to choose. Times are in seconds. */
export interface OpenvpnProfile {
  /** In order of preference, at least one. */
  readonly remotes: readonly OpenvpnRemote[];
  readonly remoteRandom: boolean;
  /** A device name that the profile insists on (`dev tun7`). */
  readonly deviceName: string | undefined;

  readonly ca: ProfileFile | undefined;
  readonly certificate: ProfileFile | undefined;
  readonly privateKey: ProfileFile | undefined;
  readonly extraCertificates: ProfileFile | undefined;
  readonly pkcs12: ProfileFile | undefined;
  readonly crl: ProfileFile | undefined;
  /** A file with the passphrase of `privateKey` or `pkcs12`. */
  readonly passphraseFile: string | undefined;
  /** The server's certificate must be one of these: SHA-256 over its DER, lower-case hexadecimal without colons. */
  readonly peerFingerprints: readonly string[];
  /** The server's certificate must be made for this role (EKU). */
  readonly remoteCertTls: 'server' | 'client' | undefined;
  /** `name` and `name-prefix` compare the common name, `subject` the whole subject as OpenVPN prints it. */
  readonly serverName: { readonly kind: 'subject' | 'name' | 'name-prefix'; readonly value: string } | undefined;
  readonly tlsVersionMin: '1.2' | '1.3' | undefined;
  readonly tlsVersionMax: '1.2' | '1.3' | undefined;
  readonly wrap: ProfileWrap;

  readonly dataCiphers: readonly string[] | undefined;
  readonly dataCiphersFallback: string | undefined;
  /** The cipher of peers that do not negotiate. */
  readonly cipher: string | undefined;
  /** The digest of CBC data channels and of tls-auth. */
  readonly auth: string | undefined;
  /** Framing that an old server expects. Nothing is ever compressed. */
  readonly compression: 'comp-lzo' | 'stub' | 'stub-v2' | undefined;

  /** Undefined: the certificate alone. */
  readonly credentials: ProfileCredentials | undefined;
  readonly authNoCache: boolean;
  readonly staticChallenge: { readonly text: string; readonly echo: boolean } | undefined;

  readonly tunMtu: number | undefined;
  /** `payload`: the UDP payload; `mtu`: the whole outer packet; `fixed`: the MSS follows from the tunnel packet alone. 0 bytes: off. */
  readonly mssfix: { readonly bytes: number; readonly of: 'payload' | 'mtu' | 'fixed' } | undefined;
  readonly ping: number | undefined;
  readonly pingRestart: number | undefined;
  readonly pingExit: number | undefined;
  readonly inactive: number | undefined;
  /** 0: never by us. */
  readonly renegotiate: number | undefined;
  readonly handshakeWindow: number | undefined;
  readonly connectTimeout: number | undefined;
  readonly connectRetry: { readonly first: number; readonly max: number | undefined } | undefined;
  readonly connectRetryMax: number | undefined;
  readonly resolveRetry: number | 'infinite' | undefined;
  readonly float: boolean;
  /** Times that the goodbye is sent over UDP. */
  readonly explicitExitNotify: number | undefined;

  readonly redirectGateway:
    | { readonly ipv4: boolean; readonly ipv6: boolean /** Cut the local network off. */; readonly blockLocal: boolean }
    | undefined;
  readonly routes: readonly ProfileRoute[];
  readonly routeNoPull: boolean;
  /** The first whose text begins a pushed option decides. */
  readonly pullFilters: readonly { readonly action: 'accept' | 'ignore' | 'reject'; readonly text: string }[];
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] };
  readonly blockOutsideDns: boolean;
  readonly blockIpv6: boolean;

  /** `setenv` pairs: UV_* go to the server, the rest is for front ends. Never put into a process's environment. */
  readonly environment: readonly (readonly [name: string, value: string])[];
}

/** A profile that says nothing. */
export function emptyOpenvpnProfile(): OpenvpnProfile {
  return {
    remotes: [],
    remoteRandom: false,
    deviceName: undefined,
    ca: undefined,
    certificate: undefined,
    privateKey: undefined,
    extraCertificates: undefined,
    pkcs12: undefined,
    crl: undefined,
    passphraseFile: undefined,
    peerFingerprints: [],
    remoteCertTls: undefined,
    serverName: undefined,
    tlsVersionMin: undefined,
    tlsVersionMax: undefined,
    wrap: { kind: 'none' },
    dataCiphers: undefined,
    dataCiphersFallback: undefined,
    cipher: undefined,
    auth: undefined,
    compression: undefined,
    credentials: undefined,
    authNoCache: false,
    staticChallenge: undefined,
    tunMtu: undefined,
    mssfix: undefined,
    ping: undefined,
    pingRestart: undefined,
    pingExit: undefined,
    inactive: undefined,
    renegotiate: undefined,
    handshakeWindow: undefined,
    connectTimeout: undefined,
    connectRetry: undefined,
    connectRetryMax: undefined,
    resolveRetry: undefined,
    float: false,
    explicitExitNotify: undefined,
    redirectGateway: undefined,
    routes: [],
    routeNoPull: false,
    pullFilters: [],
    dns: { servers: [], search: [] },
    blockOutsideDns: false,
    blockIpv6: false,
    environment: [],
  };
}
