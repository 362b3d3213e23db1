/** What the gateway remembers. SQLite keeps it today; every method is asynchronous so that a server may keep it later. */

export interface User {
  /** As the peer spells it: a certificate's common name, or the user name beside a password. Case matters. */
  readonly name: string;
  readonly enabled: boolean;
  readonly hasPassword: boolean;
  /** MS-CHAPv2 can be checked: there is a sealed NT hash of the password. */
  readonly hasNtHash: boolean;
  readonly groups: readonly string[];
  /** The inner addresses that this user always has, canonical text. */
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  /** Networks behind the user's end, canonical text. */
  readonly networksBehind: readonly string[];
  /** Unix milliseconds. */
  readonly created: number;
}

/** What can be told of a user. What is absent stays as it is; null takes an address away. */
export interface UserChange {
  readonly enabled?: boolean;
  readonly groups?: readonly string[];
  readonly ipv4?: string | null;
  readonly ipv6?: string | null;
  readonly networksBehind?: readonly string[];
  /** As PasswordHasher made it; null takes the password away. Either takes the NT hash away that is not told with it. */
  readonly passwordHash?: string | null;
  /** Of the same password, sealed by the caller: whoever has an NT hash needs no password. */
  readonly ntHash?: string;
}

export interface StoredLease {
  readonly user: string;
  /** Canonical text. */
  readonly address: string;
}

export interface NewLease extends StoredLease {
  readonly version: 4 | 6;
}

/** Every method rejects with StoreError. What a resolved promise reports is on the disk: it survives a crash and a power cut. */
export interface Store {
  user(name: string): Promise<User | undefined>;
  /** In the order of names. */
  users(): Promise<readonly User[]>;
  /** CULVERT_STORE_USER_EXISTS, CULVERT_STORE_ADDRESS_TAKEN. */
  addUser(name: string, fields: UserChange): Promise<void>;
  /** CULVERT_STORE_NO_USER, CULVERT_STORE_ADDRESS_TAKEN. */
  changeUser(name: string, change: UserChange): Promise<void>;
  /** Also forgets the user's leases. CULVERT_STORE_NO_USER. */
  removeUser(name: string): Promise<void>;
  passwordHash(name: string): Promise<string | undefined>;
  /** Sealed, as it was told. */
  ntHash(name: string): Promise<string | undefined>;
  /** Of these users. Returns how many had one. */
  forgetNtHashes(names: readonly string[]): Promise<number>;
  /** Who last held which address, the one used longest ago first. */
  leases(version: 4 | 6): Promise<readonly StoredLease[]>;
  /** Each user holds its address from now on, in this order; whoever held it before is forgotten. One write for all of them, or for none. */
  putLeases(leases: readonly NewLease[]): Promise<void>;
  close(): Promise<void>;
}
