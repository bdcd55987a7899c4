/** States that a simulation wants to have been in: a simulator that never gets there proves nothing about them. */

export const STATES = [
  "elections won",
  "pre-candidates",
  "candidates",
  "elections lost",
  "leaders that stepped down",
  "entries committed",
  "entries of an earlier term committed by a later leader",
  "logs truncated",
  "proposals acknowledged",
  "proposals dropped",
  "reads answered",
  "reads answered to a follower",
  "reads answered by lease",
  "snapshots taken",
  "snapshots restored",
  "membership changes",
  "joint configurations entered",
  "joint configurations left",
  "membership changes passed over",
  "learners promoted",
  "leaders removed",
  "transfers completed",
  "members probed",
  "members behind a snapshot",
  "windows filled",
  "recoveries that cut the log",
  "terms of over ten",
] as const;
export type State = (typeof STATES)[number];

/** How often something happened, by its name. */
export class Tally<K extends string> {
  readonly counts: Record<K, number>;

  constructor(names: readonly K[]) {
    this.counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
  }

  add(name: K, count = 1): void {
    this.counts[name] += count;
  }

  addAll(counts: Readonly<Record<K, number>>): void {
    for (const name in counts) this.counts[name] += counts[name];
  }
}
