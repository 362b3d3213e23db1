/** Does the work for each item, so many at once, in the order of the items. Resolves with the results in that order. */
export async function inLanes<Item, Result>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item, lane: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async (_: unknown, number: number): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      const item = items[at] as Item;
      results[at] = await work(item, number);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}
