/**
 * The users as the store last told them, so that a certificate is judged without asking another thread.
 *
 * What is known may be a quarter of a second old: the gateway reads all users when the store has changed, and ends sessions that may not
 * go on (`users.ts`). So nobody is refused by it alone, and where the users cannot be read nothing is known at all.
 */
import type { User } from '@culvert/store';

export class KnownUsers {
  #byName: ReadonlyMap<string, User> | undefined;

  /** All users of the store; undefined: they cannot be read. */
  set(users: readonly User[] | undefined): void {
    this.#byName = users && new Map(users.map((user) => [user.name, user]));
  }

  /** The record of `name`; undefined: it has none. `unknown`: ask the store. */
  find(name: string): User | undefined | 'unknown' {
    return this.#byName === undefined ? 'unknown' : this.#byName.get(name);
  }
}
