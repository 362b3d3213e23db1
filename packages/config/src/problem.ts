/** One mistake in a file that people write: where it is, what stands there, what should. */
export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The key as a path: `transports.openvpn.listen[0].port`. Empty for the file as a whole. */
  readonly key: string;
  readonly found: string;
  readonly expected: string;
  /** An error stops the program, a warning does not. */
  readonly severity: 'error' | 'warning';
}

/** What reading a file that people write gives. */
export interface ParsedProfileOf<Profile> {
  /** Undefined where a problem is an error. */
  readonly profile: Profile | undefined;
  readonly problems: readonly Problem[];
}

/** `culvertd.yaml:12: network.mtu: found 20, expected a whole number from 576 to 9000`. */
export function formatProblem(problem: Problem): string {
  const place = `${problem.file}:${problem.line}: ${problem.severity === 'warning' ? 'warning: ' : ''}`;
  const key = problem.key === '' ? '' : `${problem.key}: `;
  return `${place}${key}found ${problem.found}, expected ${problem.expected}`;
}
