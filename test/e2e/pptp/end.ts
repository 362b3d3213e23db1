/** Our end of a PPTP tunnel as a program (see ppp/end.ts). */
import { createPptpTransport } from '@culvert/transport';
import { type EndOptions, runEnd, type ServeEndOptions } from '../ppp/end.ts';

interface PptpOptions extends EndOptions {
  readonly strengths?: readonly (128 | 56 | 40)[];
  readonly stateful?: boolean | 'preferred';
  readonly keepalive?: { readonly interval: number; readonly timeout: number };
}

export interface ServeOptions extends PptpOptions, ServeEndOptions {
  readonly address: string;
}

export interface DialOptions extends PptpOptions {
  /** Ask for an address of that version. @default true */
  readonly ipv6?: boolean;
  readonly remote: string;
  readonly localAddress?: string;
  readonly handshakeWindow?: number;
  readonly username: string;
  readonly password: string;
}

const port = 1_723;
const transport = createPptpTransport();

if (import.meta.main)
  await runEnd<ServeOptions, DialOptions>({
    listen: ({ address, ...options }, join, on) =>
      transport.listen({ ...options, listen: [{ address, port }], join }, on),
    dial: ({ remote, ...options }, join, on) =>
      transport.dial({ ...options, remote: { address: remote, port }, join }, on),
  });
