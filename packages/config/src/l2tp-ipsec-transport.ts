/** The section `transports.l2tpIpsec`: off by default; what IPsec and PPP inside of it let in. */
import { z } from 'zod';
import { address, network, path, pppGroups, yesNo } from './scalars.ts';

const methodText = 'mschapv2 or pap';

const listen = z.strictObject({
  address: address()
    .optional()
    .describe('An address of this host; "::" is every one of IPv6; without it, every one of IPv4'),
});

const presharedKey = z.strictObject({
  network: network().describe('Peers that come from here; the longest network that fits decides'),
  file: path.describe('The file with their key'),
});

const certificate = z.strictObject({
  ca: path.describe('Certificates of the CAs that issue to our peers (PEM)'),
  certificate: path.describe('Our certificate, and the chain below the CA (PEM); Windows and macOS take RSA alone'),
  privateKey: path.describe('Its private key (PEM, mode 0600)'),
  crl: path.optional().describe('Revoked certificates (PEM); a new file counts for new peers within a second'),
});

export const l2tpIpsecSection = z.strictObject({
  enabled: yesNo
    .default(false)
    .describe('Serve L2TP/IPsec, which Windows, macOS, iOS and Android have built in: docs/l2tp-ipsec.md'),
  listen: z
    .array(listen)
    .min(1, { error: 'at least one entry' })
    .max(64, { error: 'at most 64 entries' })
    .prefault([{}])
    .describe('Where to listen: UDP ports 500 and 4500, which clients know'),
  groups: pppGroups,
  presharedKey: path
    .optional()
    .describe(
      'A file (mode 0600) whose first line is the key that everybody shares: whoever has it can pose as the gateway',
    ),
  presharedKeys: z
    .array(presharedKey)
    .max(1024, { error: 'at most 1024 entries' })
    .default([])
    .describe('Other keys for peers of these networks'),
  certificate: certificate.optional().describe('Certificates instead of shared keys, or beside them'),
  tunnelSecret: path
    .optional()
    .describe(
      'A file (mode 0600) whose first line is the secret of L2TP tunnels (RFC 2661, 5.1.1): routers and Android have it, Windows, macOS and iOS do not come in then',
    ),
  authentication: z
    .array(z.enum(['mschapv2', 'pap'], { error: methodText }))
    .min(1, { error: `a list of ${methodText}` })
    .default(['mschapv2'])
    .describe(
      'How users prove their password, inside IPsec: the best first. mschapv2 needs an NT hash of it, pap shows it to the gateway',
    ),
  forceEncapsulation: yesNo
    .default(true)
    .describe(
      'Peers carry ESP in UDP 4500 also without NAT between; false: as IP protocol 50 there, which fewer networks let through',
    ),
  acceptWeak: yesNo
    .default(false)
    .describe('3DES and groups of 1024 and 1536 bits (MODP) too, for devices that have nothing better: Android'),
  truncatedSha256: yesNo
    .default(false)
    .describe(
      'HMAC-SHA-256 cut to 96 bits instead of 128, as old Linux and Android do; others cannot come by SHA-256 then',
    ),
});
