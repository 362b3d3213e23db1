/**
 * The small values of the configuration. The `error` of each is the words that follow "expected" in a message,
 * and its pattern is what the published JSON schema shows to an editor.
 */
import { formatAddress, formatNetwork, type IpVersion, parseAddress, parseNetwork, WireError } from '@culvert/wire';
import { z } from 'zod';

const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const durationText = 'a duration such as 30s, 10m, 12h or 7d';

/** A length of time as text with its unit; milliseconds once parsed. */
export function duration(minimum: string, maximum: string): z.ZodType<number, string> {
  return z
    .string({ error: durationText })
    .regex(/^\d{1,9}(?:ms|s|m|h|d)$/, { error: durationText, abort: true })
    .transform((text) => millis(text))
    .refine((value) => value >= millis(minimum) && value <= millis(maximum), {
      error: `a duration from ${minimum} to ${maximum}`,
    });
}

/** As `duration`, or `never`; undefined then. */
export function durationOrNever(minimum: string, maximum: string): z.ZodType<number | undefined, string> {
  const text = `${durationText}, or never`;
  return z
    .string({ error: text })
    .regex(/^(?:\d{1,9}(?:ms|s|m|h|d)|never)$/, { error: text, abort: true })
    .transform((value) => (value === 'never' ? undefined : millis(value)))
    .refine((value) => value === undefined || (value >= millis(minimum) && value <= millis(maximum)), {
      error: `a duration from ${minimum} to ${maximum}, or never`,
    });
}

export function wholeNumber(minimum: number, maximum: number): z.ZodNumber {
  const error = `a whole number from ${minimum} to ${maximum}`;
  return z.int({ error }).min(minimum, { error }).max(maximum, { error });
}

export const port = wholeNumber(1, 65_535);

/** A network in canonical text, of one IP version or of either. */
export function network(version?: IpVersion): z.ZodType<string, string> {
  const example =
    version === 4
      ? 'an IPv4 network such as 10.88.0.0/24'
      : version === 6
        ? 'an IPv6 network such as fd88:1::/64'
        : 'a network such as 192.168.10.0/24 or fd10::/64';
  return z.string({ error: example }).transform((text, context) => {
    try {
      const parsed = parseNetwork(text);
      if (version === undefined || parsed.address.version === version) return formatNetwork(parsed);
      context.addIssue({ code: 'custom', message: example });
    } catch (error) {
      context.addIssue({ code: 'custom', message: networkHint(error) ?? example });
    }
    return z.NEVER;
  });
}

/** An address in canonical text. */
export function address(): z.ZodType<string, string> {
  const example = 'an IP address such as 192.168.10.1 or fd10::1';
  return z.string({ error: example }).transform((text, context) => {
    try {
      return formatAddress(parseAddress(text));
    } catch {
      context.addIssue({ code: 'custom', message: example });
      return z.NEVER;
    }
  });
}

/** A path; relative ones are taken from the configuration file's directory. */
export const path = z
  .string({ error: 'the path of a file' })
  .min(1, { error: 'the path of a file' })
  .refine((text) => !text.includes('\0'), { error: 'a path without NUL' });

const nameText = 'a name of letters, digits, ".", "_", "-" or "@", at most 64 characters';
/** A group's or user's name as the command line takes it. */
export const name = z.string({ error: nameText }).regex(/^[\p{L}\p{N}._@-]{1,64}$/u, { error: nameText });

const domainText = 'a domain such as example.com';
export const domain = z
  .string({ error: domainText })
  .max(253, { error: domainText })
  .regex(/^(?:[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?\.)*[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$/, {
    error: domainText,
  });

const deviceText = 'a device name of at most 15 characters, without "/" and spaces';
export const deviceName = z.string({ error: deviceText }).regex(/^(?!\.\.?$)[^/\s%:]{1,15}$/, { error: deviceText });

export const yesNo = z.boolean({ error: 'true or false' });

function millis(text: string): number {
  const [, count = '', unit = ''] = /^(\d+)([a-z]+)$/.exec(text) ?? [];
  return Number(count) * (unitMillis[unit] ?? Number.NaN);
}

/** "10.88.0.5/24 has host bits set": the network that was probably meant. */
function networkHint(error: unknown): string | undefined {
  if (!(error instanceof WireError)) return undefined;
  const meant = /the network is (\S+)$/.exec(error.message)?.[1];
  return meant === undefined ? undefined : `${meant} (host bits are set)`;
}

/** Who may come in by a transport with PPP. */
export const pppGroups = z
  .array(name)
  .min(1, { error: 'at least one group' })
  .optional()
  .describe(
    'Only users of these groups may come in this way, and only of them an NT hash is kept, if MS-CHAPv2 needs it; without it, every user',
  );
