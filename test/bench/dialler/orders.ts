/** What the dialler is told, as JSON in a file. */
export interface Orders {
  /**
   * `hold`: keep the links until the process is told to end. `churn`: close each as soon as it is up, then end.
   * `carry`: keep them, and carry over each what its own TUN device sends.
   */
  readonly mode: 'hold' | 'churn' | 'carry';
  readonly links: number;
  /** Dials at a time. */
  readonly concurrency: number;
  readonly remote: { readonly address: string; readonly port: number };
  /** Paths of PEM files. Links take the identities in turn. */
  readonly ca: string;
  readonly identities: readonly { readonly certificate: string; readonly key: string }[];
  /** Key exchanges that are offered, as OpenSSL's list; undefined: our client's own. */
  readonly groups?: string | undefined;
  /** Path of a tls-crypt-v2 client key. */
  readonly wrap: string;
  /** The largest inner packet. */
  readonly mtu: number;
  /** How names of the devices of `carry` begin; a number follows, from 0. */
  readonly device: string;
}

/** The last line that it prints, once its links are up (`hold`, `carry`) or have come and gone (`churn`). */
export const DONE = 'dialled';
