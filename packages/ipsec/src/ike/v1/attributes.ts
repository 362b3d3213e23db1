/** Attributes of transforms by type, whichever form they came in (RFC 2408, section 3.3). */
import type { Attribute, Transform } from './security-association.ts';

/** How long a security association lives, as far as the peer says. Nothing for what it does not say. */
export interface Lifetimes {
  readonly seconds: number | undefined;
  readonly kilobytes: number | undefined;
}

const LIFE_SECONDS = 1;
const LIFE_KILOBYTES = 2;

/** The number that an attribute holds, also where it came in the variable form; nothing where it is missing or longer than 6 bytes. */
export function attributeValue({ attributes }: Transform, type: number): number | undefined {
  const found = attributes.find((attribute) => attribute.type === type);
  return found && toNumber(found);
}

/** Whether the transform has these types of attributes and no others: one that is not understood must not be chosen (RFC 2408, section 4.2). */
export function hasOnly({ attributes }: Transform, known: readonly number[]): boolean {
  return attributes.every(({ type }) => known.includes(type));
}

/** Life types and durations come in pairs (RFC 2409, appendix A; RFC 2407, section 4.5); either may come twice, once in each unit. */
export function lifetimesOf(
  { attributes }: Pick<Transform, 'attributes'>,
  typeOfType: number,
  typeOfDuration: number,
): Lifetimes {
  let unit: number | undefined;
  let seconds: number | undefined;
  let kilobytes: number | undefined;
  for (const attribute of attributes) {
    if (attribute.type === typeOfType) unit = toNumber(attribute);
    if (attribute.type !== typeOfDuration) continue;
    if (unit === LIFE_SECONDS) seconds = toNumber(attribute);
    if (unit === LIFE_KILOBYTES) kilobytes = toNumber(attribute);
  }
  return { seconds, kilobytes };
}

/** Of each unit the smaller one; zero says nothing. */
export function shorterOf(one: Lifetimes, other: Lifetimes): Lifetimes {
  return { seconds: smaller(one.seconds, other.seconds), kilobytes: smaller(one.kilobytes, other.kilobytes) };
}

function smaller(one: number | undefined, other: number | undefined): number | undefined {
  return one && other ? Math.min(one, other) : one || other || undefined;
}

/** The pairs that say so; more than 16 bits go in four bytes. */
export function lifetimeAttributes(
  typeOfType: number,
  typeOfDuration: number,
  { seconds, kilobytes }: Partial<Lifetimes>,
): readonly Attribute[] {
  const pair = (unit: number, value: number) => {
    const word = Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
    return [
      { type: typeOfType, value: unit },
      { type: typeOfDuration, value: value > 0xffff ? word : value },
    ];
  };
  return [
    ...(seconds === undefined ? [] : pair(LIFE_SECONDS, seconds)),
    ...(kilobytes === undefined ? [] : pair(LIFE_KILOBYTES, kilobytes)),
  ];
}

function toNumber({ value }: Attribute): number | undefined {
  if (typeof value === 'number') return value;
  if (value.length > 6) return undefined;
  return value.reduce((sum, byte) => sum * 256 + byte, 0);
}
