import { CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_STORE_OPEN: 'the store cannot be opened',
  CULVERT_STORE_MODE: 'the store may be read by others than its owner',
  CULVERT_STORE_NEWER: 'the store was written by a newer version of Culvert',
  CULVERT_STORE_DAMAGED: 'the store is damaged',
  CULVERT_STORE_BUSY: 'the store is busy',
  CULVERT_STORE_FULL: 'no space is left for the store',
  CULVERT_STORE_FAILED: 'the store failed',
  CULVERT_STORE_USER_EXISTS: 'the user is there already',
  CULVERT_STORE_NO_USER: 'there is no such user',
  CULVERT_STORE_ADDRESS_TAKEN: 'the address belongs to another user',
  CULVERT_STORE_HASH: 'a password hash cannot be read',
  CULVERT_STORE_PASSWORD: 'the password cannot be used',
  CULVERT_STORE_OVERLOADED: 'too many passwords wait to be checked',
} as const;

export type StoreErrorCode = keyof typeof sentences;

export class StoreError extends CulvertError<StoreErrorCode> {
  override readonly name = 'StoreError';
  readonly detail: string | undefined;
  constructor(code: StoreErrorCode, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
    this.detail = detail;
  }
}

/** SQLite's primary result codes that deserve a word of their own (sqlite.org/rescode.html). */
const codes: Readonly<Record<number, StoreErrorCode>> = {
  3: 'CULVERT_STORE_OPEN', // SQLITE_PERM
  5: 'CULVERT_STORE_BUSY',
  6: 'CULVERT_STORE_BUSY', // SQLITE_LOCKED
  8: 'CULVERT_STORE_OPEN', // SQLITE_READONLY
  11: 'CULVERT_STORE_DAMAGED', // SQLITE_CORRUPT
  13: 'CULVERT_STORE_FULL',
  14: 'CULVERT_STORE_OPEN', // SQLITE_CANTOPEN
  26: 'CULVERT_STORE_DAMAGED', // SQLITE_NOTADB
};

/** SQLite's error as ours; ours stays as it is. `path` is the store's file. */
export function storeError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const { errcode, message } = error as { readonly errcode?: number; readonly message?: string };
  const code = codes[(errcode ?? 0) & 0xff] ?? 'CULVERT_STORE_FAILED';
  return new StoreError(code, `${path}: ${message ?? String(error)}`, { cause: error });
}
