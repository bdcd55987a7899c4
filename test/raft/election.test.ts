import { describe, expect, test } from "vitest";
import { MessageType, NONE } from "../../src/raft/message.ts";
import { FIVE, Group, Member, THREE } from "./support/members.ts";

const { app, heartbeat, preVote, preVoteResp, vote, voteResp, timeoutNow } = MessageType;

describe("paper, 5.2: leader election", () => {
  test("members start as followers and stay so while they hear of a leader", () => {
    const member = new Member(1n);
    expect(member.node.raft.role).toBe("follower");
    for (let round = 0; round < 5; round += 1) {
      member.tick(9);
      member.receive(heartbeat, 2n, 1);
    }
    expect(member.node.raft).toMatchObject({ role: "follower", leader: 2n, term: 1 });
  });

  test("a follower without a leader enters the next term, votes for itself and asks all others", () => {
    const member = new Member(1n, { terms: [1, 3], hardState: { term: 3, vote: 2n, commit: 0 } });
    member.tick(9);
    expect(member.work()).toEqual([]);
    member.tick(1);
    expect(member.work()).toMatchObject([
      { type: vote, to: 2n, term: 4, index: 2, logTerm: 3 },
      { type: vote, to: 3n, term: 4, index: 2, logTerm: 3 },
    ]);
    expect(member.node.raft).toMatchObject({ role: "candidate", term: 4, vote: 1n });
  });

  test("a candidate leads with the votes of a majority, of which its own is one", () => {
    const member = new Member(1n, { voters: FIVE });
    member.node.campaign();
    member.work();
    member.receive(voteResp, 2n, 1);
    expect(member.node.raft.role).toBe("candidate");
    member.receive(voteResp, 3n, 1);
    expect(member.node.raft).toMatchObject({ role: "leader", leader: 1n, term: 1 });
  });

  test("its own vote counts only once it is durable (thesis 3.8)", () => {
    const member = new Member(1n);
    member.node.campaign();
    const ready = member.node.ready();
    expect(ready).toMatchObject({ mustSync: true, hardState: { term: 1, vote: 1n } });
    member.receive(voteResp, 2n, 1);
    expect(member.node.raft.role).toBe("candidate");
    member.node.advance();
    expect(member.node.raft.role).toBe("leader");
  });

  test("a vote that comes twice counts once", () => {
    const member = new Member(1n, { voters: FIVE });
    member.node.campaign();
    member.work();
    member.receive(voteResp, 2n, 1);
    member.receive(voteResp, 2n, 1);
    expect(member.node.raft.role).toBe("candidate");
  });

  test("a candidate that a majority refuses is a follower again, in its term", () => {
    const member = new Member(1n);
    member.node.campaign();
    member.work();
    member.receive(voteResp, 2n, 1, { reject: true });
    expect(member.node.raft.role).toBe("candidate");
    member.receive(voteResp, 3n, 1, { reject: true });
    expect(member.node.raft).toMatchObject({ role: "follower", term: 1, vote: 1n });
  });

  test("a split vote ends in an election for the next term", () => {
    const member = new Member(1n);
    member.tick(10);
    member.work();
    member.receive(voteResp, 2n, 1, { reject: true });
    member.tick(10);
    expect(member.node.raft).toMatchObject({ role: "candidate", term: 2 });
  });

  test.each([app, heartbeat] as const)(
    "a candidate that hears of the leader of its term follows (%i)",
    (type) => {
      const member = new Member(1n);
      member.node.campaign();
      member.receive(type, 3n, 1);
      expect(member.node.raft).toMatchObject({ role: "follower", leader: 3n, term: 1 });
    },
  );

  test("one vote a term, for who comes first, and again for who asks again", () => {
    const member = new Member(1n);
    const answers = [2n, 3n, 2n].map((from) => {
      member.receive(vote, from, 1);
      return member.work();
    });
    expect(answers).toMatchObject([
      [{ type: voteResp, to: 2n, term: 1, reject: false }],
      [{ type: voteResp, to: 3n, term: 1, reject: true }],
      [{ type: voteResp, to: 2n, term: 1, reject: false }],
    ]);
    member.receive(vote, 3n, 2);
    expect(member.work()).toMatchObject([{ to: 3n, term: 2, reject: false }]);
  });

  test("a vote is given anew to nobody after a restart (figure 2: votedFor is persistent)", () => {
    const member = new Member(1n, { hardState: { term: 2, vote: 2n, commit: 0 } });
    member.receive(vote, 3n, 2);
    expect(member.work()).toMatchObject([{ type: voteResp, to: 3n, reject: true }]);
  });

  test("a vote leaves only once it is durable", () => {
    const member = new Member(1n);
    member.receive(vote, 2n, 1);
    const ready = member.node.ready();
    expect(ready.messages).toEqual([]);
    expect(ready).toMatchObject({ mustSync: true, hardState: { term: 1, vote: 2n } });
    expect(ready.messagesAfterSync).toMatchObject([{ type: voteResp, to: 2n }]);
  });

  test("election timeouts lie between one and two of what is configured, drawn anew each time", () => {
    const drawn: number[] = [];
    const timeouts = [0, 9, 4].map((chance) => {
      const random = (limit: number): number => {
        drawn.push(limit);
        return chance;
      };
      const member = new Member(1n, {}, { random });
      let ticks = 0;
      for (; member.node.raft.role === "follower"; ticks += 1) member.node.tick();
      return ticks;
    });
    expect(timeouts).toEqual([10, 19, 14]);
    expect(new Set(drawn)).toEqual(new Set([10]));
    expect(drawn.length).toBeGreaterThanOrEqual(6);
  });

  test("a group elects one leader, and another when it is gone", () => {
    const group = new Group(THREE);
    group.get(2n).tick(10);
    group.settle();
    expect(THREE.map((id) => group.get(id).node.raft.leader)).toEqual([2n, 2n, 2n]);
    group.isolate(2n);
    group.get(3n).tick(10);
    group.settle();
    expect(group.get(3n).node.raft).toMatchObject({ role: "leader", term: 2 });
  });
});

