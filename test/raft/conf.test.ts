import { describe, expect, test } from "vitest";
import { RefusedError } from "../../src/lib/errors.ts";
import {
  asV2,
  type ConfChangeTransition,
  type ConfState,
  confChangeV1,
  confChangeV2,
  describeChanges,
  describeConfChange,
  describeConfig,
  describeConfState,
  EMPTY_CONF_STATE,
  equivalent,
  kindOf,
  LEAVE_JOINT,
  parseChanges,
} from "../../src/raft/conf.ts";

const JOINT: ConfState = {
  voters: [1n, 0xabcn],
  votersOutgoing: [1n, 2n],
  learners: [5n],
  learnersNext: [2n],
  autoLeave: true,
};

describe("how a change is carried out", () => {
  const changesOf = (count: number): string => ["v1", "v2", "v3"].slice(0, count).join(" ");
  test.each<[ConfChangeTransition, number, string]>([
    ["auto", 0, "leaveJoint"],
    ["auto", 1, "simple"],
    ["auto", 2, "enterJoint autoLeave"],
    ["jointImplicit", 0, "enterJoint autoLeave"],
    ["jointImplicit", 1, "enterJoint autoLeave"],
    ["jointImplicit", 3, "enterJoint autoLeave"],
    ["jointExplicit", 0, "enterJoint"],
    ["jointExplicit", 1, "enterJoint"],
    ["jointExplicit", 3, "enterJoint"],
  ])("%s with %i changes: %s", (transition, count, expected) => {
    const kind = kindOf(confChangeV2(parseChanges(changesOf(count)), transition));
    expect(kind.type === "enterJoint" && kind.autoLeave ? "enterJoint autoLeave" : kind.type).toBe(expected);
  });

  test("a context does not make an empty change anything else", () => {
    expect(kindOf({ ...LEAVE_JOINT, context: new Uint8Array([1]) })).toEqual({ type: "leaveJoint" });
  });

  test("version 1 is one change, carried out directly, and keeps its context", () => {
    const context = new Uint8Array([7]);
    const change = asV2(confChangeV1("removeNode", 3n, context));
    expect(change).toEqual(confChangeV2([{ type: "removeNode", nodeId: 3n }], "auto", context));
    expect(kindOf(change)).toEqual({ type: "simple" });
    expect(asV2(change)).toBe(change);
  });
});

describe("configurations are equivalent", () => {
  test("whatever the order of their lists", () => {
    expect(equivalent(JOINT, { ...JOINT, voters: [0xabcn, 1n], votersOutgoing: [2n, 1n] })).toBe(true);
  });

  test.each<[string, Partial<ConfState>]>([
    ["a voter less", { voters: [1n] }],
    ["another voter", { voters: [1n, 3n] }],
    ["a voter twice", { voters: [1n, 1n] }],
    ["other outgoing voters", { votersOutgoing: [1n] }],
    ["other learners", { learners: [] }],
    ["others that become learners", { learnersNext: [] }],
    ["left by hand", { autoLeave: false }],
  ])("but not with %s", (_, change) => {
    expect(equivalent(JOINT, { ...JOINT, ...change })).toBe(false);
    expect(equivalent({ ...JOINT, ...change }, JOINT)).toBe(false);
  });
});

describe("texts", () => {
  test("changes are written as letters and ids, and read again", () => {
    const text = "v1 l2 r3 u18446744073709551615";
    expect(describeChanges(parseChanges(text))).toBe(text);
    expect(parseChanges("  v1\n l2 ")).toEqual(parseChanges("v1 l2"));
    expect(parseChanges(" ")).toEqual([]);
  });

  test.each(["v", "x1", "1", "v1a", "v-1", "v 1"])("%j is no change", (text) => {
    expect(() => parseChanges(text)).toThrow(RefusedError);
  });

  test("a configuration shows its ids in hex and leaves out what is empty", () => {
    expect(describeConfig(JOINT)).toBe("voters=(1 abc)&&(1 2) learners=(5) learners_next=(2) autoleave");
    expect(describeConfig({ ...EMPTY_CONF_STATE, voters: [1n] })).toBe("voters=(1)");
    expect(describeConfig(EMPTY_CONF_STATE)).toBe("voters=()");
  });

  test("a ConfState shows all fields, and its ids in decimal", () => {
    expect(describeConfState(JOINT)).toBe(
      "Voters:[1 2748] VotersOutgoing:[1 2] Learners:[5] LearnersNext:[2] AutoLeave:true",
    );
  });

  test("a change shows its names as the reference's logs do", () => {
    expect(describeConfChange(LEAVE_JOINT)).toBe("transition:ConfChangeTransitionAuto");
    expect(describeConfChange(confChangeV2(parseChanges("v1 r2"), "jointExplicit"))).toBe(
      "transition:ConfChangeTransitionJointExplicit changes:{type:ConfChangeAddNode node_id:1}" +
        " changes:{type:ConfChangeRemoveNode node_id:2}",
    );
    expect(describeConfChange(confChangeV1("addLearnerNode", 4n))).toBe(
      "transition:ConfChangeTransitionAuto changes:{type:ConfChangeAddLearnerNode node_id:4}",
    );
  });
});
