/** Users, groups, password hashes and leases, kept in an embedded SQLite store. */
export { StoreError, type StoreErrorCode } from './errors.ts';
export { openStore, openStoreThread } from './open-store.ts';
export { PasswordHasher, type PasswordHasherOptions } from './password-hash.ts';
export type { NewLease, Store, StoredLease, User, UserChange } from './store.ts';
