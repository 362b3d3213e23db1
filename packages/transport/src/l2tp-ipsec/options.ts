/** What `listen` and `dial` of the l2tp-ipsec transport take. Durations are milliseconds unless a name says seconds. */
import type { EspAlgorithms } from '@culvert/cipher';
import type { IkeGroup, Phase1Algorithms } from '@culvert/ipsec';
import type { PppDialOptions, PppOptions } from '../ppp/options.ts';

/** What phase 1 proves who we are with, and whom we believe. */
export interface L2tpIpsecCertificate {
  /** Ours first, then intermediates, in PEM. */
  readonly certificate: string;
  /** In PEM, not sealed with a passphrase. */
  readonly privateKey: string;
  /** The authorities that we trust, in PEM. */
  readonly ca: string;
  /** Revocation lists in PEM. @default nothing is checked */
  readonly crl?: string | undefined;
}

/** How a peer proves its password inside IPsec. PAP shows it to the gateway, which needs no NT hash then. */
export type L2tpIpsecAuthentication = 'mschapv2' | 'pap';

/** What both ends take. */
interface L2tpIpsecOptions extends PppOptions {
  /** 3DES, MODP-1536 and MODP-1024 too, for old Androids and Windows. @default false */
  readonly weak?: boolean;
  /** HMAC-SHA-256 cut to 96 bits, as old Androids do. @default false */
  readonly truncatedSha256?: boolean;
  /** What phase 1 may be protected with, the best first, and nothing else: `weak` adds nothing to it. @default much that is good */
  readonly phase1?: readonly Phase1Algorithms[] | undefined;
  /** What ESP may be protected with, the best first. @default AES-GCM, AES-CBC with SHA-2, with SHA-1 */
  readonly esp?: readonly EspAlgorithms[] | undefined;
  /**
   * Make the peer carry ESP in UDP where there is no NAT. Without it ESP may go as IP protocol 50 as well, which needs CAP_NET_RAW, gets
   * through fewer firewalls, and is slower here. @default true
   */
  readonly forceEncapsulation?: boolean;
  /**
   * The secret of L2TP's tunnel authentication (RFC 2661, section 5.1.1): the peer has to know it too, and is asked. A listener's is
   * read for each new tunnel. @default none: who asks for one is refused
   */
  readonly tunnelSecret?: Uint8Array | undefined;
  /** Whether UDP sockets send and take datagrams in trains. @default where the kernel has it */
  readonly trains?: boolean;
  /** The best first. @default ['mschapv2'] */
  readonly authentication?: readonly L2tpIpsecAuthentication[];
  /** @default 28,800 seconds, 3,600 seconds, 2 ** 36 bytes */
  readonly lifetimes?: {
    readonly phase1Seconds?: number;
    readonly phase2Seconds?: number;
    readonly phase2Bytes?: number;
  };
}

/** A pre-shared key, and whose it is: main mode finds it by the peer's address, as the peer's name comes encrypted with it. */
export interface PresharedKey {
  /** "198.51.100.0/24". The longest prefix counts. Undefined: everyone else. */
  readonly network: string | undefined;
  readonly key: Uint8Array;
}

export interface L2tpIpsecListenOptions extends L2tpIpsecOptions {
  /** Addresses of this host. Undefined: every one of IPv4; "::" is every one of IPv6. */
  readonly listen: readonly { readonly address: string | undefined }[];
  /** Read for each new phase 1, like `certificate`: another list is another array. */
  readonly presharedKeys: readonly PresharedKey[];
  readonly certificate?: L2tpIpsecCertificate | undefined;
  /** Links at a time, handshakes included. @default 4,096 */
  readonly maxLinks?: number;
  /** Peers at a time that are not up yet, half of them from one source. @default 512 */
  readonly maxHandshakes?: number;
  /** UDP ports of IKE and of NAT traversal, for tests. 0: the kernel's choice. @default 500 and 4,500 */
  readonly ports?: { readonly ike: number; readonly natTraversal: number };
}

export type L2tpIpsecProof =
  | { readonly kind: 'pre-shared-key'; readonly key: Uint8Array }
  /**
   * `serverName` must be a name of the server's certificate. @default any name that `ca` vouches for, and then whoever has a machine's
   * certificate without serverAuth or clientAuth can pose as the server
   */
  | ({ readonly kind: 'certificate'; readonly serverName?: string } & L2tpIpsecCertificate);

export interface L2tpIpsecDialOptions extends L2tpIpsecOptions, PppDialOptions {
  /** An address: names are resolved by the caller. */
  readonly remote: { readonly address: string };
  /** The address of ours to call from. @default the kernel's choice */
  readonly localAddress?: string;
  /**
   * UDP port of ours inside IPsec. @default a random one: some servers tell two clients behind one NAT apart by nothing else
   */
  readonly innerPort?: number;
  /** The group of phase 2's own key exchange, which makes its keys independent of phase 1's. @default none: many servers refuse one */
  readonly forwardSecrecy?: IkeGroup | undefined;
  readonly proof: L2tpIpsecProof;
  /** The server's, for tests; ours are 500 and 4,500, or others where these are in use. @default 500 and 4,500 */
  readonly ports?: { readonly ike: number; readonly natTraversal: number };
}
