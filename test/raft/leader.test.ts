import { describe, expect, test } from "vitest";
import {
  type ConfChangeSingle,
  type ConfChangeTransition,
  confChangeV1,
  confChangeV2,
} from "../../src/raft/conf.ts";
import { EntryType, MessageType, NO_BYTES, proposal } from "../../src/raft/message.ts";
import { bytes, FIVE, Group, Member, THREE } from "./support/members.ts";

const { app, appResp, prop, timeoutNow, vote } = MessageType;

const FOUR: readonly bigint[] = [1n, 2n, 3n, 4n];
const add = (nodeId: bigint): ConfChangeSingle => ({ type: "addNode", nodeId });
const addLearner = (nodeId: bigint): ConfChangeSingle => ({ type: "addLearnerNode", nodeId });
const remove = (nodeId: bigint): ConfChangeSingle => ({ type: "removeNode", nodeId });

/** 1 leads `voters` out of `ids`. */
function makeGroup(ids: readonly bigint[], voters: readonly bigint[], overrides = {}): Group {
  const group = new Group(ids, { voters }, overrides);
  group.elect(1n);
  return group;
}

function change(
  group: Group,
  id: bigint,
  transition: ConfChangeTransition,
  ...changes: readonly ConfChangeSingle[]
): void {
  group.get(id).node.proposeConfChange(confChangeV2(changes, transition));
  group.settle();
}

const configOf = (group: Group, id: bigint): object => group.get(id).node.status().config;

describe("thesis, 4.1: changes of the membership, one member at a time", () => {
  test("a member added gets the log, and counts from when the change is applied", () => {
    const group = makeGroup(FOUR, THREE);
    group.propose(1n, "a");
    group.get(1n).node.proposeConfChange(confChangeV1("addNode", 4n));
    group.settle();
    for (const id of FOUR) expect(configOf(group, id)).toMatchObject({ voters: FOUR });
    expect(group.appliedBy(4n)).toEqual(["a"]);
    group.isolate(3n, 4n);
    group.propose(1n, "b");
    expect(group.appliedBy(1n)).toEqual(["a"]);
    group.isolate(4n);
    group.get(1n).tick(1);
    group.settle();
    expect(group.appliedBy(1n)).toEqual(["a", "b"]);
  });

  test("a change waits for the one before it: it becomes an entry without meaning", () => {
    const leader = new Member(1n).elect(2n);
    leader.receive(appResp, 2n, 1, { index: 1 });
    leader.work();
    leader.node.proposeConfChange(confChangeV1("addNode", 4n));
    leader.node.proposeConfChange(confChangeV1("addNode", 5n));
    const entries = leader.work().flatMap((m) => m.entries);
    expect(entries).toMatchObject([
      { index: 2, type: EntryType.confChange },
      { index: 3, type: EntryType.normal, data: NO_BYTES },
    ]);
    leader.receive(appResp, 2n, 1, { index: 3 });
    leader.work();
    leader.node.proposeConfChange(confChangeV1("addNode", 5n));
    expect(leader.work().flatMap((m) => m.entries)).toContainEqual(
      expect.objectContaining({ index: 4, type: EntryType.confChange }),
    );
  });

  test("a new leader waits too: there may be a change among the entries it took over", () => {
    const leader = new Member(1n).elect(2n);
    leader.node.proposeConfChange(confChangeV1("addNode", 4n));
    leader.receive(appResp, 2n, 1, { index: 1 });
    leader.node.proposeConfChange(confChangeV1("addNode", 4n));
    leader.work();
    expect(leader.log()).toEqual(["1/1", "1/2", "1/3"]);
    leader.receive(appResp, 2n, 1, { index: 3 });
    leader.work();
    expect(leader.changes).toHaveLength(1);
  });

  test("entries beside a refused change keep their places", () => {
    const leader = new Member(1n).elect(2n);
    const refused = proposal(NO_BYTES, EntryType.confChangeV2);
    leader.receive(prop, 2n, 0, { entries: [proposal(bytes("a")), refused, proposal(bytes("b"))] });
    leader.receive(appResp, 2n, 1, { index: 1 });
    expect(leader.work().flatMap((m) => (m.to === 2n ? m.entries : []))).toMatchObject([
      { index: 2, data: bytes("a") },
      { index: 3, type: EntryType.normal, data: NO_BYTES },
      { index: 4, data: bytes("b") },
    ]);
  });

  test("a change that cannot be read is dropped: members would stop at it", () => {
    const leader = new Member(1n).elect(2n);
    const broken = proposal(Uint8Array.of(0xff), EntryType.confChange);
    expect(leader.receive(prop, 2n, 0, { entries: [broken] })).toBe("dropped");
    expect(leader.log()).toEqual(["1/1"]);
  });

  test("a member that knows of a change it has not applied does not campaign by the old configuration", () => {
    const group = makeGroup(FOUR, THREE);
    const follower = group.get(2n).node;
    const entry = { ...proposal(NO_BYTES, EntryType.confChangeV2), term: 1, index: 2 };
    group.get(2n).receive(app, 1n, 1, { index: 1, logTerm: 1, entries: [entry], commit: 2 });
    follower.campaign();
    expect(follower.raft.role).toBe("follower");
  });
});

