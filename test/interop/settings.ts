/** What a run of the matrix may be made under, beside the usual: without offloads, or over a path whose MTU is smaller than the segments of trains. */
import type { Scenario } from './end.ts';

export interface Setting {
  /** The end of a case's id; undefined: the usual. */
  readonly name: string | undefined;
  /** To what every case is set up with. */
  readonly changes: Partial<Scenario>;
  /** Only cases whose packets it can matter to, and 10 MB instead of 100. */
  readonly short: boolean;
}

const SHORT_BULK = 10_000_000;
/** IPv6 needs so much (RFC 8200, section 5). */
export const LEAST_PATH_MTU = 1_280;

export function settingOf(options: { noOffload: boolean; pathMtu: number | undefined; short: boolean }): Setting {
  const { noOffload, pathMtu, short } = options;
  const names = [...(noOffload ? ['no-offload'] : []), ...(pathMtu === undefined ? [] : [`path-mtu-${pathMtu}`])];
  return {
    name: names.length === 0 ? undefined : names.join('+'),
    changes: {
      ...(noOffload && { offload: { server: false, client: false } }),
      ...(pathMtu !== undefined && { pathMtu }),
      ...(short && { bulk: SHORT_BULK }),
    },
    short,
  };
}

/** What the test suite runs, and the document shows. */
export const allSettings: readonly Setting[] = [
  settingOf({ noOffload: false, pathMtu: undefined, short: false }),
  settingOf({ noOffload: true, pathMtu: undefined, short: true }),
  settingOf({ noOffload: false, pathMtu: LEAST_PATH_MTU, short: true }),
];
