import { describe, expect, test } from "vitest";
import { confChangeV1, confChangeV2 } from "../../src/raft/conf.ts";
import { confChangeProposal } from "../../src/raft/conf-entry.ts";
import { describeEntry, describeHardState, describeMessage, hex } from "../../src/raft/describe.ts";
import {
  APPEND_THREAD,
  APPLY_THREAD,
  EntryType,
  MessageType,
  message,
  proposal,
} from "../../src/raft/message.ts";
import { describeReady } from "../../src/raft/ready.ts";
import { bytes, Member } from "./support/members.ts";

describe("entries", () => {
  test.each([
    { data: bytes('plain "quoted" \\'), text: '0/0 EntryNormal "plain \\"quoted\\" \\\\"' },
    {
      data: Uint8Array.of(0, 7, 9, 10, 13, 0x7f, 0xff),
      text: '0/0 EntryNormal "\\x00\\a\\t\\n\\r\\x7f\\xff"',
    },
  ])("$text", ({ data, text }) => expect(describeEntry(proposal(data))).toBe(text));

  test.each([
    { change: confChangeV1("addNode", 3n), text: "0/0 EntryConfChange v3" },
    { change: confChangeV2([]), text: "0/0 EntryConfChangeV2" },
    { change: confChangeV2([{ type: "removeNode", nodeId: 1n }]), text: "0/0 EntryConfChangeV2 r1" },
  ])("$text", ({ change, text }) => expect(describeEntry(confChangeProposal(change))).toBe(text));

  test("a change that cannot be read says so", () => {
    expect(describeEntry(proposal(Uint8Array.of(0xff), EntryType.confChange))).toMatch(
      /^0\/0 EntryConfChange \S/,
    );
  });
});

test("ids are hexadecimal, threads have names, parts are indented", () => {
  expect(hex(0xbe21e09352c3c38n)).toBe("be21e09352c3c38");
  const response = message(MessageType.storageApplyResp, APPLY_THREAD, 10n, 0);
  const order = message(MessageType.storageApply, 10n, APPEND_THREAD, 0, {
    vote: 3n,
    commit: 4,
    entries: [proposal(bytes("a")), proposal(bytes("b"))],
    responses: [response],
  });
  expect(describeMessage(order)).toBe(
    [
      "a->AppendThread MsgStorageApply Term:0 Log:0/0 Commit:4 Vote:3 Entries:[",
      '  0/0 EntryNormal "a"',
      '  0/0 EntryNormal "b"',
      "] Responses:[",
      "  ApplyThread->a MsgStorageApplyResp Term:0 Log:0/0",
      "]",
    ].join("\n"),
  );
  expect(describeHardState({ term: 1, vote: 0n, commit: 2 })).toBe("Term:1 Commit:2");
});

test("a Ready with nothing in it", () => {
  expect(describeReady(new Member(1n).node.ready())).toBe("<empty Ready>");
});
