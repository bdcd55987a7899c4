import { describe, expect, test } from "vitest";
import { RefusedError } from "../../src/lib/errors.ts";
import { MessageType, NO_BYTES, NONE, type Snapshot } from "../../src/raft/message.ts";
import { bytes, entriesOf, FIVE, Group, Member, THREE, text } from "./support/members.ts";

const { app, appResp, heartbeat, heartbeatResp, snap } = MessageType;

/** 1, elected by 2 in term 1, with its first entry stored and nothing acknowledged by others. */
function makeLeader(
  ...args: ConstructorParameters<typeof Member> extends [bigint, ...infer Rest] ? Rest : never
): Member {
  const leader = new Member(1n, ...args);
  leader.elect(2n, 3n);
  expect(leader.node.raft.role).toBe("leader");
  return leader;
}

describe("paper, 5.3: log replication", () => {
  test("a leader opens its term with an empty entry, sent to all at once (section 8)", () => {
    const leader = new Member(1n);
    leader.node.campaign();
    leader.work();
    leader.receive(MessageType.voteResp, 2n, 1);
    const first = {
      type: app,
      term: 1,
      index: 0,
      logTerm: 0,
      entries: [{ term: 1, index: 1, data: NO_BYTES }],
    };
    expect(leader.work()).toMatchObject([
      { ...first, to: 2n },
      { ...first, to: 3n },
    ]);
  });

  test("an entry is committed once a majority has stored it, and the others hear of it", () => {
    const leader = makeLeader({ voters: FIVE });
    leader.receive(appResp, 2n, 1, { index: 1 });
    expect(leader.node.raft.log.committed).toBe(0);
    leader.receive(appResp, 3n, 1, { index: 1 });
    expect(leader.node.raft.log.committed).toBe(1);
    expect(leader.work()).toMatchObject([
      { type: app, to: 2n, index: 1, entries: [], commit: 1 },
      { type: app, to: 3n, index: 1, entries: [], commit: 1 },
      // 4 and 5 have not answered the first append yet: nothing more before they do.
    ]);
    expect(leader.applied.map(({ index }) => index)).toEqual([1]);
  });

  test("an acknowledgement that comes twice counts once", () => {
    const leader = makeLeader({ voters: FIVE });
    leader.receive(appResp, 2n, 1, { index: 1 });
    leader.receive(appResp, 2n, 1, { index: 1 });
    expect(leader.node.raft.log.committed).toBe(0);
  });

  test("an entry of a learner is none of a majority's (thesis 4.2.1)", () => {
    const leader = new Member(1n, { voters: [1n, 2n], learners: [3n] }).elect(2n);
    leader.receive(appResp, 3n, 1, { index: 1 });
    expect(leader.node.raft.log.committed).toBe(0);
    leader.receive(appResp, 2n, 1, { index: 1 });
    expect(leader.node.raft.log.committed).toBe(1);
  });

  test("all members apply the same entries in the same order", () => {
    const group = new Group(THREE);
    group.elect(1n);
    group.propose(1n, "a", "b");
    group.propose(2n, "c");
    group.propose(1n, "d");
    for (const id of THREE) expect(group.appliedBy(id)).toEqual(["a", "b", "c", "d"]);
  });

  test("a follower commits no further than what it knows to match (figure 2, AppendEntries 5)", () => {
    const follower = new Member(2n, { terms: [1, 1, 1] });
    follower.receive(app, 1n, 1, { index: 1, logTerm: 1, entries: entriesOf(1, 1).slice(1), commit: 3 });
    expect(follower.node.raft.log.committed).toBe(2);
    follower.receive(app, 1n, 1, { index: 3, logTerm: 1, commit: 1 });
    expect(follower.node.raft.log.committed).toBe(2);
  });

  test.each([
    { name: "has it", terms: [1, 1], index: 2, logTerm: 1, refused: false },
    { name: "has another one in its place", terms: [1, 1], index: 2, logTerm: 2, refused: true },
    { name: "ends before it", terms: [1, 1], index: 3, logTerm: 1, refused: true },
  ])("an append names the entry before; a follower that $name: refused $refused", (row) => {
    const follower = new Member(2n, { terms: row.terms });
    follower.receive(app, 1n, 2, { index: row.index, logTerm: row.logTerm });
    expect(follower.work()).toMatchObject([{ type: appResp, to: 1n, index: row.index, reject: row.refused }]);
  });

  test("what conflicts with the leader's entries is deleted, with all after it (AppendEntries 3)", () => {
    const follower = new Member(2n, { terms: [1, 1, 2, 2] });
    const entries = entriesOf(1, 1, 3).slice(1);
    follower.receive(app, 1n, 3, { index: 1, logTerm: 1, entries });
    expect(follower.work()).toMatchObject([{ type: appResp, index: 3, reject: false }]);
    expect(follower.log()).toEqual(["1/1", "1/2", "3/3"]);
    expect(follower.storage.lastIndex()).toBe(3);
  });

  test("an append that was delayed deletes nothing that came after it (AppendEntries 3, 4)", () => {
    const follower = new Member(2n, { terms: [1, 1, 1] });
    follower.receive(app, 1n, 1, { index: 0, logTerm: 0, entries: entriesOf(1) });
    expect(follower.work()).toMatchObject([{ type: appResp, index: 1, reject: false }]);
    expect(follower.log()).toEqual(["1/1", "1/2", "1/3"]);
  });

  test("an append from before what is committed is answered by what is", () => {
    const follower = new Member(2n, { terms: [1, 1, 1], hardState: { term: 1, vote: NONE, commit: 2 } });
    follower.receive(app, 1n, 1, { index: 0, logTerm: 0, entries: entriesOf(1) });
    expect(follower.work()).toMatchObject([{ type: appResp, index: 2, reject: false }]);
  });

  test("a committed entry is never replaced", () => {
    const follower = new Member(2n, { terms: [1, 1], hardState: { term: 1, vote: NONE, commit: 2 } });
    const entries = entriesOf(1, 2).slice(1);
    expect(() => follower.node.raft.log.maybeAppend(1, 1, entries, 2)).toThrow(
      "entry 2 conflicts with a committed entry [committed(2)]",
    );
  });

  // Figure 7: logs that a follower may have when a leader with `leader` comes to power for term 8.
  const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  test.each([
    { figure: "a", terms: [1, 1, 1, 4, 4, 5, 5, 6, 6] },
    { figure: "b", terms: [1, 1, 1, 4] },
    { figure: "c", terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6] },
    { figure: "d", terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7] },
    { figure: "e", terms: [1, 1, 1, 4, 4, 4, 4] },
    { figure: "f", terms: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] },
  ])("figure 7 ($figure): a follower's log becomes the leader's", ({ terms }) => {
    const group = new Group(THREE);
    const at = (term: number): { hardState: { term: number; vote: bigint; commit: number } } => ({
      hardState: { term, vote: NONE, commit: 0 },
    });
    group.members.set(1n, new Member(1n, { terms: leader, ...at(7) }));
    group.members.set(2n, new Member(2n, { terms, ...at(7) }));
    // 3 is a voter that has nothing; its vote makes the leader.
    group.members.set(3n, new Member(3n, at(7)));
    group.elect(1n);
    expect(group.get(2n).log()).toEqual([...leader, 8].map((term, i) => `${term}/${i + 1}`));
    expect(group.get(3n).log()).toEqual(group.get(1n).log());
  });

  test("a leader finds where logs part in a round for each term, not for each entry (5.3, end)", () => {
    const group = new Group(THREE);
    const hardState = { term: 3, vote: NONE, commit: 0 };
    const ofTerm = (term: number): number[] => Array.from({ length: 50 }, () => term);
    group.members.set(1n, new Member(1n, { terms: [1, ...ofTerm(3)], hardState }));
    group.members.set(2n, new Member(2n, { terms: [1, ...ofTerm(2), ...ofTerm(2)], hardState }));
    let refusals = 0;
    group.loses = (m) => {
      if (m.type === appResp && m.reject) refusals += 1;
      return false;
    };
    group.elect(1n);
    expect(group.get(2n).log()).toEqual(group.get(1n).log());
    expect(refusals).toBeLessThanOrEqual(2);
  });
});

