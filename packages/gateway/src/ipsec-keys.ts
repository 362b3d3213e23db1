/**
 * What IPsec and L2TP prove with, from the files of `transports.l2tpIpsec`: shared keys, the secret of tunnels, certificates.
 *
 * The transport looks here for each new peer, so that what a reload takes is in force from then on; peers that are up keep theirs.
 */
import { type GatewayConfig, presharedKeyOf } from '@culvert/config';
import { createTlsContext } from '@culvert/tls';
import type { L2tpIpsecCertificate, PresharedKey } from '@culvert/transport';
import type { ReadText } from './gateway-tls.ts';

type Section = GatewayConfig['transports']['l2tpIpsec'];

export class IpsecKeys {
  readonly #onWarning: (message: string) => void;
  #keys: readonly PresharedKey[] = [];
  #tunnelSecret: Uint8Array | undefined;
  #certificate: L2tpIpsecCertificate | undefined;

  /** Throws TlsError, or what `read` throws. */
  constructor(section: Section, read: ReadText, onWarning: (message: string) => void) {
    this.#onWarning = onWarning;
    this.reload(section, read);
  }

  get presharedKeys(): readonly PresharedKey[] {
    return this.#keys;
  }

  get tunnelSecret(): Uint8Array | undefined {
    return this.#tunnelSecret;
  }

  get certificate(): L2tpIpsecCertificate | undefined {
    return this.#certificate;
  }

  /** Reads the files anew. Throws, and changes nothing, when they are wrong. */
  reload({ presharedKey, presharedKeys, tunnelSecret, certificate: files }: Section, read: ReadText): void {
    const keyFrom = (file: string) => new Uint8Array(Buffer.from(presharedKeyOf(read(file))));
    const keys = [
      ...presharedKeys.map(({ network, file }) => ({ network, key: keyFrom(file) })),
      ...(presharedKey === undefined ? [] : [{ network: undefined, key: keyFrom(presharedKey) }]),
    ];
    const secret = tunnelSecret === undefined ? undefined : keyFrom(tunnelSecret);
    const certificate = files && {
      ca: read(files.ca),
      certificate: read(files.certificate),
      privateKey: read(files.privateKey),
      crl: files.crl === undefined ? undefined : read(files.crl),
    };
    if (certificate !== undefined) this.#check(certificate);
    this.#keys = keys;
    this.#tunnelSecret = secret;
    this.#certificate = certificate;
  }

  /** A new revocation list. Throws TlsError; the list before stays in force then. */
  setCrl(crl: string): void {
    if (this.#certificate === undefined) return;
    const certificate = { ...this.#certificate, crl };
    this.#check(certificate);
    this.#certificate = certificate;
  }

  /** The transport cannot refuse what a reload gives it. */
  #check(certificate: L2tpIpsecCertificate): void {
    createTlsContext({ role: 'server', ...certificate, onWarning: this.#onWarning }).close();
  }
}
