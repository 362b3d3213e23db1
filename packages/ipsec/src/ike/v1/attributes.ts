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
export function lifetimesOf({ attributes }: Transform, typeOfType: number, typeOfDuration: number): Lifetimes {
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

/** The pair that says so many seconds; more than 16 bits go in four bytes. */
export function secondsAttributes(typeOfType: number, typeOfDuration: number, seconds: number): readonly Attribute[] {
  const word = Uint8Array.of(seconds >>> 24, (seconds >>> 16) & 0xff, (seconds >>> 8) & 0xff, seconds & 0xff);
  return [
    { type: typeOfType, value: LIFE_SECONDS },
    { type: typeOfDuration, value: seconds > 0xffff ? word : seconds },
  ];
}

function toNumber({ value }: Attribute): number | undefined {
  if (typeof value === 'number') return value;
  if (value.length > 6) return undefined;
  return value.reduce((sum, byte) => sum * 256 + byte, 0);
}
