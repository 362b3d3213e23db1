/** Arguments as a wrong or hostile caller of the native boundary would give them. */
import fc from 'fast-check';

type ArrayKind = new (buffer: ArrayBufferLike, offset?: number, length?: number) => ArrayBufferView;

const bytesOf = (Kind: ArrayKind) => ('BYTES_PER_ELEMENT' in Kind ? Number(Kind.BYTES_PER_ELEMENT) : 1);

/** A view that is sound, detached, left outside by a shrunk buffer, or shared. */
function view(Kind: ArrayKind, most: number): fc.Arbitrary<unknown> {
  return fc
    .record({
      length: fc.nat(most),
      how: fc.constantFrom('plain', 'plain', 'detached', 'shrunk', 'tracking', 'shared'),
    })
    .map(({ length, how }) => {
      const bytes = length * bytesOf(Kind);
      if (how === 'shared') return new Kind(new SharedArrayBuffer(bytes));
      if (how === 'plain') return new Kind(new ArrayBuffer(bytes));
      const buffer = new ArrayBuffer(bytes, { maxByteLength: bytes + 64 });
      const made = how === 'tracking' ? new Kind(buffer) : new Kind(buffer, 0, length);
      if (how === 'detached') buffer.transfer();
      else buffer.resize(Math.floor(bytes / 2 / 8) * 8);
      return made;
    });
}

const otherThings = fc.constantFrom<unknown>(
  undefined,
  null,
  'text',
  7n,
  {},
  [],
  () => 0,
  Symbol('s'),
  new ArrayBuffer(64),
  new DataView(new ArrayBuffer(64)),
  new Float64Array(8),
  new Uint8ClampedArray(64),
  new Int32Array(8),
  new Uint16Array(8),
);

/** Mostly sound, else any of the above. */
export const hostileBytes = fc.oneof({ weight: 4, arbitrary: view(Uint8Array, 70_000) }, otherThings);
export const hostileWords = (most: number) =>
  fc.oneof(
    { weight: 4, arbitrary: view(Uint32Array, most) },
    {
      weight: 4,
      arbitrary: fc
        .array(fc.oneof(fc.nat(3_000), fc.nat(0xffff_ffff)), { maxLength: most })
        .map((a) => Uint32Array.from(a)),
    },
    otherThings,
  );
export const hostileNumber = fc.oneof(
  { weight: 4, arbitrary: fc.nat(16) },
  fc.integer(),
  fc.double(),
  fc.constantFrom<unknown>(-1, Number.NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 32 + 1, -0.5, 1e300),
  otherThings,
);