describe("paper, 5.4.2: entries of earlier terms", () => {
  test("are not committed by counting their copies (figure 8), but by an entry of this term after them", () => {
    const terms = [1, 2];
    const leader = new Member(1n, { voters: FIVE, terms, hardState: { term: 3, vote: NONE, commit: 1 } });
    leader.elect(2n, 3n);
    expect(leader.log()).toEqual(["1/1", "2/2", "4/3"]);
    leader.receive(appResp, 2n, 4, { index: 2 });
    leader.receive(appResp, 3n, 4, { index: 2 });
    expect(leader.node.raft.log.committed).toBe(1);
    leader.receive(appResp, 2n, 4, { index: 3 });
    leader.receive(appResp, 3n, 4, { index: 3 });
    expect(leader.node.raft.log.committed).toBe(3);
  });
});

describe("the flow of appends (thesis, 10.2.2)", () => {
  test("a member of which nothing is known gets one append, and no more before it answers", () => {
    const leader = makeLeader();
    leader.node.propose([bytes("a")]);
    expect(leader.work()).toEqual([]);
    leader.receive(appResp, 2n, 1, { index: 1 });
    expect(leader.work()).toMatchObject([{ to: 2n, index: 1, entries: [{ index: 2 }] }]);
  });

  test("one that follows gets them without waiting, up to the window", () => {
    const leader = makeLeader({}, { inflightMessagesMax: 2 });
    leader.receive(appResp, 2n, 1, { index: 1 });
    leader.work();
    for (const data of ["a", "b", "c", "d"]) leader.node.propose([bytes(data)]);
    expect(leader.work()).toMatchObject([{ entries: [{ index: 2 }] }, { entries: [{ index: 3 }] }]);
    leader.receive(appResp, 2n, 1, { index: 2 });
    leader.work();
    leader.receive(appResp, 2n, 1, { index: 5 });
    leader.work();
    leader.node.propose([bytes("e")]);
    expect(leader.work()).toMatchObject([{ to: 2n, index: 5, entries: [{ index: 6 }] }]);
  });

  test("a full window lets through an empty append for each heartbeat answered: all in it may be lost", () => {
    const leader = makeLeader({}, { inflightMessagesMax: 1 });
    leader.receive(appResp, 2n, 1, { index: 1 });
    leader.node.propose([bytes("a")]);
    leader.work();
    leader.receive(heartbeatResp, 2n, 1);
    expect(leader.work()).toMatchObject([{ type: app, to: 2n, index: 2, entries: [] }]);
  });

  test("an append holds no more than its bound, but at least one entry", () => {
    const leader = makeLeader({}, { messageBytesMax: 250 });
    const data = new Uint8Array(100);
    leader.node.propose([data, data, data, data, data]);
    leader.work();
    leader.receive(appResp, 2n, 1, { index: 1 });
    expect(leader.work().map((m) => m.entries.length)).toEqual([2, 2, 1]);
    const single = makeLeader({}, { messageBytesMax: 0 });
    single.node.propose([data, data]);
    single.work();
    single.receive(appResp, 2n, 1, { index: 1 });
    expect(single.work().map((m) => m.entries.length)).toEqual([1, 1]);
  });

  test("one that cannot be reached is probed again, from what it has acknowledged", () => {
    const leader = makeLeader();
    leader.receive(appResp, 2n, 1, { index: 1 });
    leader.node.propose([bytes("a")]);
    leader.work();
    leader.node.reportUnreachable(2n);
    leader.receive(heartbeatResp, 2n, 1);
    expect(leader.work()).toMatchObject([{ type: app, to: 2n, index: 1, entries: [{ index: 2 }] }]);
  });

  test("a refusal by a member of etcd 3.4, without a term, is understood", () => {
    const hardState = { term: 1, vote: NONE, commit: 0 };
    const leader = new Member(1n, { terms: [1, 1, 1, 1], hardState }).elect(2n);
    leader.receive(appResp, 2n, 2, { index: 4, reject: true, rejectHint: 2, logTerm: 0 });
    expect(leader.work()).toMatchObject([{ type: app, to: 2n, index: 2, logTerm: 1 }]);
  });

  test("a heartbeat commits nothing that is not known to match", () => {
    const leader = makeLeader();
    leader.receive(appResp, 2n, 1, { index: 1 });
    leader.work();
    leader.tick(1);
    expect(leader.work()).toMatchObject([
      { type: heartbeat, to: 2n, commit: 1 },
      { type: heartbeat, to: 3n, commit: 0 },
    ]);
  });
});