describe("paper, 5.4.1: the vote goes to nobody whose log is less up to date", () => {
  test.each([
    { ours: [1], theirs: [1, 1], granted: true, because: "same, at the same term" },
    { ours: [1], theirs: [2, 1], granted: true, because: "later term" },
    { ours: [1, 1], theirs: [2, 1], granted: true, because: "later term, though shorter" },
    { ours: [1], theirs: [1, 2], granted: true, because: "longer" },
    { ours: [1, 1], theirs: [1, 1], granted: false, because: "shorter" },
    { ours: [1, 2], theirs: [1, 2], granted: false, because: "earlier term" },
    { ours: [2], theirs: [1, 3], granted: false, because: "earlier term, though longer" },
  ])("granted: $granted, $because", ({ ours, theirs: [logTerm = 0, index = 0], granted }) => {
    const member = new Member(1n, { terms: ours, hardState: { term: 3, vote: NONE, commit: 0 } });
    member.receive(vote, 2n, 4, { logTerm, index });
    expect(member.work()).toMatchObject([{ type: voteResp, to: 2n, term: 4, reject: !granted }]);
  });

  test("a learner votes: it may not have heard of its promotion yet", () => {
    const member = new Member(3n, { voters: [1n, 2n], learners: [3n] });
    member.receive(vote, 1n, 1);
    expect(member.work()).toMatchObject([{ type: voteResp, to: 1n, reject: false }]);
  });
});

