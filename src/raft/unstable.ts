/**
 * The end of the log that storage is not known to have: entries, and a snapshot they follow. Pure.
 *
 * What a `Ready` handed out is "in progress": not handed out again, but kept until storage has confirmed it, so that
 * the log can be read as a whole in between. Invariant: offset <= offsetInProgress <= offset + entries.length.
 */
import { assert, must } from "../lib/assert.ts";
import { countWithin, type Entry, NO_ENTRIES, type Snapshot } from "./message.ts";
import type { RaftLogger } from "./raft-logger.ts";

export class Unstable {
  /** A snapshot received and not yet confirmed by storage. */
  snapshot: Snapshot | undefined = undefined;
  /** Index of `entries[0]`. It may lie before the last index stored: the next write then replaces what is stored. */
  offset: number;
  /** Index after the last entry that is being written. */
  offsetInProgress: number;
  private entries: Entry[] = [];
  private snapshotInProgress = false;
  private readonly logger: RaftLogger;

  /** @param offset Index after the last one stored. */
  constructor(offset: number, logger: RaftLogger) {
    this.offset = offset;
    this.offsetInProgress = offset;
    this.logger = logger;
  }

  get length(): number {
    return this.entries.length;
  }

  /** Index of the last entry or of the snapshot; undefined if there is neither. */
  lastIndex(): number | undefined {
    if (this.entries.length > 0) return this.offset + this.entries.length - 1;
    return this.snapshot?.index;
  }

  /** Term at `index`, if it is known here. */
  term(index: number): number | undefined {
    if (index >= this.offset) return this.entries[index - this.offset]?.term;
    return this.snapshot?.index === index ? this.snapshot.term : undefined;
  }

  hasNextEntries(): boolean {
    return this.entries.length > this.offsetInProgress - this.offset;
  }

  /** Entries to be written that nobody is writing yet. */
  nextEntries(): readonly Entry[] {
    return this.hasNextEntries() ? this.entries.slice(this.offsetInProgress - this.offset) : NO_ENTRIES;
  }

  /** The snapshot to be stored, unless somebody is storing it. */
  nextSnapshot(): Snapshot | undefined {
    return this.snapshotInProgress ? undefined : this.snapshot;
  }

  /** All that is here has been handed out to be written. */
  acceptInProgress(): void {
    this.offsetInProgress = this.offset + this.entries.length;
    this.snapshotInProgress = this.snapshot !== undefined;
  }

  /**
   * Storage has everything up to the entry (`term`, `index`). Ignored if that entry is no longer the one here: it was
   * replaced while it was being written, and the replacement is still to come.
   */
  stableTo(term: number, index: number): void {
    const ours = this.term(index);
    if (ours === undefined) {
      this.logger.info(() => `entry at index ${index} missing from unstable log; ignoring`);
      return;
    }
    if (index < this.offset) {
      this.logger.info(() => `entry at index ${index} matched unstable snapshot; ignoring`);
      return;
    }
    if (ours !== term) {
      this.logger.info(
        () =>
          `entry at (index,term)=(${index},${term}) mismatched with entry at (${index},${ours}) in unstable log; ignoring`,
      );
      return;
    }
    const count = index + 1 - this.offset;
    // A new array where all of it goes, so that a burst of large entries is not kept alive by its backing store.
    if (count === this.entries.length) this.entries = [];
    else this.entries.splice(0, count);
    this.offset = index + 1;
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
  }

  /** Storage has the snapshot of `index`. */
  stableSnapTo(index: number): void {
    if (this.snapshot?.index !== index) return;
    this.snapshot = undefined;
    this.snapshotInProgress = false;
  }

  /** Puts a received snapshot in place of everything. */
  restore(snapshot: Snapshot): void {
    this.offset = snapshot.index + 1;
    this.offsetInProgress = this.offset;
    this.entries = [];
    this.snapshot = snapshot;
    this.snapshotInProgress = false;
  }

  /** Appends entries (at least one, without gaps), replacing what stands at their indexes and after. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const from = must(entries[0], () => "append of no entries to the unstable log").index;
    const end = this.offset + this.entries.length;
    assert(from <= end, () => `append at ${from} leaves a gap after the unstable log's end ${end}`);
    if (from < end) {
      if (from <= this.offset) {
        this.logger.info(() => `replace the unstable entries from index ${from}`);
        this.entries = [];
        this.offset = from;
      } else {
        this.logger.info(() => `truncate the unstable entries before index ${from}`);
        this.entries.length = from - this.offset;
      }
      // What is being written is so only as far as it was not replaced.
      this.offsetInProgress = Math.min(this.offsetInProgress, from);
    }
    for (const entry of entries) {
      const next = this.offset + this.entries.length;
      assert(entry.index === next, () => `entry ${entry.index} appended in the place of ${next}`);
      this.entries.push(entry);
    }
  }

  /** Entries `[lo, hi)`, all of which must be here, cut to at most `maxBytes` but never to none; a copy. */
  slice(lo: number, hi: number, maxBytes: number): readonly Entry[] {
    const end = this.offset + this.entries.length;
    assert(
      this.offset <= lo && lo <= hi && hi <= end,
      () => `unstable slice [${lo}, ${hi}) is outside [${this.offset}, ${end})`,
    );
    const from = lo - this.offset;
    return this.entries.slice(from, from + countWithin(this.entries, from, hi - this.offset, maxBytes));
  }
}
