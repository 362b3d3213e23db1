/** Our end of L2TP/IPsec as a program (see ppp/end.ts). */
import { createL2tpIpsecTransport, type L2tpIpsecDialOptions, type L2tpIpsecListenOptions } from '@culvert/transport';
import { type EndOptions, runEnd, type ServeEndOptions } from '../ppp/end.ts';

/** Keys as text. */
interface Secrets {
  readonly key?: string;
  readonly secret?: string;
}

export interface ServeOptions
  extends Omit<L2tpIpsecListenOptions, 'listen' | 'presharedKeys' | 'tunnelSecret'>,
    Secrets,
    ServeEndOptions {
  readonly address: string;
}

export interface DialOptions
  extends Omit<L2tpIpsecDialOptions, 'remote' | 'proof' | 'tunnelSecret'>,
    Secrets,
    EndOptions {
  readonly remote: string;
  /** @default by `key` */
  readonly certificate?: Omit<Extract<L2tpIpsecDialOptions['proof'], { kind: 'certificate' }>, 'kind'>;
}

const transport = createL2tpIpsecTransport();

if (import.meta.main)
  await runEnd<ServeOptions, DialOptions>({
    listen: ({ address, key, secret, ...options }, join, on) => {
      const tunnelSecret = secret === undefined ? undefined : Buffer.from(secret);
      const presharedKeys = key === undefined ? [] : [{ network: undefined, key: Buffer.from(key) }];
      return transport.listen({ ...options, listen: [{ address }], presharedKeys, tunnelSecret, join }, on);
    },
    dial: ({ remote, key, secret, certificate, ...options }, join, on) => {
      const tunnelSecret = secret === undefined ? undefined : Buffer.from(secret);
      const proof =
        certificate === undefined
          ? ({ kind: 'pre-shared-key', key: Buffer.from(key ?? '') } as const)
          : ({ kind: 'certificate', ...certificate } as const);
      return transport.dial({ ...options, remote: { address: remote }, proof, tunnelSecret, join }, on);
    },
  });
