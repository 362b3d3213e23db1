/**
 * A pre-shared key of IKE from its file, and how much of a guess it is.
 *
 * Whoever makes a client dial them, or sits on its way, can try guesses at leisure (RFC 2409 authenticates with a hash over the key), so
 * it must not be one that can be guessed.
 */

const leastCharacters = 8;
/** About what 14 random letters and digits have; all guesses of such a size are out of reach. */
const strongBits = 80;
/** Fewer different characters than these are a pattern. */
const leastDifferent = 6;

/** The first line of the file, without its end; as bytes of UTF-8, which is what clients make of what is typed. */
export function presharedKeyOf(text: string): string {
  return text.replace(/\r?\n[\s\S]*$/, '');
}

/** Why the file has no key that could be used; undefined where it has. */
export function presharedKeyMistake(text: string): string | undefined {
  const key = presharedKeyOf(text);
  if (key === '') return 'an empty first line';
  if (text.slice(key.length).trim() !== '') return 'more than one line';
  return key.length < leastCharacters ? `a key of ${key.length} characters` : undefined;
}

/** Why the key is a weak one; undefined where it is none. */
export function presharedKeyWeakness(key: string): string | undefined {
  if (/^\s|\s$/.test(key)) return 'a key that begins or ends with a space, which is part of it';
  if (!/^[\x20-\x7e]*$/.test(key)) return 'a key beyond ASCII, which systems encode each in its way';
  const kinds: readonly (readonly [RegExp, number])[] = [
    [/[a-z]/, 26],
    [/[A-Z]/, 26],
    [/[0-9]/, 10],
    [/[^a-zA-Z0-9]/, 33],
  ];
  const alphabet = kinds.reduce((sum, [kind, size]) => sum + (kind.test(key) ? size : 0), 0);
  const bits = Math.floor(key.length * Math.log2(alphabet));
  if (bits >= strongBits && new Set(key).size >= leastDifferent) return undefined;
  return `a key that can be guessed (${key.length} characters)`;
}