describe("thesis, 4.2.1: learners", () => {
  test("get the log without counting, until they are promoted", () => {
    const group = makeGroup(FOUR, THREE);
    change(group, 1n, "auto", addLearner(4n));
    expect(configOf(group, 4n)).toMatchObject({ voters: THREE, learners: [4n] });
    group.propose(1n, "a");
    expect(group.appliedBy(4n)).toEqual(["a"]);
    group.get(4n).tick(50);
    group.settle();
    expect(group.get(1n).node.raft).toMatchObject({ role: "leader", term: 1 });
    change(group, 1n, "auto", add(4n));
    expect(configOf(group, 4n)).toMatchObject({ voters: FOUR, learners: [] });
    group.elect(4n);
    expect(group.get(4n).node.raft.role).toBe("leader");
  });
});

describe("thesis, 4.2.2: a leader that is removed", () => {
  test("leads until the others have the change, and takes no proposals", () => {
    const group = makeGroup(THREE, THREE);
    change(group, 1n, "auto", remove(1n));
    expect(group.get(1n).node.raft.role).toBe("leader");
    expect(group.get(1n).node.propose([bytes("a")])).toBe("dropped");
    expect(configOf(group, 2n)).toMatchObject({ voters: [2n, 3n] });
    group.elect(2n);
    group.propose(2n, "b");
    expect(group.appliedBy(3n)).toEqual(["b"]);
  });

  test("steps down at once where that is configured", () => {
    const group = makeGroup(THREE, THREE, { stepDownOnRemoval: true });
    change(group, 1n, "auto", remove(1n));
    expect(group.get(1n).node.raft).toMatchObject({ role: "follower", leader: 0n });
  });

  test("a smaller majority may have committed more", () => {
    const leader = new Member(1n, { voters: [1n, 2n] }).elect(2n);
    leader.receive(appResp, 2n, 1, { index: 1 });
    leader.work();
    leader.node.proposeConfChange(confChangeV1("removeNode", 2n));
    leader.work();
    leader.receive(appResp, 2n, 1, { index: 2 });
    leader.node.propose([bytes("a")]);
    leader.work();
    expect(leader.applied.map(({ index }) => index)).toEqual([1, 2, 3]);
  });
});

describe("thesis, 4.3: joint configurations", () => {
  const replace = [add(4n), add(5n), remove(2n), remove(3n)];

  test("entries and elections need a majority of both halves", () => {
    const group = makeGroup(FIVE, THREE);
    change(group, 1n, "jointExplicit", ...replace);
    expect(configOf(group, 5n)).toMatchObject({ voters: [1n, 4n, 5n], votersOutgoing: THREE });
    group.isolate(2n, 3n);
    group.propose(1n, "a");
    group.elect(4n);
    expect(group.get(4n).node.raft.role).toBe("candidate");
    expect(group.appliedBy(1n)).toEqual([]);
    group.isolate();
    group.elect(4n);
    expect(group.get(4n).node.raft.role).toBe("leader");
  });

  test("no other change enters a joint configuration, but leaving it", () => {
    const group = makeGroup(FIVE, THREE);
    change(group, 1n, "jointExplicit", ...replace);
    change(group, 1n, "auto", add(2n));
    expect(group.get(1n).changes).toHaveLength(1);
    change(group, 1n, "auto");
    expect(configOf(group, 4n)).toMatchObject({ voters: [1n, 4n, 5n], votersOutgoing: [] });
  });

  test("leaving where nothing is joint is refused", () => {
    const group = makeGroup(THREE, THREE);
    change(group, 1n, "auto");
    expect(group.get(1n).changes).toEqual([]);
  });

  test.each(["auto", "jointImplicit"] as const)("%s: the leader leaves by itself", (transition) => {
    const group = makeGroup(FIVE, THREE);
    change(group, 1n, transition, ...replace);
    for (const id of [1n, 4n, 5n]) {
      expect(configOf(group, id)).toMatchObject({
        voters: [1n, 4n, 5n],
        votersOutgoing: [],
        autoLeave: false,
      });
    }
  });

  test("or its successor does, where it is gone before", () => {
    const group = makeGroup(FIVE, THREE);
    group.loses = (m) =>
      m.entries.some((entry) => entry.type === EntryType.confChangeV2 && entry.data.length === 0);
    change(group, 1n, "jointImplicit", add(4n), add(5n));
    expect(configOf(group, 2n)).toMatchObject({ votersOutgoing: THREE });
    group.isolate(1n);
    group.elect(2n);
    group.propose(2n, "a");
    expect(configOf(group, 2n)).toMatchObject({ voters: FIVE, votersOutgoing: [] });
  });
});

