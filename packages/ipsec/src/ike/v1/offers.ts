/** What two ends have in common, and how to say that they have nothing. */

/** Both offers, for the log and for whoever has to make one of them longer. */
export interface NoneChosen {
  readonly kind: 'none';
  /** In the peer's order. Algorithms that are unknown here go by their numbers. */
  readonly offered: readonly string[];
  readonly accepted: readonly string[];
}

/** One line, bounded: a peer may offer much. */
export function sideBySide({ offered, accepted }: NoneChosen): string {
  return `the peer offers ${list(offered)}; accepted here: ${list(accepted)}`;
}

// Chosen: the longest offer that is known to be of use (Apple's, 15 transforms) is told whole.
const MOST_TOLD = 16;

function list(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  const told = names.slice(0, MOST_TOLD).join(', ');
  return names.length > MOST_TOLD ? `${told} and ${names.length - MOST_TOLD} more` : told;
}
