/** A connection of NetworkManager while it is read: its keys, and the problems that are found on the way. */
import { type Keyfile, type KeyfileValue, parseKeyfile } from './keyfile.ts';
import type { ParsedProfileOf, Problem } from './problem.ts';

type Values = ReadonlyMap<string, KeyfileValue>;

const nothing: Values = new Map();

export class ConnectionReader {
  readonly #file: string;
  readonly #groups: Keyfile['groups'];
  readonly #problems: Problem[];

  /** @param file its name, for problems */
  constructor(text: string, file: string) {
    const { groups, problems } = parseKeyfile(text, file);
    this.#file = file;
    this.#groups = groups;
    this.#problems = [...problems];
  }

  group(name: string): Values {
    return this.#groups.get(name) ?? nothing;
  }

  /** Undefined where the key is missing or empty. */
  text(group: string, key: string): string | undefined {
    return this.group(group).get(key)?.text || undefined;
  }

  /** As plugins write a flag: `yes`. */
  isYes(key: string): boolean {
    return this.text('vpn', key) === 'yes';
  }

  /** As NetworkManager itself writes a flag. */
  isTrue(group: string, key: string): boolean {
    return /^(?:true|1)$/.test(this.text(group, key) ?? '');
  }

  /** Of the group vpn. */
  need(key: string): string {
    const value = this.group('vpn').get(key);
    if (value === undefined || value.text === '') this.report('vpn', key, 'a value');
    return value?.text ?? '';
  }

  /** A whole number of the group vpn, with so many digits at most. */
  number(key: string, digits: number): number | undefined {
    const text = this.text('vpn', key);
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text) || text.length > digits) this.report('vpn', key, 'a number');
    return Number(text);
  }

  /** Older versions keep secrets beside the rest. */
  secret(key: string): string | undefined {
    return this.text('vpn-secrets', key) ?? this.text('vpn', key);
  }

  /** @param part of the value, where the rest is right */
  report(
    group: string,
    key: string,
    expected: string,
    severity: Problem['severity'] = 'error',
    part: string | undefined = undefined,
  ): void {
    const value = this.group(group).get(key);
    const found = value === undefined ? 'nothing' : JSON.stringify(part ?? value.text);
    this.#problems.push({
      file: this.#file,
      line: value?.line ?? 1,
      key: `${group}.${key}`,
      found,
      expected,
      severity,
    });
  }

  /** What reading gave. */
  result<Profile>(profile: Profile): ParsedProfileOf<Profile> {
    const isBad = this.#problems.some(({ severity }) => severity === 'error');
    return { profile: isBad ? undefined : profile, problems: this.#problems };
  }
}
