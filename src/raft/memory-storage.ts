/** A log kept in memory: for tests, and for the recent entries a node keeps at hand. Pure. */
import { assert, must } from "../lib/assert.ts";
import { RefusedError } from "../lib/errors.ts";
import { type ConfState, EMPTY_CONF_STATE } from "./conf.ts";
import {
  countWithin,
  EMPTY_HARD_STATE,
  type Entry,
  type HardState,
  NO_BYTES,
  type Snapshot,
} from "./message.ts";
import { COMPACTED, type Storage, UNAVAILABLE } from "./storage.ts";

export class MemoryStorage implements Storage {
  private hardState: HardState = EMPTY_HARD_STATE;
  private latest: Snapshot = { index: 0, term: 0, confState: EMPTY_CONF_STATE, data: NO_BYTES };
  /** Index and term of the entry before `log[0]`: the last one compacted, or the end of a snapshot. */
  private before = 0;
  private beforeTerm = 0;
  private log: Entry[] = [];

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.hardState, confState: this.latest.confState };
  }

  firstIndex(): number {
    return this.before + 1;
  }

  lastIndex(): number {
    return this.before + this.log.length;
  }

  term(index: number): number | typeof COMPACTED | typeof UNAVAILABLE {
    if (index < this.before) return COMPACTED;
    if (index === this.before) return this.beforeTerm;
    return this.log[index - this.before - 1]?.term ?? UNAVAILABLE;
  }

  entries(
    lo: number,
    hi: number,
    maxBytes: number,
  ): readonly Entry[] | typeof COMPACTED | typeof UNAVAILABLE {
    if (lo <= this.before) return COMPACTED;
    if (hi > this.lastIndex() + 1) return UNAVAILABLE;
    const from = lo - this.before - 1;
    return this.log.slice(from, from + countWithin(this.log, from, hi - this.before - 1, maxBytes));
  }

  snapshot(): Snapshot {
    return this.latest;
  }

  setHardState(state: HardState): void {
    this.hardState = state;
  }

  /** Appends entries without gaps, replacing what stands at their indexes and after; compacted ones are skipped. */
  append(entries: readonly Entry[]): void {
    const fresh = entries.filter((entry) => entry.index > this.before);
    const first = fresh[0];
    if (first === undefined) return;
    assert(
      first.index <= this.lastIndex() + 1,
      () => `append at ${first.index} leaves a gap after the last index ${this.lastIndex()}`,
    );
    this.log.length = first.index - this.before - 1;
    for (const entry of fresh) this.log.push(entry);
  }

  /**
   * Puts a snapshot in place of the whole log.
   * @throws RefusedError `snapshot_out_of_date` for one that is not newer than the one kept.
   */
  applySnapshot(snapshot: Snapshot): void {
    // A snapshot at 0 only tells a new member who else there is.
    if (this.latest.index !== 0) this.refuseOld(snapshot.index);
    this.latest = snapshot;
    this.before = snapshot.index;
    this.beforeTerm = snapshot.term;
    this.log = [];
  }

  /**
   * Keeps a snapshot of the state machine as of `index`, which must be in the log. The log stays until `compact`.
   * @param confState The configuration as of `index`; without it, that of the snapshot before.
   * @throws RefusedError `snapshot_out_of_date` for an index that is not newer than the snapshot kept.
   */
  createSnapshot(index: number, confState: ConfState | undefined, data: Uint8Array): Snapshot {
    this.refuseOld(index);
    const term = this.term(index);
    assert(
      typeof term === "number",
      () => `snapshot at ${index} is ${term}: the log is [${this.firstIndex()}, ${this.lastIndex()}]`,
    );
    this.latest = { index, term, confState: confState ?? this.latest.confState, data };
    return this.latest;
  }

  /**
   * Forgets all entries up to `index`, which must have been applied.
   * @throws RefusedError `compacted` if they are gone already.
   */
  compact(index: number): void {
    if (index <= this.before) {
      throw new RefusedError(
        "compacted",
        `cannot compact to ${index}: the log starts at ${this.firstIndex()}`,
      );
    }
    const last = must(
      this.log[index - this.before - 1],
      () => `compact to ${index} is past the last index ${this.lastIndex()}`,
    );
    this.log = this.log.slice(index - this.before);
    this.before = index;
    this.beforeTerm = last.term;
  }

  private refuseOld(index: number): void {
    if (index > this.latest.index) return;
    throw new RefusedError(
      "snapshot_out_of_date",
      `snapshot at ${index} is not newer than the one kept, at ${this.latest.index}`,
    );
  }
}
