import { describe, expect, test } from "vitest";
import {
  countWithin,
  entriesSize,
  entrySize,
  isLocalType,
  isResponseType,
  MessageType,
  payloadSize,
} from "../../src/raft/message.ts";

describe("sizes are those of etcd's encoding (raftpb.Entry.Size)", () => {
  // Type, term and index are always written, one byte of tag each; data where there is any.
  test.each([
    { entry: { term: 0, index: 0, data: 0 }, bytes: 6 },
    { entry: { term: 1, index: 127, data: 0 }, bytes: 6 },
    { entry: { term: 1, index: 128, data: 0 }, bytes: 7 },
    { entry: { term: 1, index: 16_384, data: 0 }, bytes: 8 },
    { entry: { term: 1, index: Number.MAX_SAFE_INTEGER, data: 0 }, bytes: 13 },
    { entry: { term: 1, index: 1, data: 1 }, bytes: 9 },
    { entry: { term: 1, index: 1, data: 128 }, bytes: 6 + 3 + 128 },
  ])("$entry: $bytes", ({ entry: { term, index, data }, bytes }) => {
    expect(entrySize({ type: 0, term, index, data: new Uint8Array(data) })).toBe(bytes);
  });

  const entries = [1, 2, 3].map((index) => ({ type: 0 as const, term: 1, index, data: new Uint8Array(10) }));

  test("of several", () => {
    expect([entriesSize(entries), payloadSize(entries)]).toEqual([54, 30]);
  });

  test.each([
    { max: 0, count: 1 },
    { max: 35, count: 1 },
    { max: 36, count: 2 },
    { max: 54, count: 3 },
    { max: Infinity, count: 3 },
  ])("$count fit into $max, but at least one", ({ max, count }) => {
    expect(countWithin(entries, 0, 3, max)).toBe(count);
    expect(countWithin(entries, 3, 3, max)).toBe(0);
  });
});

test("what is local, and what is an answer, by wire number", () => {
  const numbers = (is: (type: MessageType) => boolean): number[] => Object.values(MessageType).filter(is);
  expect(numbers(isLocalType)).toEqual([0, 1, 10, 11, 12, 19, 20, 21, 22]);
  expect(numbers(isResponseType)).toEqual([4, 6, 9, 10, 16, 18, 20, 22]);
});
