import { expect, test } from "vitest";
import { EMPTY_CONF_STATE } from "../../src/raft/conf.ts";
import { MessageType, message, proposal } from "../../src/raft/message.ts";
import { ReadOnly } from "../../src/raft/read-only.ts";
import { bytes, FIVE, text } from "./support/members.ts";

const config = { ...EMPTY_CONF_STATE, voters: FIVE };

function readsOf(...names: readonly string[]): { reads: ReadOnly; contexts: Uint8Array[] } {
  const reads = new ReadOnly();
  const contexts = names.map((name) => {
    reads.add(1, message(MessageType.readIndex, 1n, 1n, 0, { entries: [proposal(bytes(name))] }));
    return reads.heartbeatContext();
  });
  return { reads, contexts };
}

const taken = (reads: ReadOnly): string[] =>
  reads.takeConfirmed(config).map(({ request }) => text(request.entries[0]?.data ?? bytes("")));

test("answers to different rounds add up: a later one counts for those before", () => {
  const { reads, contexts } = readsOf("a", "b", "c");
  const [first = bytes(""), second = bytes(""), third = bytes("")] = contexts;
  reads.acknowledge(1n, third);
  reads.acknowledge(2n, first);
  expect(taken(reads)).toEqual([]);
  reads.acknowledge(3n, second);
  expect(taken(reads)).toEqual(["a"]);
  reads.acknowledge(2n, second);
  reads.acknowledge(2n, first);
  expect(taken(reads)).toEqual(["b"]);
  expect(taken(reads)).toEqual([]);
});

test("who is no voter confirms nothing, nor does a context that is none of ours", () => {
  const { reads, contexts } = readsOf("a");
  for (const id of [7n, 8n, 9n]) reads.acknowledge(id, contexts[0] ?? bytes(""));
  for (const id of [1n, 2n, 3n]) reads.acknowledge(id, bytes("other"));
  expect(taken(reads)).toEqual([]);
});

test("nothing waits, nothing is asked; and what is forgotten is confirmed no more", () => {
  const { reads, contexts } = readsOf("a");
  reads.reset();
  expect(reads.heartbeatContext()).toHaveLength(0);
  for (const id of FIVE) reads.acknowledge(id, contexts[0] ?? bytes(""));
  expect(taken(reads)).toEqual([]);
});
