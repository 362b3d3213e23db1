/** The shape of culvertd.yaml: every key, its default and its sentence. The published JSON schema is made from it. */
import { z } from 'zod';
import { l2tpIpsecSection } from './l2tp-ipsec-transport.ts';
import { openvpnSection } from './openvpn-transport.ts';
import { pptpSection } from './pptp-transport.ts';
import {
  address,
  deviceName,
  domain,
  duration,
  durationOrNever,
  name,
  network,
  path,
  wholeNumber,
  yesNo,
} from './scalars.ts';

const proof = z.enum(['required', 'optional', 'none'], { error: 'required, optional or none' });

const networkSection = z.strictObject({
  ipv4: network(4).optional().describe('Inner IPv4 network: the gateway takes its first address, links the others'),
  ipv6: network(6)
    .optional()
    .describe(
      'Inner IPv6 network. Shorter than /64, it gives each peer of PPTP or L2TP a /64 of its own, which Windows needs; OpenVPN’s links share the first',
    ),
  device: deviceName.default('culvert0').describe('Name of the TUN device'),
  mtu: wholeNumber(576, 9000).default(1500).describe('The largest inner packet'),
  offload: yesNo
    .default(true)
    .describe('Move packets in trains (TUN segmentation offload), where the kernel can; off only to rule it out'),
  threads: wholeNumber(1, 16)
    .default(1)
    .describe(
      'Threads that carry packets, each for its share of the links. More than 1 pays where there are more than two cores',
    ),
  mode: z
    .enum(['nat', 'routed'], { error: 'nat or routed' })
    .default('nat')
    .describe(
      'nat: the office sees the gateway’s address. routed: it sees the links’ own, and needs a route back to them',
    ),
});

const pushSection = z.strictObject({
  routes: z
    .array(network())
    .max(512, { error: 'at most 512 entries' })
    .default([])
    .describe('Networks that links reach'),
  redirect: z
    .strictObject({ ipv4: yesNo.default(false), ipv6: yesNo.default(false) })
    .prefault({})
    .describe('Links send all their traffic through the tunnel, by IP version'),
  dns: z
    .strictObject({
      servers: z.array(address()).max(8, { error: 'at most 8 entries' }).default([]),
      search: z.array(domain).max(16, { error: 'at most 16 entries' }).default([]),
    })
    .prefault({})
    .describe('Name servers and search domains of the links'),
});

const tlsSection = z.strictObject({
  ca: path.describe('Certificates of the CAs that issue to our peers (PEM)'),
  certificate: path.describe('Our certificate, and the chain below the CA (PEM)'),
  privateKey: path.describe('Its private key (PEM, mode 0600)'),
  crl: z
    .strictObject({
      file: path.describe('Revoked certificates (PEM); a new file takes effect within a second'),
      expired: z
        .enum(['warn', 'refuse'], { error: 'warn or refuse' })
        .default('warn')
        .describe('An expired list still refuses what it lists. warn: and nobody else. refuse: nobody comes in'),
    })
    .optional(),
  minVersion: z
    .union([z.enum(['1.2', '1.3']), z.literal([1.2, 1.3])], { error: '1.2 or 1.3' })
    .default('1.2')
    .transform((version) => (String(version) === '1.3' ? 'TLSv1.3' : 'TLSv1.2'))
    .describe('The oldest version of TLS that peers may use'),
});

const authSection = z.strictObject({
  certificate: proof.default('required').describe('Its common name is the user’s name'),
  password: proof.default('none').describe('With a certificate as well, both must name the same user'),
  unlistedUsers: z
    .enum(['allow', 'refuse'], { error: 'allow or refuse' })
    .default('allow')
    .describe('What a valid certificate is worth whose user "culvertd user list" does not know'),
});

const limitsSection = z.strictObject({
  links: wholeNumber(1, 65_536).default(4096).describe('Links of each transport at a time, handshakes included'),
  sessionsPerUser: wholeNumber(1, 1024).default(1).describe('Sessions of one user at a time'),
  whenReached: z
    .enum(['replace', 'refuse'], { error: 'replace or refuse' })
    .default('replace')
    .describe('At sessionsPerUser: end the user’s oldest session, or refuse the new one'),
  idle: durationOrNever('1m', '365d').prefault('never').describe('End a session after so long without traffic'),
  session: durationOrNever('1m', '365d').prefault('never').describe('End a session so long after it came up'),
  failedAttempts: z
    .strictObject({
      perSource: wholeNumber(1, 10_000).default(10),
      perUser: wholeNumber(1, 10_000).default(20),
    })
    .prefault({})
    .describe('Refused attempts a minute after which further ones are refused unread'),
});

