import { describe, expect, test } from "vitest";
import { type ConfState, EMPTY_CONF_STATE, parseChanges } from "../../src/raft/conf.ts";
import { restore, simple } from "../../src/raft/confchange.ts";
import { Tracker } from "../../src/raft/tracker.ts";

function tracking(config: Partial<ConfState>, lastIndex = 10): Tracker {
  const tracker = new Tracker(3, 0);
  const { config: checked, added } = restore({ ...EMPTY_CONF_STATE, ...config });
  tracker.adopt(checked, added, lastIndex);
  return tracker;
}

function acknowledge(tracker: Tracker, indexes: Readonly<Record<string, number>>): void {
  for (const [id, index] of Object.entries(indexes)) tracker.progress(BigInt(id))?.acknowledge(index);
}

const JOINT: Partial<ConfState> = {
  voters: [4n, 5n, 1n],
  votersOutgoing: [1n, 2n, 3n],
  learners: [9n],
  learnersNext: [3n],
};

describe("members", () => {
  test("are the voters of both halves and the learners, each once and by id", () => {
    const tracker = tracking(JOINT);
    expect(tracker.members.map(({ id }) => id)).toEqual([1n, 2n, 3n, 4n, 5n, 9n]);
    expect(tracker.voters.map(({ id }) => id)).toEqual([1n, 2n, 3n, 4n, 5n]);
    expect(tracker.progress(9n)?.isLearner).toBe(true);
    expect(tracker.progress(3n)?.isLearner).toBe(false);
    expect(tracker.progress(7n)).toBeUndefined();
  });

  test("a new one is probed from the last index, and counts as active until the next check", () => {
    const tracker = tracking({ voters: [1n] }, 7);
    expect(tracker.describeMembers()).toBe("1: StateProbe match=0 next=7\n");
  });

  test("those that stay keep their progress, also in another role; those that leave lose it", () => {
    const tracker = tracking({ voters: [1n, 2n], learners: [3n] });
    acknowledge(tracker, { 1: 12, 3: 11 });
    const change = simple(tracker.config, parseChanges("v3"));
    tracker.adopt(change.config, change.added, 12);
    expect(tracker.describeMembers()).toBe(
      "1: StateProbe match=12 next=13\n2: StateProbe match=0 next=10\n3: StateProbe match=11 next=12\n",
    );
    const removal = simple(tracker.config, parseChanges("r3"));
    tracker.adopt(removal.config, removal.added, 12);
    expect(tracker.progress(3n)).toBeUndefined();
  });

  test("one removed and added again by the same change starts anew", () => {
    const tracker = tracking({ voters: [1n, 2n] });
    acknowledge(tracker, { 2: 12 });
    const change = simple(tracker.config, parseChanges("r2 v2"));
    tracker.adopt(change.config, change.added, 20);
    expect(tracker.describeMembers()).toContain("2: StateProbe match=0 next=20\n");
  });

  test("a group of one voter is one, whatever its learners", () => {
    expect(tracking({ voters: [1n], learners: [2n] }).isSingleton()).toBe(true);
    expect(tracking({ voters: [1n, 2n] }).isSingleton()).toBe(false);
    expect(tracking({ voters: [1n], votersOutgoing: [2n] }).isSingleton()).toBe(false);
  });
});

describe("what is committed", () => {
  test("learners do not count", () => {
    const tracker = tracking({ voters: [1n, 2n, 3n], learners: [4n, 5n] });
    acknowledge(tracker, { 1: 12, 4: 12, 5: 12 });
    expect(tracker.committed()).toBe(0);
    acknowledge(tracker, { 3: 11 });
    expect(tracker.committed()).toBe(11);
  });

  // Thesis §4.3: agreement requires separate majorities from both the old and new configurations.
  test("in a joint configuration both halves must have it", () => {
    const tracker = tracking(JOINT);
    acknowledge(tracker, { 1: 20, 2: 20, 3: 20 });
    expect(tracker.committed()).toBe(0);
    acknowledge(tracker, { 5: 15 });
    expect(tracker.committed()).toBe(15);
  });

  test("without voters there is nothing that would have to be asked", () => {
    expect(tracking({}).committed()).toBe(Infinity);
  });
});

describe("votes", () => {
  test("only the first of each voter counts (§5.2)", () => {
    const tracker = tracking({ voters: [1n, 2n, 3n] });
    tracker.recordVote(1n, true);
    tracker.recordVote(2n, false);
    tracker.recordVote(2n, true);
    expect(tracker.tallyVotes()).toEqual({ granted: 1, rejected: 1, result: "pending" });
    tracker.recordVote(3n, true);
    expect(tracker.tallyVotes()).toEqual({ granted: 2, rejected: 1, result: "won" });
    tracker.resetVotes();
    expect(tracker.tallyVotes()).toEqual({ granted: 0, rejected: 0, result: "pending" });
  });

  test("those of learners and strangers do not count", () => {
    const tracker = tracking({ voters: [1n, 2n, 3n], learners: [4n] });
    tracker.recordVote(1n, true);
    tracker.recordVote(4n, true);
    tracker.recordVote(9n, true);
    expect(tracker.tallyVotes()).toEqual({ granted: 1, rejected: 0, result: "pending" });
  });

  test("in a joint configuration both halves must grant, and either can refuse", () => {
    const tracker = tracking(JOINT);
    const resultOf = (granted: readonly bigint[], rejected: readonly bigint[]): string =>
      tracker.voteResult((id) => granted.includes(id) || (rejected.includes(id) ? false : undefined));
    expect(resultOf([1n, 2n, 3n], [])).toBe("pending");
    expect(resultOf([1n, 2n, 4n], [])).toBe("won");
    expect(resultOf([1n, 2n, 3n], [4n, 5n])).toBe("lost");
  });
});

test("the quorum is active while a majority of each half was heard, learners or not", () => {
  const tracker = tracking(JOINT);
  const hear = (...ids: bigint[]): void => {
    for (const each of tracker.members) each.recentActive = ids.includes(each.id);
  };
  hear(1n, 2n, 3n, 9n);
  expect(tracker.isQuorumActive()).toBe(false);
  hear(1n, 2n, 5n);
  expect(tracker.isQuorumActive()).toBe(true);
  hear(4n, 5n, 3n);
  expect(tracker.isQuorumActive()).toBe(false);
});
