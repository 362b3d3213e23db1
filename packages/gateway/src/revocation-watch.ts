/** Follows the revocation lists that the configuration in force names. */
import { type FileWatch, watchFile } from './file-watch.ts';

export class RevocationWatch {
  readonly #onList: (file: string) => void;
  readonly #watches = new Map<string, FileWatch>();

  /** `onList` is called for each file when it is followed, as it may have changed before, and whenever it changes. */
  constructor(onList: (file: string) => void) {
    this.#onList = onList;
  }

  follow(files: readonly string[]): void {
    for (const [file, watch] of this.#watches) {
      if (files.includes(file)) continue;
      watch.close();
      this.#watches.delete(file);
    }
    for (const file of files) {
      if (this.#watches.has(file)) continue;
      const read = () => this.#onList(file);
      this.#watches.set(file, watchFile(file, read, read));
    }
  }

  close(): void {
    this.follow([]);
  }
}