const portText = 'a port such as 443 or a range such as "8000-8100"';
const ports = z.union(
  [
    wholeNumber(0, 65_535),
    z
      .string({ error: portText })
      .regex(/^\d{1,5}-\d{1,5}$/, { error: portText })
      .refine((text) => text.split('-').every((part) => Number(part) <= 65_535) && ordered(text), { error: portText }),
  ],
  { error: portText },
);

const filterRule = z
  .strictObject({
    action: z.enum(['allow', 'deny'], { error: 'allow or deny' }),
    direction: z
      .enum(['to-office', 'from-office'], { error: 'to-office or from-office' })
      .default('to-office')
      .describe('Whose first packet the rule judges: the link’s, or the office’s. Replies always pass'),
    groups: z.array(name).optional().describe('Links of users in one of these groups; without it, every link'),
    networks: z.array(network()).optional().describe('The other end; without it, anywhere'),
    protocol: z
      .union([z.enum(['any', 'tcp', 'udp', 'icmp']), wholeNumber(0, 255)], {
        error: 'any, tcp, udp, icmp, or a protocol number',
      })
      .default('any'),
    ports: z.array(ports).optional().describe('Destination ports of tcp or udp; without it, all'),
  })
  .refine((rule) => rule.ports === undefined || rule.protocol === 'tcp' || rule.protocol === 'udp', {
    error: 'protocol: tcp or protocol: udp beside ports',
    path: ['ports'],
  });

const filterSection = z.strictObject({
  default: z
    .enum(['allow', 'deny'], { error: 'allow or deny' })
    .optional()
    .describe('For what no rule names. Without it, links reach the pushed networks, and the office reaches no link'),
  rules: z
    .array(filterRule)
    .max(1024, { error: 'at most 1024 rules' })
    .default([])
    .describe('The first that fits decides'),
});

export const gatewaySchema = z.strictObject({
  state: path.default('/var/lib/culvert').describe('Directory of users and leases'),
  secretKey: path
    .optional()
    .describe(
      'The key that seals NT hashes: 32 bytes, mode 0600 or 0640. Without it, secret.key in state, made where it is missing',
    ),
  control: path.default('/run/culvert/culvertd.sock').describe('Socket of culvertd status, session and reload'),
  user: name
    .optional()
    .describe('Whom to become when started as root; without it culvert, or nobody where there is none'),
  network: networkSection,
  push: pushSection.prefault({}),
  tls: tlsSection,
  auth: authSection.prefault({}),
  transports: z.strictObject({
    openvpn: openvpnSection,
    pptp: pptpSection.prefault({}),
    l2tpIpsec: l2tpIpsecSection.prefault({}),
  }),
  keepalive: z
    .strictObject({
      interval: duration('1s', '10m')
        .prefault('10s')
        .describe('Send a sign of life after so long a silence. PPTP and L2TP ask instead, every 5s at most'),
      timeout: duration('2s', '1h')
        .prefault('60s')
        .describe('Give the peer up after so long a silence; of PPTP and L2TP after four intervals at least'),
    })
    .prefault({}),
  limits: limitsSection.prefault({}),
  clientIsolation: yesNo.default(true).describe('Links do not reach each other'),
  filter: filterSection.prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['trace', 'debug', 'info', 'warn', 'error'], { error: 'trace, debug, info, warn or error' })
        .default('info'),
      format: z.enum(['text', 'json'], { error: 'text or json' }).default('text'),
    })
    .prefault({}),
});

/** The configuration with defaults filled in and durations in milliseconds. Paths as `loadGatewayConfig` made them: absolute. */
export type GatewayConfig = z.output<typeof gatewaySchema>;

function ordered(range: string): boolean {
  const [from = 0, to = 0] = range.split('-').map(Number);
  return from <= to;
}
