import { describe, expect, test } from "vitest";
import { InvariantError } from "../../src/lib/errors.ts";
import { Inflights } from "../../src/raft/inflights.ts";
import { Progress } from "../../src/raft/progress.ts";

/** A member with `match` and `next`, heard of recently. */
function member(match: number, next: number, window = 256): Progress {
  const progress = new Progress(2n, next, false, new Inflights(window, 0));
  progress.match = match;
  progress.recentActive = true;
  return progress;
}

describe("probing", () => {
  test("one append with entries pauses it until something is heard", () => {
    const progress = member(0, 4);
    progress.sentEntries(0, 0);
    expect(progress.isPaused()).toBe(false);
    progress.sentEntries(2, 10);
    expect(progress.describe()).toBe("StateProbe match=0 next=4 paused");
    expect(progress.acknowledge(3)).toBe(true);
    expect(progress.describe()).toBe("StateProbe match=3 next=4");
  });

  test("a refusal moves next back to the hint, never behind what matches", () => {
    const progress = member(2, 10);
    progress.sentEntries(1, 1);
    expect(progress.reject(9, 5)).toBe(true);
    expect(progress.describe()).toBe("StateProbe match=2 next=6");
    expect(progress.reject(5, 0)).toBe(true);
    expect(progress.next).toBe(3);
  });

  test("a hint beyond what was refused cannot move next forward", () => {
    const progress = member(0, 6);
    expect(progress.reject(5, 50)).toBe(true);
    expect(progress.next).toBe(5);
  });

  test("a refusal of another probe than the last is stale", () => {
    const progress = member(2, 10);
    expect(progress.reject(8, 3)).toBe(false);
    expect(progress.next).toBe(10);
  });

  test("after a snapshot it goes on behind that, or behind what matches if this is further", () => {
    const progress = member(1, 2);
    progress.becomeSnapshot(11);
    progress.becomeProbe();
    expect(progress.describe()).toBe("StateProbe match=1 next=12");
    progress.becomeSnapshot(20);
    progress.acknowledge(30);
    progress.becomeProbe();
    expect(progress.next).toBe(31);
  });
});

describe("replicating", () => {
  test("appends follow one another until the window is full; acknowledgements make room", () => {
    const progress = member(3, 9, 2);
    progress.becomeReplicate();
    expect(progress.next).toBe(4);
    progress.sentEntries(3, 30);
    expect(progress.describe()).toBe("StateReplicate match=3 next=7 inflight=1");
    progress.sentEntries(1, 10);
    expect(progress.describe()).toBe("StateReplicate match=3 next=8 paused inflight=2[full]");
    progress.acknowledge(6);
    progress.inflights.freeUpTo(6);
    expect(progress.describe()).toBe("StateReplicate match=6 next=8 inflight=1");
  });

  test("an empty append with a full window is a probe: it pauses again", () => {
    const progress = member(0, 1, 1);
    progress.becomeReplicate();
    progress.sentEntries(1, 1);
    progress.flowPaused = false;
    progress.sentEntries(0, 0);
    expect(progress.isPaused()).toBe(true);
  });

  test("a refusal moves next back to what matches; one of an index acknowledged since is stale", () => {
    const progress = member(5, 6);
    progress.becomeReplicate();
    progress.sentEntries(4, 4);
    expect(progress.reject(5, 2)).toBe(false);
    expect(progress.next).toBe(10);
    expect(progress.reject(9, 7)).toBe(true);
    expect(progress.next).toBe(6);
  });

  test("an acknowledgement that was known already changes nothing", () => {
    const progress = member(5, 9);
    expect(progress.acknowledge(5)).toBe(false);
    expect(progress.acknowledge(4)).toBe(false);
    expect(progress.acknowledge(12)).toBe(true);
    expect([progress.match, progress.next]).toEqual([12, 13]);
  });
});

describe("waiting for a snapshot", () => {
  test("nothing is sent, and the window is forgotten", () => {
    const progress = member(0, 1, 1);
    progress.becomeReplicate();
    progress.sentEntries(1, 1);
    progress.becomeSnapshot(11);
    expect(progress.describe()).toBe("StateSnapshot match=0 next=12 paused pendingSnap=11");
    expect(() => progress.sentEntries(1, 1)).toThrow(InvariantError);
  });
});

describe("the commit index under way", () => {
  test("is worth sending only if it could move the member's own", () => {
    const progress = member(3, 6);
    expect(progress.canBumpCommit(0)).toBe(false);
    expect(progress.canBumpCommit(4)).toBe(true);
    progress.sentCommitIndex(5);
    // The member knows that all it has been sent is committed: a larger index tells it nothing.
    expect(progress.canBumpCommit(9)).toBe(false);
    progress.becomeReplicate();
    progress.sentEntries(3, 3);
    expect(progress.canBumpCommit(6)).toBe(true);
    expect(progress.canBumpCommit(5)).toBe(false);
  });

  test("counts as lost with the appends that carried it", () => {
    const refused = member(2, 9);
    refused.sentCommitIndex(8);
    refused.reject(8, 4);
    expect(refused.sentCommit).toBe(4);
    const replicating = member(2, 3);
    replicating.becomeReplicate();
    replicating.sentEntries(6, 6);
    replicating.sentCommitIndex(8);
    replicating.reject(8, 4);
    expect(replicating.sentCommit).toBe(2);
    const unreachable = member(2, 3);
    unreachable.becomeReplicate();
    unreachable.sentEntries(6, 6);
    unreachable.sentCommitIndex(8);
    unreachable.becomeProbe();
    expect(unreachable.sentCommit).toBe(2);
    const behind = member(0, 1);
    behind.becomeSnapshot(11);
    expect(behind.sentCommit).toBe(11);
  });
});

test("a new term forgets all but who the member is", () => {
  const progress = member(5, 9);
  progress.isLearner = true;
  progress.becomeSnapshot(20);
  progress.restart(31);
  expect(progress.describe()).toBe("StateProbe match=0 next=31 learner inactive");
  expect(progress.sentCommit).toBe(0);
  expect(() => new Progress(2n, 0, false, new Inflights(1, 0))).toThrow(InvariantError);
});
