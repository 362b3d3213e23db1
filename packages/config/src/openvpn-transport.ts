/** The section `transports.openvpn`: where it listens and what it offers. */
import { z } from 'zod';
import { address, duration, path, port, wholeNumber } from './scalars.ts';

const protocol = z.enum(['udp', 'tcp'], { error: 'udp or tcp' });
const cipherText = 'AES-256-GCM, AES-128-GCM or CHACHA20-POLY1305';
const dataCipher = z.enum(['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'], { error: cipherText });
const wrapText = '"tlsCryptV2: FILE", "tlsCrypt: FILE", or none';

const listen = z.strictObject({
  protocol: protocol.default('udp').describe('udp or tcp'),
  port: port.default(1194).describe('UDP or TCP port'),
  address: address().optional().describe('An address of this host; without it, every address of both IP versions'),
});

const wrap = z
  .union(
    [
      z.strictObject({
        tlsCryptV2: path.optional().describe('The tls-crypt-v2 server key'),
        tlsCrypt: path.optional().describe('The tls-crypt key that all peers share'),
      }),
      z.literal('none'),
    ],
    { error: wrapText },
  )
  .refine((value) => value === 'none' || (value.tlsCryptV2 === undefined) !== (value.tlsCrypt === undefined), {
    error: wrapText,
  });

export const openvpnSection = z.strictObject({
  listen: z
    .array(listen)
    .min(1, { error: 'at least one entry' })
    .max(64, { error: 'at most 64 entries' })
    .prefault([{}])
    .describe('Where to listen'),
  wrap: wrap.describe('The key that hides the control channel and keeps strangers out of it, or none'),
  dataCiphers: z
    .array(dataCipher)
    .min(1, { error: `a list of ${cipherText}` })
    .default(['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'])
    .describe('In our order of preference: the first one that the client knows is used'),
  renegotiateAfter: duration('1m', '7d').prefault('1h').describe('New keys after so long'),
  handshakeWindow: duration('5s', '5m').prefault('60s').describe('The whole key exchange must be done within'),
  replayWindow: wholeNumber(64, 65_536).default(1024).describe('Data packets that may arrive out of order'),
});
