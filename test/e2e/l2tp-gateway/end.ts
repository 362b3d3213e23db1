/**
 * A client of L2TP/IPsec as a program: the transport alone, without a device. It sends datagrams through the link by itself.
 *
 *   end.ts JSON    EndOptions
 *
 * It says what happens in lines of a word and JSON: "up", "echoed", "closed", "failed". SIGTERM ends the link.
 */
import { readFileSync } from 'node:fs';
import type { Link } from '@culvert/core';
import { batchOf, flowPackets, nullLogger, packetsOf } from '@culvert/testkit';
import { createL2tpIpsecTransport, type L2tpIpsecDialOptions } from '@culvert/transport';

export interface EndOptions {
  readonly remote: string;
  readonly username: string;
  readonly password: string;
  readonly psk?: string | undefined;
  /** Paths of PEM files. */
  readonly certificate?: { readonly ca: string; readonly certificate: string; readonly privateKey: string } | undefined;
  readonly authentication?: L2tpIpsecDialOptions['authentication'];
}

const DATAGRAMS = 20;
const RESEND_MILLIS = 250;
/** Of the gateway in both inner networks, 10.99.0.0/24 and fd99::/64. */
const GATEWAY = 1;

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());

function say(word: string, value: unknown): void {
  console.log(`${word} ${JSON.stringify(value)}`);
}

function proofOf({ psk, certificate }: EndOptions): L2tpIpsecDialOptions['proof'] {
  if (psk !== undefined) return { kind: 'pre-shared-key', key: new TextEncoder().encode(psk) };
  if (certificate === undefined) throw new Error('neither key nor certificate');
  const read = (path: string) => readFileSync(path, 'utf8');
  const { ca, certificate: own, privateKey } = certificate;
  return { kind: 'certificate', ca: read(ca), certificate: read(own), privateKey: read(privateKey) };
}

/** Sends datagrams of both IP versions to UDP port 7 of the gateway until each came back. */
async function echo(link: Link): Promise<void> {
  const wanted = new Map<string, Uint8Array>();
  for (const [version, inner] of [
    [4, link.config.ipv4],
    [6, link.config.ipv6],
  ] as const) {
    if (inner === undefined) continue;
    const from = Number.parseInt(inner.address.split(/[.:]/).at(-1) ?? '', version === 4 ? 10 : 16);
    const flow = { version, protocol: 'udp', from, to: GATEWAY, sourcePort: 4_000 + version, size: 200 } as const;
    for (const packet of flowPackets({ ...flow, count: DATAGRAMS })) wanted.set(payloadOf(packet), packet);
  }
  const sent = wanted.size;
  const { promise, resolve } = Promise.withResolvers<void>();
  link.onPackets((batch) => {
    for (const packet of packetsOf(batch)) wanted.delete(payloadOf(packet));
    if (wanted.size === 0) resolve();
  });
  const resend = () => link.send(batchOf([...wanted.values()]));
  resend();
  const timer = setInterval(resend, RESEND_MILLIS);
  await Promise.race([promise, link.closed]);
  clearInterval(timer);
  if (wanted.size === 0) say('echoed', { datagrams: sent });
}

/** With the IP version before it. */
function payloadOf(packet: Uint8Array): string {
  return `${(packet[0] ?? 0) >> 4} ${Buffer.from(packet.subarray(-200)).toString('hex')}`;
}

async function dial(options: EndOptions): Promise<void> {
  const { remote, username, password, authentication } = options;
  try {
    const link = await createL2tpIpsecTransport().dial(
      {
        remote: { address: remote },
        username,
        password,
        proof: proofOf(options),
        ...(authentication && { authentication }),
      },
      { onEvent: () => {}, log: nullLogger, signal: stopping.signal },
    );
    const { facts, config } = link;
    say('up', { facts, ipv4: config.ipv4?.address, ipv6: config.ipv6?.address });
    stopping.signal.addEventListener('abort', () => void link.close({ cause: 'operator', detail: 'stopped' }));
    await echo(link);
    say('closed', await link.closed);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    say('failed', { code, message });
  }
}

await dial(JSON.parse(process.argv[2] ?? '{}'));
