import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RaftLog } from "../../src/raft/log.ts";
import { MemoryStorage } from "../../src/raft/memory-storage.ts";
import { entrySize, NO_BYTES } from "../../src/raft/message.ts";
import { SILENT } from "../../src/raft/raft-logger.ts";
import { COMPACTED, UNAVAILABLE } from "../../src/raft/storage.ts";
import { entriesOf } from "./support/members.ts";

/** Entries with these terms from index 1 on: the first `stored` of them are stored, the first `compacted` gone. */
function logOf(terms: readonly number[], stored = terms.length, compacted = 0): RaftLog {
  const storage = new MemoryStorage();
  const entries = entriesOf(...terms);
  storage.append(entries.slice(0, stored));
  if (compacted > 0) storage.compact(compacted);
  const log = new RaftLog(storage, SILENT, Infinity);
  log.append(entries.slice(stored));
  return log;
}

describe("reading", () => {
  const log = logOf([1, 1, 2, 2, 3], 3, 1);

  test("terms, stored or not, and of the last entry compacted", () => {
    expect([1, 2, 3, 4, 5].map((index) => log.term(index))).toEqual([1, 1, 2, 2, 3]);
    expect(log.term(0)).toBe(COMPACTED);
    expect(log.term(6)).toBe(UNAVAILABLE);
    expect([log.firstIndex(), log.lastIndex(), log.lastTerm()]).toEqual([2, 5, 3]);
  });

  test("entries across the end of what is stored, as far as they fit", () => {
    const size = entrySize({ type: 0, term: 1, index: 1, data: NO_BYTES });
    const indexes = (lo: number, hi: number, bytes: number): number[] | string => {
      const slice = log.slice(lo, hi, bytes);
      return typeof slice === "string" ? slice : slice.map(({ index }) => index);
    };
    expect(indexes(2, 6, Infinity)).toEqual([2, 3, 4, 5]);
    expect(indexes(2, 6, 3 * size)).toEqual([2, 3, 4]);
    expect(indexes(2, 6, 3 * size - 1)).toEqual([2, 3]);
    expect(indexes(2, 6, 2 * size)).toEqual([2, 3]);
    expect(indexes(2, 6, 0)).toEqual([2]);
    expect(indexes(4, 6, size)).toEqual([4]);
    expect(indexes(3, 3, 0)).toEqual([]);
    expect(indexes(1, 3, Infinity)).toBe(COMPACTED);
    expect(() => log.slice(2, 7, Infinity)).toThrow("slice [2, 7) is outside the log [2, 5]");
  });

  test("whatever is stored and compacted, a slice is what was appended", () => {
    const terms = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(terms, fc.nat(12), fc.nat(12), fc.nat(12), fc.nat(12), fc.nat(100), (steps, ...numbers) => {
        const [a, b, c, d, bytes] = numbers;
        let term = 1;
        const all = steps.map((step) => (term += step));
        const stored = Math.min(a, all.length);
        const compacted = Math.min(b, stored);
        const lo = Math.max(compacted + 1, Math.min(c, all.length));
        const hi = Math.max(lo, Math.min(d, all.length + 1));
        const entries = entriesOf(...all).slice(lo - 1, hi - 1);
        let size = 0;
        const expected = entries.filter((entry, place) => {
          size += entrySize(entry);
          return place === 0 || size <= bytes;
        });
        const made = logOf(all, stored, compacted);
        expect(made.slice(lo, hi, bytes)).toEqual(expected);
      }),
    );
  });
});

describe("the search for where logs part (paper, 5.3)", () => {
  test.each([
    { terms: [1, 3, 3, 3, 5, 5], index: 6, term: 5, found: { index: 6, term: 5 } },
    { terms: [1, 3, 3, 3, 5, 5], index: 6, term: 4, found: { index: 4, term: 3 } },
    { terms: [1, 3, 3, 3, 5, 5], index: 6, term: 2, found: { index: 1, term: 1 } },
    { terms: [3, 3], index: 2, term: 2, found: { index: 0, term: 0 } },
    { terms: [1], index: 5, term: 1, found: { index: 5, term: 0 } },
  ])("$terms, from $index with term at most $term: $found", ({ terms, index, term, found }) => {
    expect(logOf(terms).findConflictByTerm(index, term)).toEqual(found);
  });

  test("ends at what is compacted: there it may match", () => {
    expect(logOf([5, 5, 5], 3, 2).findConflictByTerm(3, 4)).toEqual({ index: 1, term: 0 });
  });

  test.each([
    { entries: [1, 1, 2], conflict: 0 },
    { entries: [1, 1, 3], conflict: 3 },
    { entries: [2], conflict: 1 },
    { entries: [1, 1, 2, 2], conflict: 4 },
  ])("of entries $entries, the first that $conflict", ({ entries, conflict }) => {
    expect(logOf([1, 1, 2]).findConflict(entriesOf(...entries))).toBe(conflict);
  });
});

describe("applied <= applying <= committed <= last", () => {
  test("the commit index never goes back, nor past the end", () => {
    const log = logOf([1, 1]);
    log.commitTo(2);
    log.commitTo(1);
    expect(log.committed).toBe(2);
    expect(() => log.commitTo(3)).toThrow("tocommit(3) is out of range [lastIndex(2)]");
    expect(() => log.append(entriesOf(1))).toThrow(
      "append at 1 would replace committed entries [committed(2)]",
    );
  });

  test("what is applied was committed, and is applied once", () => {
    const log = logOf([1, 1]);
    expect(() => log.appliedTo(1, 0)).toThrow("applied(1) is out of range [prevApplied(0), committed(0)]");
    log.commitTo(2);
    log.appliedTo(2, 0);
    expect(() => log.appliedTo(1, 0)).toThrow("applied(1) is out of range [prevApplied(2), committed(2)]");
    expect(() => log.acceptApplying(3, 0, true)).toThrow("applying(3) is out of range");
  });

  test("entries not stored are applied only where that is allowed", () => {
    const log = logOf([1, 1, 1], 1);
    log.commitTo(3);
    expect(log.nextCommitted(false).map(({ index }) => index)).toEqual([1]);
    expect(log.nextCommitted(true).map(({ index }) => index)).toEqual([1, 2, 3]);
  });

  test("entries handed out to be applied stay within their bound", () => {
    const storage = new MemoryStorage();
    storage.append(entriesOf(1, 1, 1));
    const [entry] = entriesOf(1);
    const size = entry === undefined ? 0 : entrySize(entry);
    const log = new RaftLog(storage, SILENT, 2 * size);
    log.commitTo(3);
    expect(log.nextCommitted(true)).toHaveLength(2);
    log.acceptApplying(2, 2 * size, true);
    expect(log.hasNextCommitted(true)).toBe(false);
    log.appliedTo(1, size);
    expect(log.nextCommitted(true).map(({ index }) => index)).toEqual([3]);
  });
});