describe("thesis, 3.10: leadership transfer", () => {
  test("the target gets what it lacks, then campaigns without waiting; proposals wait meanwhile", () => {
    const leader = new Member(1n).elect(2n);
    leader.node.transferLeader(2n);
    expect(leader.node.propose([bytes("a")])).toBe("dropped");
    expect(leader.work()).toEqual([]);
    leader.receive(appResp, 2n, 1, { index: 1 });
    expect(leader.work().filter((m) => m.type === timeoutNow)).toMatchObject([{ to: 2n, term: 1 }]);
    const target = new Member(2n, {}, { preVote: true });
    target.receive(timeoutNow, 1n, 0);
    expect(target.work()).toMatchObject([{ type: vote }, { type: vote }]);
  });

  test("one that takes an election timeout has failed", () => {
    const leader = new Member(1n).elect(2n);
    leader.node.transferLeader(2n);
    leader.tick(9);
    expect(leader.node.status().transferee).toBe(2n);
    leader.tick(1);
    expect(leader.node.status().transferee).toBe(0n);
    expect(leader.node.propose([bytes("a")])).toBe("accepted");
  });

  test("a follower passes the wish on", () => {
    const group = makeGroup(THREE, THREE);
    group.get(3n).node.transferLeader(2n);
    group.settle();
    expect(group.get(2n).node.raft.role).toBe("leader");
  });

  test.each([
    { target: 1n, because: "it leads already" },
    { target: 4n, because: "it is a learner" },
    { target: 9n, because: "it is no member" },
  ])("none to $target: $because", ({ target }) => {
    const leader = new Member(1n, { voters: THREE, learners: [4n] }).elect(2n);
    leader.node.transferLeader(target);
    expect(leader.node.status().transferee).toBe(0n);
  });

  test("a later wish replaces the first; the target that is removed is none", () => {
    const group = makeGroup(THREE, THREE);
    group.isolate(2n);
    group.propose(1n, "a");
    const leader = group.get(1n).node;
    leader.transferLeader(3n);
    leader.transferLeader(2n);
    expect(leader.status().transferee).toBe(2n);
    leader.applyConfChange(confChangeV1("removeNode", 2n));
    expect(leader.status().transferee).toBe(0n);
  });
});

describe("what a leader takes", () => {
  test("no more uncommitted data than allowed; but one proposal of any size, and empty ones always", () => {
    const leader = new Member(1n, {}, { uncommittedBytesMax: 100 }).elect(2n);
    expect(leader.node.propose([new Uint8Array(200)])).toBe("accepted");
    expect(leader.node.propose([new Uint8Array(1)])).toBe("dropped");
    expect(leader.node.propose([NO_BYTES])).toBe("accepted");
    leader.receive(appResp, 2n, 1, { index: 3 });
    leader.work();
    expect(leader.node.propose([new Uint8Array(100)])).toBe("accepted");
  });

  test("an empty proposal is a fault of ours", () => {
    const leader = new Member(1n).elect(2n);
    expect(() => leader.node.propose([])).toThrow("1 was given a proposal without entries");
  });

  test("what followers forward, unless they are told not to", () => {
    const group = makeGroup(THREE, THREE);
    expect(group.get(2n).node.propose([bytes("a")])).toBe("accepted");
    group.settle();
    expect(group.appliedBy(3n)).toEqual(["a"]);
    const other = makeGroup(THREE, THREE, { disableProposalForwarding: true });
    expect(other.get(2n).node.propose([bytes("a")])).toBe("dropped");
  });

  test("nothing without a leader", () => {
    const member = new Member(1n);
    expect(member.node.propose([bytes("a")])).toBe("dropped");
    member.node.campaign();
    expect(member.node.propose([bytes("a")])).toBe("dropped");
  });
});
