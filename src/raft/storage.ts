/** What the core reads of its stored log. Pure; the caller writes, by what a `Ready` says. */
import type { ConfState } from "./conf.ts";
import type { Entry, HardState, Snapshot } from "./message.ts";

/** What was asked for lies before the first entry kept: only a snapshot can help. */
export const COMPACTED = "compacted";

/** What was asked for is not there, or not yet: an entry past the end, a snapshot still being made. */
export const UNAVAILABLE = "unavailable";

/**
 * The stored log: one snapshot and the entries after it. All calls answer at once, from memory.
 * Indexes are without gaps from `firstIndex` to `lastIndex`; an empty log has `lastIndex === firstIndex - 1`.
 */
export interface Storage {
  /** What was stored before a restart; an empty hard state and empty configuration for a member that is new. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };

  /**
   * Entries `[lo, hi)`, cut to a prefix of at most `maxBytes` (see `entrySize`) but never to none.
   * The answer may be kept: the storage never changes it later. `compacted` when `lo` is before the first entry.
   */
  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] | typeof COMPACTED | typeof UNAVAILABLE;

  /** Term of the entry at `index`; known also for `firstIndex - 1`, where the snapshot ends. */
  term(index: number): number | typeof COMPACTED | typeof UNAVAILABLE;

  firstIndex(): number;
  lastIndex(): number;

  /** The newest snapshot; `unavailable` while one is being made (the core asks again later). */
  snapshot(): Snapshot | typeof UNAVAILABLE;
}
