import { describe, expect, test } from "vitest";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type Entry,
  type Message,
  MessageType,
  message,
  NO_BYTES,
  NONE,
} from "../../src/raft/message.ts";
import { RawNode } from "../../src/raft/raw-node.ts";
import { bytes, configOf, entriesOf, Member, storageOf, THREE } from "./support/members.ts";

const { app, appResp, heartbeat, storageAppend, storageAppendResp, storageApply, vote, voteResp } =
  MessageType;

describe("thesis, 3.8 and 10.2.1: what waits for the disk, and what does not", () => {
  test("a leader sends entries while it writes them, and counts itself when they are durable", () => {
    const leader = new Member(1n, { voters: [1n, 2n, 3n] }).elect(2n);
    for (const id of [2n, 3n]) leader.receive(appResp, id, 1, { index: 1 });
    leader.work();
    leader.node.propose([bytes("a")]);
    const ready = leader.node.ready();
    expect(ready).toMatchObject({ entries: [{ index: 2 }], mustSync: true, messagesAfterSync: [] });
    expect(ready.messages).toMatchObject([
      { type: app, to: 2n },
      { type: app, to: 3n },
    ]);
    leader.receive(appResp, 2n, 1, { index: 2 });
    expect(leader.node.raft.log.committed).toBe(1);
    leader.storage.append(ready.entries);
    leader.node.advance();
    expect(leader.node.raft.log.committed).toBe(2);
  });

  test("an entry may be committed by others before its leader has stored it", () => {
    const leader = new Member(1n).elect(2n);
    for (const id of [2n, 3n]) leader.receive(appResp, id, 1, { index: 1 });
    leader.work();
    leader.node.propose([bytes("a")]);
    leader.node.ready();
    for (const id of [2n, 3n]) leader.receive(appResp, id, 1, { index: 2 });
    expect(leader.node.raft.log.committed).toBe(2);
  });

  test("an append is acknowledged once it is durable", () => {
    const follower = new Member(2n);
    follower.receive(app, 1n, 1, { entries: entriesOf(1) });
    const ready = follower.node.ready();
    expect(ready).toMatchObject({
      messages: [],
      mustSync: true,
      hardState: { term: 1 },
      entries: [{ index: 1 }],
    });
    expect(ready.messagesAfterSync).toMatchObject([{ type: appResp, to: 1n, index: 1 }]);
  });

  test("a commit index alone need not be synced", () => {
    const follower = new Member(2n);
    follower.receive(app, 1n, 1, { entries: entriesOf(1) });
    follower.work();
    follower.receive(heartbeat, 1n, 1, { commit: 1 });
    expect(follower.node.ready()).toMatchObject({ mustSync: false, hardState: { commit: 1 }, entries: [] });
  });

  test("what has been said is not said again; ready before advance is a fault", () => {
    const member = new Member(1n);
    member.node.campaign();
    expect(member.node.hasReady()).toBe(true);
    member.node.ready();
    expect(() => member.node.ready()).toThrow("ready() again before advance()");
    member.node.advance();
    expect(member.node.hasReady()).toBe(false);
    expect(() => member.node.advance()).toThrow("advance() without a ready() before it");
  });
});

describe("asynchronous storage writes", () => {
  /** Follows 1 with the append thread standing still. */
  function makeFollower(): {
    node: RawNode;
    work: () => Message[];
    append: (from: bigint, term: number, terms: number[]) => void;
  } {
    const node = new RawNode(configOf(2n, storageOf({ voters: THREE }), { asyncStorageWrites: true }));
    return {
      node,
      work: () => (node.hasReady() ? [...node.ready().messages] : []),
      append: (from, term, terms) =>
        void node.step(message(app, from, 2n, term, { entries: entriesOf(...terms) })),
    };
  }

  test("writes and applications are orders, with the answers to be given when they are done", () => {
    const { node, work, append } = makeFollower();
    append(1n, 1, [1, 1]);
    const [order, ...rest] = work();
    expect(rest).toEqual([]);
    expect(order).toMatchObject({
      type: storageAppend,
      to: APPEND_THREAD,
      term: 1,
      entries: [{ index: 1 }, { index: 2 }],
    });
    expect(order?.responses).toMatchObject([
      { type: appResp, to: 1n, index: 2 },
      { type: storageAppendResp, from: APPEND_THREAD, to: 2n, term: 1, index: 2, logTerm: 1 },
    ]);
    expect(node.hasReady()).toBe(false);
  });

  test("entries are applied only once this machine has stored them", () => {
    const { node, work, append } = makeFollower();
    append(1n, 1, [1]);
    const [order] = work();
    node.step(message(heartbeat, 1n, 2n, 1, { commit: 1 }));
    expect(work().filter((m) => m.to === APPLY_THREAD)).toEqual([]);
    for (const response of order?.responses ?? []) if (response.to === 2n) node.step(response);
    expect(node.raft.log.unstable.length).toBe(0);
    expect(node.hasReady()).toBe(true);
  });

  test("an older write that ends in a later term makes nothing stable", () => {
    const { node, work, append } = makeFollower();
    append(1n, 1, [1]);
    const [first] = work();
    append(3n, 2, [2]);
    const [second] = work();
    append(1n, 3, [1]);
    work();
    for (const order of [first, second]) {
      for (const response of order?.responses ?? []) if (response.to === 2n) node.step(response);
    }
    expect(node.raft.log.unstable.length).toBe(1);
  });

  test("a candidate's own vote is an answer of the write that stores it", () => {
    const { node, work } = makeFollower();
    node.campaign();
    const messages = work();
    expect(messages.map(({ type, to }) => [type, to])).toEqual([
      [vote, 1n],
      [vote, 3n],
      [storageAppend, APPEND_THREAD],
    ]);
    expect(messages.at(-1)).toMatchObject({
      term: 1,
      vote: 2n,
      responses: [{ type: voteResp, to: 2n, term: 1 }],
    });
  });

  test("an application that is done makes room for the next", () => {
    const storage = storageOf({
      voters: [1n],
      terms: [1, 1, 1],
      hardState: { term: 1, vote: 1n, commit: 3 },
    });
    const node = new RawNode(configOf(1n, storage, { asyncStorageWrites: true, applyingBytesMax: 1 }));
    const applied: number[] = [];
    while (node.hasReady()) {
      for (const order of node.ready().messages) {
        expect(order.type).toBe(storageApply);
        expect(node.hasReady()).toBe(false);
        applied.push(...order.entries.map(({ index }) => index));
        for (const response of order.responses) node.step(response);
      }
    }
    expect(applied).toEqual([1, 2, 3]);
  });
});

