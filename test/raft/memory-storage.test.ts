import { beforeEach, describe, expect, test } from "vitest";
import { RefusedError } from "../../src/lib/errors.ts";
import { EMPTY_CONF_STATE } from "../../src/raft/conf.ts";
import { MemoryStorage } from "../../src/raft/memory-storage.ts";
import { NO_BYTES } from "../../src/raft/message.ts";
import { COMPACTED, UNAVAILABLE } from "../../src/raft/storage.ts";
import { entriesOf } from "./support/members.ts";

let storage: MemoryStorage;
beforeEach(() => {
  storage = new MemoryStorage();
  storage.append(entriesOf(1, 1, 2, 2, 3));
});

const log = (): string[] => {
  const entries = storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Infinity);
  return typeof entries === "string" ? [entries] : entries.map(({ term, index }) => `${term}/${index}`);
};
const snapshotAt = (index: number): Parameters<MemoryStorage["applySnapshot"]>[0] => ({
  index,
  term: 2,
  confState: { ...EMPTY_CONF_STATE, voters: [1n] },
  data: NO_BYTES,
});

test("a new one is empty", () => {
  const empty = new MemoryStorage();
  expect([empty.firstIndex(), empty.lastIndex(), empty.term(0), empty.term(1)]).toEqual([
    1,
    0,
    0,
    UNAVAILABLE,
  ]);
  expect(empty.initialState()).toEqual({
    hardState: { term: 0, vote: 0n, commit: 0 },
    confState: EMPTY_CONF_STATE,
  });
});

describe("appending", () => {
  test("replaces from the first index on", () => {
    storage.append(entriesOf(1, 1, 4).slice(2));
    expect(log()).toEqual(["1/1", "1/2", "4/3"]);
  });

  test("skips what is compacted, leaves no gap, and changes nothing it gave out", () => {
    const given = storage.entries(3, 6, Infinity);
    storage.compact(2);
    storage.append(entriesOf(1, 1, 5));
    expect(log()).toEqual(["5/3"]);
    expect(given).toEqual(entriesOf(1, 1, 2, 2, 3).slice(2));
    expect(() => storage.append(entriesOf(1, 1, 1, 1, 1).slice(4))).toThrow(
      "append at 5 leaves a gap after the last index 3",
    );
  });
});

describe("compaction", () => {
  test("forgets entries, and keeps the term of the last of them", () => {
    storage.compact(3);
    expect(log()).toEqual(["2/4", "3/5"]);
    expect([storage.term(3), storage.term(2)]).toEqual([2, COMPACTED]);
    expect(storage.entries(3, 5, Infinity)).toBe(COMPACTED);
    expect(storage.entries(5, 7, Infinity)).toBe(UNAVAILABLE);
  });

  test("is refused where nothing is left to forget, and a fault past the end", () => {
    storage.compact(3);
    expect(() => storage.compact(3)).toThrow(RefusedError);
    expect(() => storage.compact(6)).toThrow("compact to 6 is past the last index 5");
  });

  test("of everything leaves an empty log that goes on", () => {
    storage.compact(5);
    expect([storage.firstIndex(), storage.lastIndex()]).toEqual([6, 5]);
    expect(storage.term(5)).toBe(3);
  });
});

describe("snapshots", () => {
  test("are made of what is in the log, each newer than the one before", () => {
    const confState = { ...EMPTY_CONF_STATE, voters: [7n] };
    expect(storage.createSnapshot(4, confState, NO_BYTES)).toMatchObject({ index: 4, term: 2, confState });
    expect(storage.createSnapshot(5, undefined, NO_BYTES)).toMatchObject({ index: 5, term: 3, confState });
    expect(storage.snapshot().index).toBe(5);
    expect(() => storage.createSnapshot(5, undefined, NO_BYTES)).toThrow(RefusedError);
    expect(() => storage.createSnapshot(9, undefined, NO_BYTES)).toThrow("snapshot at 9 is unavailable");
    expect(log()).toHaveLength(5);
  });

  test("that are received replace everything, unless they are old", () => {
    storage.applySnapshot(snapshotAt(9));
    expect([storage.firstIndex(), storage.lastIndex(), storage.term(9)]).toEqual([10, 9, 2]);
    expect(storage.initialState().confState.voters).toEqual([1n]);
    expect(() => storage.applySnapshot(snapshotAt(9))).toThrow(RefusedError);
  });
});
