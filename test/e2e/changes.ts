/** What tests change in a lab that they share, and how it comes to be as it was, whatever becomes of the test. */

type Undo<T = unknown> = () => Promise<T>;

export class Changes {
  readonly #standing = new Set<Undo>();

  /** Something was changed. Returns `undo` for the test to call, or not; it is done once. */
  made<T>(undo: Undo<T>): Undo<T> {
    let done: Promise<T> | undefined;
    const once = () => {
      this.#standing.delete(once);
      done ??= undo();
      return done;
    };
    this.#standing.add(once);
    return once;
  }

  /** Undoes what still stands, the latest first. */
  async undo(): Promise<void> {
    await allOf([...this.#standing].reverse());
  }
}

/** Does each step, also when one before it fails; then fails as the first that did. */
export async function allOf(steps: readonly Undo[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) await step().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
