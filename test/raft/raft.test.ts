import { describe, expect, test } from "vitest";
import { MessageType, NONE } from "../../src/raft/message.ts";
import { Raft } from "../../src/raft/raft.ts";
import { configOf, FIVE, Member, storageOf, THREE } from "./support/members.ts";

const { app, appResp, heartbeat, heartbeatResp, vote, voteResp } = MessageType;

/** 1 in each role, in term 1. */
const IN_ROLE = {
  follower: (): Member => {
    const member = new Member(1n);
    member.receive(heartbeat, 2n, 1);
    member.work();
    return member;
  },
  candidate: (): Member => {
    const member = new Member(1n);
    member.node.campaign();
    member.work();
    return member;
  },
  leader: (): Member => new Member(1n).elect(2n),
} as const;

describe("paper, 5.1: terms", () => {
  test.each(["follower", "candidate", "leader"] as const)(
    "a %s that hears of a later term follows in it, with its vote to give anew",
    (role) => {
      const member = IN_ROLE[role]();
      expect(member.node.raft.role).toBe(role);
      member.receive(app, 3n, 5, { index: 9, logTerm: 4 });
      expect(member.node.raft).toMatchObject({ role: "follower", term: 5, vote: NONE, leader: 3n });
    },
  );

  test("who asks for votes in a later term is not its leader yet", () => {
    const member = IN_ROLE.leader();
    member.receive(vote, 3n, 2);
    expect(member.node.raft).toMatchObject({ role: "follower", term: 2, leader: NONE });
  });

  test.each([app, heartbeat, vote, voteResp, appResp, heartbeatResp] as const)(
    "a message of an earlier term (%i) is ignored",
    (type) => {
      const member = new Member(1n, { hardState: { term: 3, vote: NONE, commit: 0 } });
      member.receive(type, 2n, 2);
      expect(member.work()).toEqual([]);
      expect(member.node.raft).toMatchObject({ term: 3, leader: NONE });
    },
  );

  test.each([{ checkQuorum: true }, { preVote: true }])(
    "with %o, a leader of an earlier term is told, for no election could",
    (option) => {
      const member = new Member(1n, { hardState: { term: 3, vote: NONE, commit: 0 } }, option);
      for (const type of [app, heartbeat] as const) {
        member.receive(type, 2n, 2);
        expect(member.work()).toMatchObject([{ type: appResp, to: 2n, term: 3 }]);
      }
    },
  );

  test("a leader sends heartbeats as often as configured (5.2)", () => {
    const leader = new Member(1n, {}, { heartbeatTicks: 3 }).elect(2n);
    leader.tick(2);
    expect(leader.work()).toEqual([]);
    leader.tick(1);
    expect(leader.work()).toMatchObject([
      { type: heartbeat, to: 2n, term: 1 },
      { type: heartbeat, to: 3n, term: 1 },
    ]);
  });
});

describe("a restart (figure 2: persistent state)", () => {
  test("goes on from what was stored, and applies again only what was not applied", () => {
    const terms = [1, 1, 2];
    const hardState = { term: 3, vote: 2n, commit: 3 };
    const member = new Member(1n, { terms, hardState }, { applied: 1 });
    expect(member.node.raft).toMatchObject({ role: "follower", term: 3, vote: 2n, leader: NONE });
    expect(member.work()).toEqual([]);
    expect(member.applied.map(({ index }) => index)).toEqual([2, 3]);
  });

  test.each([
    {
      hardState: { term: 1, vote: NONE, commit: 2 },
      terms: [1],
      failure: "stored commit index 2 is out of range [0, 1]",
    },
    {
      hardState: { term: 1, vote: NONE, commit: 0 },
      terms: [1],
      applied: 1,
      failure: "applied(1) is out of range",
    },
  ])("does not go on from a log that was lost: $failure", ({ hardState, terms, applied = 0, failure }) => {
    expect(() => new Member(1n, { hardState, terms }, { applied })).toThrow(failure);
  });
});

describe("a configuration that cannot work is refused", () => {
  test.each([
    { change: { id: 0n }, failure: "0 cannot be the id of a member" },
    { change: { id: 0xffff_ffff_ffff_ffffn }, failure: "18446744073709551615 cannot be the id of a member" },
    { change: { heartbeatTicks: 0 }, failure: "heartbeat ticks must be more than 0, not 0" },
    { change: { electionTicks: 1 }, failure: "election ticks (1) must be more than heartbeat ticks (1)" },
    { change: { applyingBytesMax: 0 }, failure: "the bound on entries being applied must be more than 0" },
    {
      change: { messageBytesMax: 9, inflightBytesMax: 8 },
      failure: "bytes in flight (8) must allow a whole message (9)",
    },
    { change: { readOnly: "leaseBased" as const }, failure: "reads by lease need checkQuorum" },
  ])("$failure", ({ change, failure }) => {
    expect(() => new Raft(configOf(1n, storageOf({}), change))).toThrow(failure);
  });
});

test("a group of five survives the loss of two, and not of three (5.1)", () => {
  for (const [answering, commits] of [
    [2, true],
    [1, false],
  ] as const) {
    const leader = new Member(1n, { voters: FIVE }).elect(2n, 3n);
    for (const id of FIVE.slice(1, 1 + answering)) leader.receive(appResp, id, 1, { index: 1 });
    expect(leader.node.raft.log.committed === 1).toBe(commits);
  }
});

test("who forgets a leader may vote for another at once", () => {
  const member = new Member(1n, {}, { checkQuorum: true });
  member.receive(heartbeat, 2n, 1);
  member.work();
  member.node.forgetLeader();
  expect(member.node.raft).toMatchObject({ role: "follower", term: 1, leader: NONE });
  member.receive(vote, 3n, 2);
  expect(member.work()).toMatchObject([{ type: voteResp, to: 3n, reject: false }]);
  expect(THREE).toContain(member.node.raft.vote);
});