describe("the gate for messages from outside", () => {
  test.each([
    MessageType.hup,
    MessageType.beat,
    MessageType.checkQuorum,
    MessageType.unreachable,
    storageAppendResp,
  ])("type %i is none of another member's", (type) => {
    const member = new Member(1n);
    expect(member.receive(type, 2n, 0)).toBe("local");
    expect(member.node.hasReady()).toBe(false);
  });

  test.each([
    appResp,
    voteResp,
    MessageType.heartbeatResp,
    MessageType.readIndexResp,
    MessageType.preVoteResp,
  ])("an answer (%i) of somebody who is no member is not looked at, whatever its term", (type) => {
    const member = new Member(1n);
    expect(member.receive(type, 9n, 99)).toBe("stranger");
    expect(member.node.raft.term).toBe(0);
  });

  const entry = (term: number, index: number): Entry => ({ type: 0, term, index, data: NO_BYTES });
  test.each([
    { name: "a gap before its entries", type: app, fields: { index: 1, logTerm: 1, entries: [entry(1, 3)] } },
    { name: "a gap among them", type: app, fields: { entries: [entry(1, 1), entry(1, 3)] } },
    { name: "terms that go back", type: app, fields: { entries: [entry(2, 1), entry(1, 2)] } },
    {
      name: "an entry before an older one",
      type: app,
      fields: { index: 1, logTerm: 2, entries: [entry(1, 2)] },
    },
    { name: "entries of a later term than its own", type: app, fields: { entries: [entry(3, 1)] } },
    { name: "no snapshot", type: MessageType.snap, fields: {} },
    { name: "no proposal", type: MessageType.prop, fields: {} },
    { name: "no read", type: MessageType.readIndex, fields: {} },
  ])("a message with $name changes nothing", ({ type, fields }) => {
    const member = new Member(1n);
    expect(member.receive(type, 2n, 2, fields)).toBe("malformed");
    expect(member.node.raft.term).toBe(0);
  });

  test("a heartbeat that commits what is not here stops the member: its log was lost", () => {
    const member = new Member(1n);
    expect(() => member.receive(heartbeat, 2n, 1, { commit: 5 })).toThrow(
      "tocommit(5) is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?",
    );
  });
});

describe("status", () => {
  test("of a follower, and of a leader with its members", () => {
    const member = new Member(1n);
    expect(member.node.status()).toMatchObject({
      softState: { leader: NONE, role: "follower" },
      members: [],
    });
    member.elect(2n);
    member.receive(appResp, 2n, 1, { index: 1 });
    member.work();
    expect(member.node.status()).toMatchObject({
      id: 1n,
      hardState: { term: 1, vote: 1n, commit: 1 },
      softState: { leader: 1n, role: "leader" },
      applied: 1,
      lastIndex: 1,
      members: [
        { id: 1n, match: 1, state: "replicate", text: "StateReplicate match=1 next=2" },
        { id: 2n, match: 1, next: 2, state: "replicate", isPaused: false, recentActive: true },
        { id: 3n, match: 0, state: "probe", isPaused: true, recentActive: false },
      ],
    });
  });

  test("is a copy", () => {
    const member = new Member(1n).elect(2n);
    const before = member.node.status();
    member.receive(appResp, 2n, 1, { index: 1 });
    expect(before.members[1]?.match).toBe(0);
  });
});

test("a proposal without data is an entry like any other", () => {
  const single = new Member(1n, { voters: [1n] });
  single.node.campaign();
  single.work();
  single.node.propose([NO_BYTES, bytes("a")]);
  single.work();
  expect(single.applied.map(({ index }) => index)).toEqual([1, 2, 3]);
});
