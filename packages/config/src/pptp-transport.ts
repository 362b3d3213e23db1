/** The section `transports.pptp`: off, unless an operator turns it on knowingly. */
import { z } from 'zod';
import { address, port, pppGroups, yesNo } from './scalars.ts';

const strengthText = '128, 56 or 40';

const listen = z.strictObject({
  port: port.default(1723).describe('TCP port of the control connection; clients know no other'),
  address: address()
    .refine((text) => !text.includes(':'), { error: 'an IPv4 address: PPTP has no other outside' })
    .optional()
    .describe('An IPv4 address of this host; without it, every one'),
});

export const pptpSection = z.strictObject({
  enabled: yesNo.default(false).describe('Serve PPTP. MS-CHAPv2 and MPPE are broken: read docs/pptp.md first'),
  acceptInsecure: yesNo
    .default(false)
    .describe('Beside enabled: whoever records a session can find the password and read all that went through'),
  listen: z
    .array(listen)
    .min(1, { error: 'at least one entry' })
    .max(64, { error: 'at most 64 entries' })
    .prefault([{}])
    .describe('Where to listen'),
  groups: pppGroups,
  strengths: z
    .array(z.union([z.literal(128), z.literal(56), z.literal(40)], { error: strengthText }))
    .min(1, { error: `a list of ${strengthText}` })
    .default([128])
    .describe(
      'Bits of MPPE keys, the best first. Nobody comes in without encryption; 56 and 40 bits are read within hours',
    ),
  stateful: yesNo
    .default(false)
    .describe(
      'Take peers that change their key every 256 packets alone, instead of with each: weaker, slow, and a lost packet costs those behind it',
    ),
});
