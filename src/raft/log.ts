/**
 * The log as the core sees it: what is stored, and after it what is not (`unstable.ts`), as one sequence. Pure.
 *
 * Invariant: applied <= applying <= committed <= lastIndex.
 */
import { assert } from "../lib/assert.ts";
import { type Entry, entriesSize, NO_ENTRIES, type Snapshot } from "./message.ts";
import type { RaftLogger } from "./raft-logger.ts";
import { COMPACTED, type Storage, UNAVAILABLE } from "./storage.ts";
import { Unstable } from "./unstable.ts";

type Unknown = typeof COMPACTED | typeof UNAVAILABLE;

export class RaftLog {
  readonly unstable: Unstable;
  /** Highest index known to be stored by a quorum. */
  committed: number;
  /** Highest index handed out to be applied. */
  applying: number;
  /** Highest index known to be applied. */
  applied: number;
  private readonly storage: Storage;
  private readonly logger: RaftLogger;
  /** Bound, in bytes, on entries handed out to be applied and not yet reported as applied; then it waits. */
  readonly applyingBytesMax: number;
  private applyingBytes = 0;
  private applyingPaused = false;

  constructor(storage: Storage, logger: RaftLogger, applyingBytesMax: number) {
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    assert(last >= first - 1, () => `stored log ends at ${last}, before it starts at ${first}`);
    this.storage = storage;
    this.logger = logger;
    this.applyingBytesMax = applyingBytesMax;
    this.unstable = new Unstable(last + 1, logger);
    // A compacted entry was applied before it went.
    this.committed = first - 1;
    this.applying = first - 1;
    this.applied = first - 1;
  }

  firstIndex(): number {
    const { snapshot } = this.unstable;
    return snapshot === undefined ? this.storage.firstIndex() : snapshot.index + 1;
  }

  lastIndex(): number {
    return this.unstable.lastIndex() ?? this.storage.lastIndex();
  }

  /** Term of the last entry; of the snapshot, where no entry follows it; 0 for an empty log. */
  lastTerm(): number {
    const last = this.lastIndex();
    const term = this.term(last);
    assert(typeof term === "number", () => `term of the last entry ${last} is ${term}`);
    return term;
  }

  term(index: number): number | Unknown {
    const unstable = this.unstable.term(index);
    if (unstable !== undefined) return unstable;
    // The term of firstIndex - 1 outlives its entry: appends are matched against it.
    if (index + 1 < this.firstIndex()) return COMPACTED;
    if (index > this.lastIndex()) return UNAVAILABLE;
    return this.storage.term(index);
  }

  /** Term at `index`, or 0 where it is not known: no entry has term 0. */
  termOrZero(index: number): number {
    const term = this.term(index);
    return typeof term === "number" ? term : 0;
  }

  matchTerm(term: number, index: number): boolean {
    return this.term(index) === term;
  }

  /** True if a log ending in (`term`, `index`) is at least as up to date as this one (paper, 5.4.1). */
  isUpToDate(term: number, index: number): boolean {
    const ours = this.lastTerm();
    return term > ours || (term === ours && index >= this.lastIndex());
  }

  /**
   * Takes entries that a leader says follow (`prevTerm`, `prevIndex`), and moves the commit index to at most `commit`.
   * Entries that are here already are left as they are: the message may be an old one (paper, 5.3).
   * @returns Index of the last of them, or undefined if this log does not have the entry before them.
   */
  maybeAppend(
    prevTerm: number,
    prevIndex: number,
    entries: readonly Entry[],
    commit: number,
  ): number | undefined {
    if (!this.matchTerm(prevTerm, prevIndex)) return undefined;
    const last = prevIndex + entries.length;
    const conflict = this.findConflict(entries);
    if (conflict !== 0) {
      assert(
        conflict > this.committed,
        () => `entry ${conflict} conflicts with a committed entry [committed(${this.committed})]`,
      );
      this.append(conflict === prevIndex + 1 ? entries : entries.slice(conflict - prevIndex - 1));
    }
    this.commitTo(Math.min(commit, last));
    return last;
  }

  /** Appends entries, replacing what stands at their indexes and after. @returns The last index. */
  append(entries: readonly Entry[]): number {
    const first = entries[0];
    if (first !== undefined) {
      assert(
        first.index > this.committed,
        () => `append at ${first.index} would replace committed entries [committed(${this.committed})]`,
      );
      this.unstable.truncateAndAppend(entries);
    }
    return this.lastIndex();
  }

  /** Index of the first of these entries that is not here with this term, or 0 if all are. */
  findConflict(entries: readonly Entry[]): number {
    for (const { index, term } of entries) {
      if (this.matchTerm(term, index)) continue;
      if (index <= this.lastIndex()) {
        this.logger.info(
          () =>
            `found conflict at index ${index} [existing term: ${this.termOrZero(index)}, conflicting term: ${term}]`,
        );
      }
      return index;
    }
    return 0;
  }

  /**
   * Where this log may still match another one of which only the entry (`term`, `index`) is known: the highest index
   * up to `index` whose term here is at most `term`. Terms only grow along a log, so all after it cannot match.
   * @returns That index, with its term here (0 where it is not known).
   */
  findConflictByTerm(index: number, term: number): { readonly index: number; readonly term: number } {
    for (let at = index; at > 0; at -= 1) {
      const ours = this.term(at);
      if (typeof ours !== "number") return { index: at, term: 0 };
      if (ours <= term) return { index: at, term: ours };
    }
    return { index: 0, term: 0 };
  }