describe("paper, section 7: snapshots", () => {
  /** Leads with entries up to 5 compacted; 3 has just been heard of, and needs them. */
  function makeCompacted(): Member {
    const leader = new Member(1n, {
      terms: [1, 1, 1, 1, 1, 1],
      hardState: { term: 1, vote: NONE, commit: 6 },
    });
    leader.work();
    leader.storage.createSnapshot(5, undefined, bytes("state"));
    leader.storage.compact(5);
    leader.elect(2n);
    leader.receive(heartbeatResp, 3n, 2);
    leader.work();
    leader.receive(appResp, 3n, 2, { index: 6, reject: true, rejectHint: 0 });
    return leader;
  }

  test("one that needs what is compacted gets the snapshot, and nothing until it has arrived", () => {
    const leader = makeCompacted();
    const [sent, ...more] = leader.work();
    expect(more).toEqual([]);
    expect(sent).toMatchObject({ type: snap, to: 3n, term: 2, snapshot: { index: 5, term: 1 } });
    expect(text(sent?.snapshot?.data ?? NO_BYTES)).toBe("state");
    leader.node.propose([bytes("a")]);
    leader.receive(heartbeatResp, 3n, 2);
    expect(leader.work().filter((m) => m.to === 3n)).toEqual([]);
    leader.receive(appResp, 3n, 2, { index: 5 });
    expect(leader.work()).toMatchObject([
      { type: app, to: 3n, index: 5, entries: [{ index: 6 }, { index: 7 }, { index: 8 }] },
    ]);
  });

  test("a snapshot that failed is sent again after the next heartbeat, one that was sent is built on", () => {
    const failed = makeCompacted();
    failed.work();
    failed.node.reportSnapshot(3n, "failed");
    expect(failed.work()).toEqual([]);
    failed.receive(heartbeatResp, 3n, 2);
    expect(failed.work()).toMatchObject([{ type: snap, to: 3n }]);
    const finished = makeCompacted();
    finished.work();
    finished.node.reportSnapshot(3n, "finished");
    finished.receive(heartbeatResp, 3n, 2);
    expect(finished.work()).toMatchObject([{ type: app, to: 3n, index: 5 }]);
  });

  test("no snapshot is sent to one that is not heard of", () => {
    const leader = makeCompacted();
    leader.work();
    leader.node.reportSnapshot(3n, "failed");
    leader.node.raft.tracker.progress(3n)?.restart(1);
    leader.node.propose([bytes("a")]);
    expect(leader.work().filter((m) => m.to === 3n)).toEqual([]);
  });

  const snapshotAt = (member: Member, index: number, term: number): Snapshot => ({
    index,
    term,
    confState: member.node.status().config,
    data: bytes("state"),
  });

  test("a snapshot replaces a log that ends before it, and is stored before it is acknowledged", () => {
    const follower = new Member(2n, { terms: [1] });
    follower.receive(snap, 1n, 2, { snapshot: snapshotAt(follower, 5, 2) });
    const ready = follower.node.ready();
    expect(ready).toMatchObject({
      messages: [],
      entries: [],
      snapshot: { index: 5 },
      hardState: { commit: 5 },
    });
    expect(ready.messagesAfterSync).toMatchObject([{ type: appResp, to: 1n, index: 5 }]);
    expect(follower.node.raft.log.applied).toBe(0);
    if (ready.snapshot !== undefined) follower.storage.applySnapshot(ready.snapshot);
    follower.node.advance();
    expect(follower.node.raft.log.applied).toBe(5);
    expect(follower.node.status()).toMatchObject({ lastIndex: 5 });
  });

  test("a snapshot of what is here already only moves the commit index", () => {
    const follower = new Member(2n, { terms: [1, 1, 1] });
    follower.receive(snap, 1n, 1, { snapshot: snapshotAt(follower, 2, 1) });
    expect(follower.work()).toMatchObject([{ type: appResp, index: 2 }]);
    expect(follower.log()).toEqual(["1/1", "1/2", "1/3"]);
  });

  test("a snapshot older than what is committed is ignored, as is one of a group without us", () => {
    const follower = new Member(2n, { terms: [1, 1], hardState: { term: 1, vote: NONE, commit: 2 } });
    follower.receive(snap, 1n, 1, { snapshot: snapshotAt(follower, 1, 1) });
    expect(follower.work()).toMatchObject([{ type: appResp, index: 2 }]);
    const confState = { ...follower.node.status().config, voters: [1n, 3n] };
    follower.receive(snap, 1n, 1, { snapshot: { ...snapshotAt(follower, 9, 1), confState } });
    expect(follower.work()).toMatchObject([{ type: appResp, index: 2 }]);
    expect(follower.log()).toEqual(["1/1", "1/2"]);
  });

  test("a snapshot of a configuration that cannot be is refused before the log is touched", () => {
    const follower = new Member(2n, { terms: [1, 1] });
    const confState = { ...follower.node.status().config, learners: [2n] };
    const snapshot = { ...snapshotAt(follower, 9, 1), confState };
    expect(() => follower.receive(snap, 1n, 1, { snapshot })).toThrow(RefusedError);
    expect(follower.log()).toEqual(["1/1", "1/2"]);
    expect(follower.node.status()).toMatchObject({ hardState: { commit: 0 }, config: { voters: THREE } });
  });
});
