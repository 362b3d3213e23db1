/** Memory that the C library keeps after it was freed. */
import { native } from './native.ts';

/**
 * Gives the free pages of malloc's heaps, of all threads, back to the kernel (glibc's malloc_trim(3)); it keeps them otherwise, in case that somebody
 * wants them again. Takes a millisecond for each few megabytes.
 *
 * @returns whether there were any; false, too, where the C library has no such call
 */
export function trimMemory(): boolean {
  return native.trimMemory() === 1;
}
