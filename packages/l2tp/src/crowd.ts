/** Tunnels that may have to make room for others, by whose they are: who has most of them loses its oldest. */
export class Crowd<Member extends { readonly source: unknown }> {
  readonly #bySource = new Map<unknown, Set<Member>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(member: Member): void {
    const members = this.#bySource.get(member.source) ?? new Set();
    if (members.has(member)) return;
    this.#bySource.set(member.source, members.add(member));
    this.#size++;
  }

  delete(member: Member): void {
    const members = this.#bySource.get(member.source);
    if (members?.delete(member) !== true) return;
    this.#size--;
    if (members.size === 0) this.#bySource.delete(member.source);
  }

  /** The oldest of who has most. */
  get surplus(): Member | undefined {
    let most: Set<Member> | undefined;
    for (const members of this.#bySource.values()) if (members.size > (most?.size ?? 0)) most = members;
    const [oldest] = most ?? [];
    return oldest;
  }
}
