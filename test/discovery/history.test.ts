import { describe, expect, test } from "vitest";
import { answerFromHistory } from "../../src/discovery/history.ts";
import { removeMember } from "../../src/discovery/registry.ts";
import { idOf, NOW, newCluster, registered, request } from "./make.ts";

// Token 2, members at 3, 4, 5.
const three = registered(newCluster(5), request(1), request(2), request(3));

describe("a poll is owed the first creation at or after its index", () => {
  test.each([
    [1, 3],
    [3, 3],
    [4, 4],
    [5, 5],
  ])("from %d: the one at %d", (waitIndex, createdIndex) => {
    expect(answerFromHistory(three, undefined, waitIndex)).toMatchObject({
      type: "event",
      member: { createdIndex },
    });
  });

  test("nothing yet beyond the last", () => {
    expect(answerFromHistory(three, undefined, 6)).toEqual({ type: "none" });
  });

  test("of one member, its own creation only", () => {
    expect(answerFromHistory(three, idOf(2), 3)).toMatchObject({
      type: "event",
      member: { createdIndex: 4 },
    });
    expect(answerFromHistory(three, idOf(2), 5)).toEqual({ type: "none" });
    expect(answerFromHistory(three, idOf(9), 3)).toEqual({ type: "none" });
  });
});

describe("a poll that has counted a deleted member is stale", () => {
  // The member of index 4 goes at 6; another comes at 7.
  const { cluster: after } = removeMember(three, idOf(2), { now: NOW, nextIndex: 6 });
  const later = registered(after, request(4));

  test("when it asks from after the member's creation and up to its deletion", () => {
    expect(answerFromHistory(after, undefined, 5)).toEqual({ type: "stale" });
    expect(answerFromHistory(after, undefined, 6)).toEqual({ type: "stale" });
    expect(answerFromHistory(later, undefined, 6)).toEqual({ type: "stale" });
  });

  test("not when it has seen neither, nor when it has read after the deletion", () => {
    expect(answerFromHistory(after, undefined, 4)).toMatchObject({
      type: "event",
      member: { createdIndex: 5 },
    });
    expect(answerFromHistory(after, undefined, 7)).toEqual({ type: "none" });
    expect(answerFromHistory(later, undefined, 7)).toMatchObject({
      type: "event",
      member: { createdIndex: 7 },
    });
  });

  test("the deleted member's own poll ends too, unless it has registered again", () => {
    expect(answerFromHistory(after, idOf(2), 4)).toEqual({ type: "stale" });
    expect(answerFromHistory(registered(after, request(2)), idOf(2), 4)).toMatchObject({ type: "event" });
    expect(answerFromHistory(after, idOf(1), 4)).toEqual({ type: "none" });
  });
});
