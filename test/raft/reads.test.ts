import { describe, expect, test } from "vitest";
import { confChangeV1 } from "../../src/raft/conf.ts";
import { MessageType, NO_BYTES, proposal } from "../../src/raft/message.ts";
import { READS_WAITING_MAX } from "../../src/raft/reads.ts";
import { bytes, FIVE, Group, Member, THREE, text } from "./support/members.ts";

const { appResp, heartbeat, heartbeatResp, readIndex, readIndexResp } = MessageType;

/** Leads term 1 and has committed its first entry. */
function makeLeader(...voters: readonly bigint[]): Member {
  const leader = new Member(1n, { voters });
  leader.elect(2n, 3n);
  for (const id of voters) leader.receive(appResp, id, 1, { index: 1 });
  leader.work();
  return leader;
}

const readsOf = (member: Member): string[] =>
  member.reads.map(({ index, context }) => `${text(context)}@${index}`);

describe("thesis, 6.4: linearizable reads", () => {
  test("a read waits for a majority to confirm its leader, after it came", () => {
    const leader = makeLeader(...FIVE);
    leader.receive(heartbeatResp, 4n, 1);
    leader.receive(heartbeatResp, 5n, 1);
    leader.node.readIndex(bytes("a"));
    const asked = leader.work();
    expect(asked.map(({ type, to }) => [type, to])).toEqual([2n, 3n, 4n, 5n].map((to) => [heartbeat, to]));
    const context = asked[0]?.context ?? NO_BYTES;
    leader.receive(heartbeatResp, 2n, 1, { context });
    leader.receive(heartbeatResp, 2n, 1, { context });
    leader.work();
    expect(readsOf(leader)).toEqual([]);
    leader.receive(heartbeatResp, 3n, 1, { context });
    leader.work();
    expect(readsOf(leader)).toEqual(["a@1"]);
  });

  test("who confirms a later read confirms those before it, and none after it", () => {
    const leader = makeLeader(...THREE);
    const contexts = ["a", "b", "c"].map((name) => {
      leader.node.readIndex(bytes(name));
      return leader.work()[0]?.context ?? NO_BYTES;
    });
    leader.receive(heartbeatResp, 2n, 1, { context: contexts[1] ?? NO_BYTES });
    leader.work();
    expect(readsOf(leader)).toEqual(["a@1", "b@1"]);
    leader.receive(heartbeatResp, 2n, 1, { context: contexts[0] ?? NO_BYTES });
    leader.receive(heartbeatResp, 3n, 1, { context: contexts[2] ?? NO_BYTES });
    leader.work();
    expect(readsOf(leader)).toEqual(["a@1", "b@1", "c@1"]);
  });

  test("the heartbeats that come by themselves confirm too: a lost round is made good", () => {
    const group = new Group(THREE);
    group.elect(1n);
    group.isolate(1n);
    group.get(1n).node.readIndex(bytes("a"));
    group.settle();
    group.isolate();
    group.get(1n).tick(1);
    group.settle();
    expect(readsOf(group.get(1n))).toEqual(["a@1"]);
  });

  test("a leader that was deposed unawares answers nothing", () => {
    const group = new Group(THREE);
    group.elect(1n);
    group.isolate(1n);
    group.elect(2n);
    group.propose(2n, "newer");
    group.get(1n).node.readIndex(bytes("stale"));
    group.settle();
    expect(group.get(1n).node.raft.role).toBe("leader");
    group.isolate();
    group.get(2n).tick(1);
    group.settle();
    group.get(1n).tick(1);
    group.settle();
    expect(readsOf(group.get(1n))).toEqual([]);
  });

  test("a read that comes before the leader has committed in its term waits for that (step 1)", () => {
    const leader = new Member(1n).elect(2n);
    leader.node.readIndex(bytes("a"));
    expect(leader.work()).toEqual([]);
    leader.receive(appResp, 2n, 1, { index: 1 });
    const asked = leader.work().filter((m) => m.type === heartbeat);
    expect(asked).toHaveLength(2);
    leader.receive(heartbeatResp, 2n, 1, { context: asked[0]?.context ?? NO_BYTES });
    leader.work();
    expect(readsOf(leader)).toEqual(["a@1"]);
  });

  test("reads that nobody confirms do not pile up for ever", () => {
    const leader = new Member(1n).elect(2n);
    for (let left = READS_WAITING_MAX + 5; left > 0; left -= 1) leader.node.readIndex(NO_BYTES);
    expect(leader.node.raft.readsBeforeCommit).toHaveLength(READS_WAITING_MAX);
    leader.receive(appResp, 2n, 1, { index: 1 });
    expect(leader.node.raft.readsBeforeCommit).toEqual([]);
    expect(leader.work().filter((m) => m.type === heartbeat)).toHaveLength(2);
    leader.node.readIndex(bytes("late"));
    expect(leader.work()).toEqual([]);
    expect(leader.node.raft.readOnly.length).toBe(READS_WAITING_MAX);
  });

  test("a follower passes reads to its leader and answers by itself", () => {
    const group = new Group(THREE);
    group.elect(1n);
    group.propose(1n, "x");
    group.get(3n).node.readIndex(bytes("a"));
    group.settle();
    expect(readsOf(group.get(3n))).toEqual(["a@2"]);
    expect(readsOf(group.get(1n))).toEqual([]);
  });

  test("the leader's answer carries what was asked", () => {
    const leader = makeLeader(...THREE);
    leader.receive(readIndex, 2n, 0, { entries: [proposal(bytes("a"))] });
    const context = leader.work()[0]?.context ?? NO_BYTES;
    leader.receive(heartbeatResp, 3n, 1, { context });
    expect(leader.work()).toMatchObject([
      { type: readIndexResp, to: 2n, term: 1, index: 1, entries: [{ data: bytes("a") }] },
    ]);
  });

  test("an answer without its one context is refused", () => {
    const follower = new Member(2n);
    follower.receive(readIndexResp, 1n, 1, { index: 3 });
    follower.work();
    expect(follower.reads).toEqual([]);
  });

  test("the only voter answers at once", () => {
    const single = new Member(1n, { voters: [1n] });
    single.node.campaign();
    single.work();
    single.node.readIndex(bytes("a"));
    expect(single.work()).toEqual([]);
    expect(readsOf(single)).toEqual(["a@1"]);
  });

  test("the only voter answers only once it has committed in its term: its commit index may be lost in a crash", () => {
    const hardState = { term: 1, vote: 1n, commit: 0 };
    const single = new Member(1n, { voters: [1n], terms: [1, 1], hardState });
    single.node.campaign();
    single.node.ready();
    single.node.advance();
    expect(single.node.raft.role).toBe("leader");
    single.node.readIndex(bytes("a"));
    single.work();
    expect(readsOf(single)).toEqual(["a@3"]);
  });

  test("a leader that was made a learner asks the only voter: that one may have been elected since", () => {
    const group = new Group([1n, 2n]);
    group.elect(2n);
    group.get(2n).node.proposeConfChange(confChangeV1("addLearnerNode", 2n));
    group.settle();
    expect(group.get(2n).node.status()).toMatchObject({
      softState: { role: "leader" },
      config: { voters: [1n], learners: [2n] },
    });
    group.isolate(1n);
    group.elect(1n);
    group.propose(1n, "newer");
    group.get(2n).node.readIndex(bytes("stale"));
    group.settle();
    expect(readsOf(group.get(2n))).toEqual([]);
  });

  test("by lease, a leader answers at once, for checkQuorum vouches for it (6.4.1)", () => {
    const leader = new Member(1n, {}, { readOnly: "leaseBased", checkQuorum: true }).elect(2n);
    leader.receive(appResp, 2n, 1, { index: 1 });
    leader.work();
    leader.node.readIndex(bytes("a"));
    expect(leader.work()).toEqual([]);
    expect(readsOf(leader)).toEqual(["a@1"]);
  });

  test("in a joint configuration, both majorities confirm (4.3)", () => {
    const group = new Group([1n, 2n, 3n, 4n, 5n], { voters: [1n, 2n, 3n] });
    group.elect(1n);
    group.get(1n).node.proposeConfChange({
      version: 2,
      transition: "jointExplicit",
      changes: [
        { type: "addNode", nodeId: 4n },
        { type: "addNode", nodeId: 5n },
        { type: "removeNode", nodeId: 2n },
        { type: "removeNode", nodeId: 3n },
      ],
      context: NO_BYTES,
    });
    group.settle();
    expect(group.get(1n).node.status().config).toMatchObject({ voters: [1n, 4n, 5n], votersOutgoing: THREE });
    group.isolate(2n, 3n);
    group.get(1n).node.readIndex(bytes("a"));
    group.settle();
    expect(readsOf(group.get(1n))).toEqual([]);
    group.isolate(2n);
    group.get(1n).tick(1);
    group.settle();
    expect(readsOf(group.get(1n))).toEqual(["a@2"]);
  });
});

describe("thesis, 6.2: a leader without a quorum steps down", () => {
  test("after an election timeout in which it heard of too few", () => {
    const leader = new Member(1n, { voters: FIVE }, { checkQuorum: true }).elect(2n, 3n);
    leader.receive(heartbeatResp, 2n, 1);
    leader.receive(heartbeatResp, 3n, 1);
    leader.tick(10);
    expect(leader.node.raft.role).toBe("leader");
    leader.receive(heartbeatResp, 2n, 1);
    leader.tick(10);
    expect(leader.node.raft).toMatchObject({ role: "follower", term: 1, leader: 0n });
  });
});
