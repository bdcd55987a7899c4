import { beforeEach, describe, expect, test } from "vitest";
import { EMPTY_CONF_STATE } from "../../src/raft/conf.ts";
import { type Entry, NO_BYTES } from "../../src/raft/message.ts";
import { SILENT } from "../../src/raft/raft-logger.ts";
import { Unstable } from "../../src/raft/unstable.ts";
import { entriesOf } from "./support/members.ts";

const snapshot = { index: 4, term: 2, confState: EMPTY_CONF_STATE, data: NO_BYTES };
const ids = (entries: readonly Entry[]): string[] => entries.map(({ term, index }) => `${term}/${index}`);

/** Entries 1/3, 1/4, 1/5 after two that are stored. */
let unstable: Unstable;
beforeEach(() => {
  unstable = new Unstable(3, SILENT);
  unstable.truncateAndAppend(entriesOf(1, 1, 1, 1, 1).slice(2));
});

const all = (): string[] => ids(unstable.slice(unstable.offset, unstable.offset + unstable.length, Infinity));

describe("what is being written", () => {
  test("is not handed out again, but stays readable until it is stable", () => {
    expect(ids(unstable.nextEntries())).toEqual(["1/3", "1/4", "1/5"]);
    unstable.acceptInProgress();
    expect(unstable.hasNextEntries()).toBe(false);
    expect(unstable.nextEntries()).toEqual([]);
    expect(unstable.term(5)).toBe(1);
    unstable.stableTo(1, 4);
    expect(all()).toEqual(["1/5"]);
    expect(unstable.hasNextEntries()).toBe(false);
    unstable.stableTo(1, 5);
    expect([unstable.length, unstable.offset]).toEqual([0, 6]);
  });

  test("and was replaced is handed out anew", () => {
    unstable.acceptInProgress();
    unstable.truncateAndAppend(entriesOf(1, 1, 1, 2).slice(3));
    expect(all()).toEqual(["1/3", "2/4"]);
    expect(ids(unstable.nextEntries())).toEqual(["2/4"]);
  });

  test.each([
    { name: "another entry", term: 2, index: 4 },
    { name: "one that is not here", term: 1, index: 6 },
    { name: "one before these", term: 1, index: 2 },
  ])("$name is not stable because of it", ({ term, index }) => {
    unstable.stableTo(term, index);
    expect(all()).toEqual(["1/3", "1/4", "1/5"]);
  });
});

describe("appending", () => {
  test("at the end, in the middle, and before all that is here", () => {
    unstable.truncateAndAppend(entriesOf(1, 1, 1, 1, 1, 2).slice(5));
    expect(all()).toEqual(["1/3", "1/4", "1/5", "2/6"]);
    unstable.truncateAndAppend(entriesOf(1, 1, 1, 3).slice(3));
    expect(all()).toEqual(["1/3", "3/4"]);
    unstable.truncateAndAppend(entriesOf(1, 4).slice(1));
    expect(all()).toEqual(["4/2"]);
    expect([unstable.offset, unstable.offsetInProgress]).toEqual([2, 2]);
  });

  test("leaves no gap, and nothing handed out before is changed by it", () => {
    const handedOut = unstable.nextEntries();
    unstable.truncateAndAppend(entriesOf(1, 1, 1, 3).slice(3));
    expect(ids(handedOut)).toEqual(["1/3", "1/4", "1/5"]);
    expect(() => unstable.truncateAndAppend(entriesOf(1, 1, 1, 1, 1, 1).slice(5))).toThrow(
      "append at 6 leaves a gap after the unstable log's end 5",
    );
    expect(() => unstable.truncateAndAppend([...entriesOf(1, 1, 1, 1), ...entriesOf(1)].slice(2))).toThrow(
      "entry 1 appended in the place of 5",
    );
    expect(() => unstable.slice(2, 4, Infinity)).toThrow("unstable slice [2, 4) is outside [3, 5)");
  });
});

describe("a snapshot", () => {
  beforeEach(() => unstable.restore(snapshot));

  test("takes the place of all entries", () => {
    expect([unstable.length, unstable.offset, unstable.lastIndex()]).toEqual([0, 5, 4]);
    expect([unstable.term(4), unstable.term(3), unstable.term(5)]).toEqual([2, undefined, undefined]);
  });

  test("is handed out once, and goes when it is stored", () => {
    expect(unstable.nextSnapshot()).toBe(snapshot);
    unstable.acceptInProgress();
    expect(unstable.nextSnapshot()).toBeUndefined();
    unstable.stableSnapTo(3);
    expect(unstable.snapshot).toBe(snapshot);
    unstable.stableSnapTo(4);
    expect(unstable.snapshot).toBeUndefined();
  });

  test("is not made stable by the write of an entry at its index", () => {
    unstable.stableTo(2, 4);
    expect(unstable.snapshot).toBe(snapshot);
    expect(unstable.offset).toBe(5);
  });
});