  /** True while a received snapshot is not known to be stored: the state machine is then behind this log. */
  hasSnapshotPending(): boolean {
    return this.unstable.snapshot !== undefined;
  }

  /** @param allowUnstable Whether entries may be applied before this machine has stored them. */
  hasNextCommitted(allowUnstable: boolean): boolean {
    // A snapshot goes first: entries after it mean nothing to a state machine that has not got it.
    if (this.applyingPaused || this.hasSnapshotPending()) return false;
    return this.applying < this.appliableIndex(allowUnstable);
  }

  /** Committed entries to be applied next, within what `applyingBytesMax` leaves (but at least one). */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return NO_ENTRIES;
    const room = this.applyingBytesMax - this.applyingBytes;
    assert(room > 0, () => `room to apply entries is ${room} of ${this.applyingBytesMax} but not paused`);
    const entries = this.slice(this.applying + 1, this.appliableIndex(allowUnstable) + 1, room);
    assert(
      typeof entries !== "string",
      () => `entries after ${this.applying} were compacted before they were applied`,
    );
    return entries;
  }

  /** Entries up to `index`, of `bytes`, were handed out to be applied. */
  acceptApplying(index: number, bytes: number, allowUnstable: boolean): void {
    assert(
      this.applying <= index && index <= this.committed,
      () =>
        `applying(${index}) is out of range [prevApplying(${this.applying}), committed(${this.committed})]`,
    );
    this.applying = index;
    this.applyingBytes += bytes;
    // Less was handed out than could be: the next entry did not fit.
    this.applyingPaused =
      this.applyingBytes >= this.applyingBytesMax || index < this.appliableIndex(allowUnstable);
  }

  /** Entries up to `index`, of `bytes`, have been applied. */
  appliedTo(index: number, bytes: number): void {
    assert(
      this.applied <= index && index <= this.committed,
      () => `applied(${index}) is out of range [prevApplied(${this.applied}), committed(${this.committed})]`,
    );
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    // Entries that a snapshot skipped are never reported, so this may fall short.
    this.applyingBytes = Math.max(0, this.applyingBytes - bytes);
    this.applyingPaused = this.applyingBytes >= this.applyingBytesMax;
  }

  /** Moves the commit index forward; never back. */
  commitTo(index: number): void {
    if (index <= this.committed) return;
    assert(
      index <= this.lastIndex(),
      () =>
        `tocommit(${index}) is out of range [lastIndex(${this.lastIndex()})]. Was the raft log corrupted, truncated, or lost?`,
    );
    this.committed = index;
  }

  /** Moves the commit index to `index` if its entry is of `term` (paper, 5.4.2). @returns Whether it moved. */
  maybeCommit(term: number, index: number): boolean {
    if (index <= this.committed || !this.matchTerm(term, index)) return false;
    this.commitTo(index);
    return true;
  }

  /** The snapshot to send to a member that is too far behind. */
  snapshot(): Snapshot | typeof UNAVAILABLE {
    return this.unstable.snapshot ?? this.storage.snapshot();
  }

  /** Puts a received snapshot in place of the whole log. */
  restore(snapshot: Snapshot): void {
    this.logger.info(
      () =>
        `log [${this.describe()}] starts to restore snapshot [index: ${snapshot.index}, term: ${snapshot.term}]`,
    );
    this.committed = snapshot.index;
    this.unstable.restore(snapshot);
  }

  /** Entries from `lo` to the end, within `maxBytes` (but at least one, if there is one). */
  entries(lo: number, maxBytes: number): readonly Entry[] | typeof COMPACTED {
    return lo > this.lastIndex() ? NO_ENTRIES : this.slice(lo, this.lastIndex() + 1, maxBytes);
  }

  /** Entries `[lo, hi)`, cut to at most `maxBytes` but never to none; `compacted` when `lo` is before the first. */
  slice(lo: number, hi: number, maxBytes: number): readonly Entry[] | typeof COMPACTED {
    assert(
      lo <= hi && hi <= this.lastIndex() + 1,
      () => `slice [${lo}, ${hi}) is outside the log [${this.firstIndex()}, ${this.lastIndex()}]`,
    );
    if (lo < this.firstIndex()) return COMPACTED;
    if (lo === hi) return NO_ENTRIES;
    const { offset } = this.unstable;
    if (lo >= offset) return this.unstable.slice(lo, hi, maxBytes);

    const cut = Math.min(hi, offset);
    const stored = this.storage.entries(lo, cut, maxBytes);
    assert(stored !== UNAVAILABLE, () => `entries [${lo}, ${cut}) are unavailable from storage`);
    if (stored === COMPACTED || hi <= offset || stored.length < cut - lo) return stored;
    const room = maxBytes - entriesSize(stored);
    if (room <= 0) return stored;
    const rest = this.unstable.slice(offset, hi, room);
    // The first of the rest is given even where it does not fit; here it is not the first.
    return rest.length === 1 && entriesSize(rest) > room ? stored : stored.concat(rest);
  }

  describe(): string {
    const { committed, applied, applying, unstable } = this;
    return (
      `committed=${committed}, applied=${applied}, applying=${applying}, unstable.offset=${unstable.offset}, ` +
      `unstable.offsetInProgress=${unstable.offsetInProgress}, len(unstable.Entries)=${unstable.length}`
    );
  }

  private appliableIndex(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }
}
