/**
 * Password hashes: Argon2id (RFC 9106) in PHC text, `$argon2id$v=19$m=65536,t=3,p=1$salt$hash`.
 *
 * Owns who may compute at a time: a hash takes 64 MiB and a core for a sixth of a second, off the main thread,
 * and strangers choose when. It reads no store: callers bring the encoded hash.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { StoreError } from './errors.ts';

interface Parameters {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

/** RFC 9106 section 4, second recommendation, in one lane: lanes would take cores from the packets. */
const chosen: Parameters = { memoryKib: 65_536, passes: 3, lanes: 1 };
const saltBytes = 16;
const hashBytes = 32;
/** OpenVPN carries at most 128 bytes of password, other transports more; a bound all the same. */
const maxPasswordBytes = 1024;
/** What a stored hash may ask for, so that a damaged store stops nobody. */
const most: Parameters = { memoryKib: 1_048_576, passes: 16, lanes: 16 };

const derive = promisify(argon2);

export interface PasswordHasherOptions {
  /** Computed at a time. @default 2 */
  readonly concurrent?: number;
  /** Waiting beyond those; more are turned away. @default 32 */
  readonly waiting?: number;
  /** Work of a new hash. @default 64 MiB, 3 passes, 1 lane */
  readonly parameters?: Parameters;
}

export class PasswordHasher {
  readonly #limits: { readonly concurrent: number; readonly waiting: number };
  readonly #parameters: Parameters;
  readonly #queue: (() => void)[] = [];
  /** What an unknown user's password is compared with, so that it takes as long. */
  readonly #nobody: string;
  #running = 0;

  constructor(options: PasswordHasherOptions = {}) {
    this.#limits = { concurrent: options.concurrent ?? 2, waiting: options.waiting ?? 32 };
    this.#parameters = options.parameters ?? chosen;
    this.#nobody = encode(this.#parameters, randomBytes(saltBytes), randomBytes(hashBytes));
  }

  /** The encoded hash of a new password. Rejects with CULVERT_STORE_PASSWORD, CULVERT_STORE_OVERLOADED. */
  async hash(password: string, signal?: AbortSignal): Promise<string> {
    if (password === '') throw new StoreError('CULVERT_STORE_PASSWORD', 'it is empty');
    const message = bytesOf(password);
    if (message === undefined) throw new StoreError('CULVERT_STORE_PASSWORD', `at most ${maxPasswordBytes} bytes`);
    const salt = randomBytes(saltBytes);
    return encode(this.#parameters, salt, await this.#derive(message, salt, hashBytes, this.#parameters, signal));
  }

  /**
   * Whether `password` is the one of `encoded`. With `encoded` undefined (no such user, or none that has a password) it
   * takes as long and is false. Rejects with CULVERT_STORE_HASH, CULVERT_STORE_OVERLOADED, or the signal's reason.
   */
  async verify(encoded: string | undefined, password: string, signal?: AbortSignal): Promise<boolean> {
    const { parameters, salt, hash } = decode(encoded ?? this.#nobody);
    const message = bytesOf(password);
    const derived = await this.#derive(message ?? new Uint8Array(1), salt, hash.length, parameters, signal);
    return timingSafeEqual(derived, hash) && encoded !== undefined && message !== undefined;
  }

  async #derive(
    message: Uint8Array,
    nonce: Uint8Array,
    tagLength: number,
    { memoryKib, passes, lanes }: Parameters,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    await this.#enter(signal);
    try {
      return await derive('argon2id', { message, nonce, parallelism: lanes, tagLength, memory: memoryKib, passes });
    } finally {
      this.#running--;
      this.#queue.shift()?.();
    }
  }

  #enter(signal: AbortSignal | undefined): Promise<void> | undefined {
    signal?.throwIfAborted();
    if (this.#running < this.#limits.concurrent) {
      this.#running++;
      return undefined;
    }
    if (this.#queue.length >= this.#limits.waiting) throw new StoreError('CULVERT_STORE_OVERLOADED');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const turn = () => {
      signal?.removeEventListener('abort', leave);
      this.#running++;
      resolve();
    };
    const leave = () => {
      this.#queue.splice(this.#queue.indexOf(turn), 1);
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.#queue.push(turn);
    return promise;
  }
}

/** The same characters typed on different systems are the same bytes. Undefined when there are too many of them. */
function bytesOf(password: string): Uint8Array | undefined {
  const bytes = Buffer.from(password.normalize('NFC'));
  return bytes.length <= maxPasswordBytes ? bytes : undefined;
}

function encode({ memoryKib, passes, lanes }: Parameters, salt: Uint8Array, hash: Uint8Array): string {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replaceAll('=', '');
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$${base64(salt)}$${base64(hash)}`;
}

function decode(encoded: string): { parameters: Parameters; salt: Uint8Array; hash: Uint8Array } {
  const pattern =
    /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/;
  const [, m, t, p, salt = '', hash = ''] = pattern.exec(encoded) ?? [];
  const parameters = { memoryKib: Number(m), passes: Number(t), lanes: Number(p) };
  const inBounds =
    parameters.lanes >= 1 &&
    parameters.passes >= 1 &&
    parameters.memoryKib >= 8 * parameters.lanes &&
    parameters.memoryKib <= most.memoryKib &&
    parameters.passes <= most.passes &&
    parameters.lanes <= most.lanes;
  if (!inBounds) throw new StoreError('CULVERT_STORE_HASH');
  return { parameters, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
}
