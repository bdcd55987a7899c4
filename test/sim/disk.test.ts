import { expect, test } from "vitest";
import { type Entry, EntryType, type HardState, NO_BYTES } from "../../src/raft/message.ts";
import { Disk } from "./disk.ts";
import { Random } from "./random.ts";

const entry = (index: number, term = 1): Entry => ({ type: EntryType.normal, term, index, data: NO_BYTES });
const state = (commit: number): HardState => ({ term: 1, vote: 1n, commit });

/** A disk with entries 1 and 2 synced, and 3 to 8 with their hard state in its cache only. */
function halfSynced(kept: HardState[] = []): Disk {
  const disk = new Disk((each) => kept.push(each));
  disk.write({ hardState: state(1), entries: [entry(1), entry(2)], snapshot: undefined });
  disk.sync();
  const entries = [3, 4, 5, 6, 7, 8].map((index) => entry(index));
  disk.write({ hardState: state(2), entries, snapshot: undefined });
  return disk;
}

test("what was synced outlives a loss of power, and what follows it does up to the first hole", () => {
  const ends = new Set<number>();
  let reordered = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const disk = halfSynced();
    const report = disk.crash(true, new Random(seed));
    reordered += report.reordered;
    const last = disk.view.lastIndex();
    ends.add(last);
    expect(last).toBeGreaterThanOrEqual(2);
    expect(disk.durable.lastIndex()).toBe(last);
    // The hard state was written behind the entries: it cannot be there without them.
    expect(last === 8 || disk.view.initialState().hardState.commit === 1).toBe(true);
  }
  expect([...ends].toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  expect(reordered).toBeGreaterThan(0);
});

test("a program that ends leaves its writes with the machine", () => {
  const kept: HardState[] = [];
  const disk = halfSynced(kept);
  expect(disk.crash(false, new Random(1))).toEqual({ lost: 0, reordered: 0 });
  expect(disk.view.lastIndex()).toBe(8);
  expect(kept.map(({ commit }) => commit)).toEqual([1, 2]);
});