describe("thesis, 9.6: pre-vote", () => {
  test("asking moves neither term nor vote, here and there", () => {
    const asker = new Member(1n, {}, { preVote: true });
    asker.node.campaign();
    expect(asker.work()).toMatchObject([
      { type: preVote, to: 2n, term: 1 },
      { type: preVote, to: 3n, term: 1 },
    ]);
    expect(asker.node.raft).toMatchObject({ role: "preCandidate", term: 0, vote: NONE });
    const asked = new Member(2n, {}, { preVote: true });
    asked.receive(preVote, 1n, 1);
    expect(asked.work()).toMatchObject([{ type: preVoteResp, to: 1n, term: 1, reject: false }]);
    expect(asked.node.raft).toMatchObject({ role: "follower", term: 0, vote: NONE });
  });

  test("with the consent of a majority, the election is held", () => {
    const member = new Member(1n, {}, { preVote: true });
    member.node.campaign();
    member.work();
    member.receive(preVoteResp, 2n, 1);
    expect(member.work()).toMatchObject([
      { type: vote, to: 2n, term: 1 },
      { type: vote, to: 3n, term: 1 },
    ]);
    expect(member.node.raft).toMatchObject({ role: "candidate", term: 1 });
  });

  test("consent goes to nobody whose log is less up to date", () => {
    const member = new Member(2n, { terms: [1, 1], hardState: { term: 1, vote: NONE, commit: 0 } });
    member.receive(preVote, 1n, 2, { logTerm: 1, index: 1 });
    expect(member.work()).toMatchObject([{ type: preVoteResp, term: 1, reject: true }]);
  });

  test("a member that was cut off disturbs nobody when it is back", () => {
    const group = new Group(THREE, {}, { preVote: true, checkQuorum: true });
    group.elect(1n);
    group.isolate(3n);
    group.get(3n).tick(50);
    group.settle();
    expect(group.get(3n).node.raft).toMatchObject({ role: "preCandidate", term: 1 });
    group.isolate();
    group.get(3n).tick(10);
    group.settle();
    expect(group.get(1n).node.raft).toMatchObject({ role: "leader", term: 1 });
  });

  test("a refusal of a later term is followed", () => {
    const member = new Member(1n, {}, { preVote: true });
    member.node.campaign();
    member.receive(preVoteResp, 2n, 5, { reject: true });
    expect(member.node.raft).toMatchObject({ role: "follower", term: 5 });
  });

  test("a pre-vote of an earlier term is refused in ours, so that the asker catches up", () => {
    const member = new Member(2n, { hardState: { term: 5, vote: NONE, commit: 0 } });
    member.receive(preVote, 1n, 3);
    expect(member.work()).toMatchObject([{ type: preVoteResp, to: 1n, term: 5, reject: true }]);
  });
});

describe("thesis, 4.2.3 and 6.2: who hears of a leader ignores other candidates", () => {
  const makeFollower = (): Member => {
    const member = new Member(2n, {}, { checkQuorum: true });
    member.receive(heartbeat, 1n, 1);
    member.work();
    return member;
  };

  test("until an election timeout has passed", () => {
    const member = makeFollower();
    member.tick(9);
    member.receive(vote, 3n, 2);
    expect(member.work()).toEqual([]);
    expect(member.node.raft.term).toBe(1);
    member.node.raft.electionTimeout = 20;
    member.tick(1);
    member.receive(vote, 3n, 2);
    expect(member.work()).toMatchObject([{ type: voteResp, to: 3n, reject: false }]);
  });

  test("but not the one that the leader wants (thesis 3.10)", () => {
    const member = makeFollower();
    const context = new TextEncoder().encode("CampaignTransfer");
    member.receive(vote, 3n, 2, { context });
    expect(member.work()).toMatchObject([{ type: voteResp, to: 3n, reject: false }]);
  });

  test("a message that only looks like a transfer is one of any candidate", () => {
    const member = makeFollower();
    member.receive(vote, 3n, 2, { context: new TextEncoder().encode("CampaignTransfex") });
    expect(member.work()).toEqual([]);
  });
});

describe("who does not campaign", () => {
  test.each([
    { name: "a learner", stored: { voters: [1n, 3n], learners: [2n] } },
    { name: "a member that was removed", stored: { voters: [1n, 3n] } },
  ])("$name", ({ stored }) => {
    const member = new Member(2n, stored);
    member.tick(50);
    member.node.campaign();
    member.receive(timeoutNow, 1n, 0);
    expect(member.work()).toEqual([]);
    expect(member.node.raft).toMatchObject({ role: "follower", term: 0 });
  });

  test("a member that has a snapshot to store first", () => {
    const member = new Member(2n);
    const confState = member.node.status().config;
    const snapshot = { index: 5, term: 1, confState, data: new Uint8Array(0) };
    member.receive(MessageType.snap, 1n, 1, { snapshot });
    member.node.campaign();
    expect(member.node.raft.role).toBe("follower");
    member.work();
    member.node.campaign();
    expect(member.node.raft.role).toBe("candidate");
  });
});
