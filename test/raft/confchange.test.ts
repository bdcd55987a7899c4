import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError, RefusedError } from "../../src/lib/errors.ts";
import {
  type ConfChangeSingle,
  type ConfChangeType,
  type ConfState,
  confChangeV2,
  EMPTY_CONF_STATE,
  equivalent,
  LEAVE_JOINT,
  parseChanges,
} from "../../src/raft/conf.ts";
import {
  type ConfChangeResult,
  changeConfig,
  enterJoint,
  leaveJoint,
  restore,
  simple,
} from "../../src/raft/confchange.ts";
import { jointVote } from "../../src/raft/quorum.ts";
import { confchangeEnvironment } from "./confchange-environment.ts";
import { testScripts } from "./script-tests.ts";

testScripts(confchangeEnvironment);

const IDS = [1n, 2n, 3n, 4n, 5n, 6n];

type Role = "voter" | "learner";

/** The model of a group outside of a joint configuration: who has which role, and nothing else. */
type Roles = ReadonlyMap<bigint, Role>;

const rolesOf = (config: ConfState): Roles =>
  new Map<bigint, Role>([
    ...config.voters.map((id): [bigint, Role] => [id, "voter"]),
    ...config.learners.map((id): [bigint, Role] => [id, "learner"]),
  ]);

const votersOf = (roles: Roles): bigint[] => IDS.filter((id) => roles.get(id) === "voter");

/** The last word about a member is what counts. */
function changed(roles: Roles, changes: readonly ConfChangeSingle[]): Roles {
  const after = new Map(roles);
  for (const { type, nodeId } of changes) {
    if (nodeId === 0n) continue;
    if (type === "addNode") after.set(nodeId, "voter");
    if (type === "addLearnerNode") after.set(nodeId, "learner");
    if (type === "removeNode") after.delete(nodeId);
  }
  return after;
}

/** The result, or the message with which the change was refused. */
function outcomeOf(run: () => ConfChangeResult): ConfChangeResult | string {
  try {
    return run();
  } catch (error) {
    if (error instanceof RefusedError) return error.message;
    throw error;
  }
}

/** Every set of members that could decide alone in `config`. */
function quorumsOf(config: ConfState): bigint[][] {
  const sets = Array.from({ length: 2 ** IDS.length }, (_, bits) =>
    IDS.filter((_id, i) => (bits & (1 << i)) !== 0),
  );
  return sets.filter((set) => {
    const result = jointVote(config.voters, config.votersOutgoing, (id) => set.includes(id));
    return result === "won";
  });
}

const allMeet = (a: ConfState, b: ConfState): boolean => {
  const others = quorumsOf(b).map((set) => new Set(set));
  return quorumsOf(a).every((set) => others.every((other) => set.some((id) => other.has(id))));
};

const single = fc.record({
  type: fc.constantFrom<ConfChangeType>("addNode", "addLearnerNode", "removeNode", "updateNode"),
  nodeId: fc.constantFrom(0n, ...IDS),
});
const changeList = fc.array(single, { maxLength: 6 });

/** A configuration that is not joint, with at least one voter. */
const settled: fc.Arbitrary<ConfState> = fc
  .array(fc.constantFrom<Role | "absent">("voter", "learner", "absent"), { minLength: 6, maxLength: 6 })
  .map((roles) => ({
    ...EMPTY_CONF_STATE,
    voters: IDS.filter((_, i) => roles[i] === "voter"),
    learners: IDS.filter((_, i) => roles[i] === "learner"),
  }))
  .filter(({ voters }) => voters.length > 0);

const NO_VOTERS = "removed all voters";

describe("against a model that knows only roles", () => {
  test("a simple change does what its list says, or is refused", () => {
    fc.assert(
      fc.property(settled, changeList, (config, changes) => {
        const roles = changed(rolesOf(config), changes);
        const voters = votersOf(roles);
        const different = IDS.filter((id) => voters.includes(id) !== config.voters.includes(id)).length;
        const outcome = outcomeOf(() => simple(config, changes));
        const expected =
          voters.length === 0
            ? NO_VOTERS
            : different > 1
              ? "more than one voter changed without entering joint config"
              : roles;
        expect(typeof outcome === "string" ? outcome : rolesOf(outcome.config)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("a joint change does what its list says once it is left, or is refused", () => {
    fc.assert(
      fc.property(settled, changeList, fc.boolean(), (config, changes, autoLeave) => {
        const roles = changed(rolesOf(config), changes);
        const joint = outcomeOf(() => enterJoint(config, autoLeave, changes));
        const left = typeof joint === "string" ? joint : rolesOf(leaveJoint(joint.config).config);
        expect(left).toEqual(votersOf(roles).length === 0 ? NO_VOTERS : roles);
      }),
      { numRuns: 2000 },
    );
  });

  test("within a joint configuration the outgoing half stays, and its voters are not learners yet", () => {
    fc.assert(
      fc.property(settled, changeList, fc.boolean(), (config, changes, autoLeave) => {
        const roles = changed(rolesOf(config), changes);
        fc.pre(votersOf(roles).length > 0);
        const joint = enterJoint(config, autoLeave, changes).config;
        const learners = IDS.filter((id) => roles.get(id) === "learner");
        expect(joint).toEqual({
          voters: votersOf(roles),
          votersOutgoing: config.voters,
          learners: learners.filter((id) => !config.voters.includes(id)),
          learnersNext: learners.filter((id) => config.voters.includes(id)),
          autoLeave,
        });
      }),
      { numRuns: 1000 },
    );
  });

  test("the members added are those that were absent before the change or at some time within it", () => {
    fc.assert(
      fc.property(settled, changeList, (config, changes) => {
        const outcome = outcomeOf(() => simple(config, changes));
        fc.pre(typeof outcome !== "string");
        const absent = new Set(IDS.filter((id) => !rolesOf(config).has(id)));
        for (const { type, nodeId } of changes) if (type === "removeNode") absent.add(nodeId);
        const members = rolesOf(outcome.config);
        const added = IDS.filter((id) => members.has(id) && outcome.added.has(id));
        expect(added).toEqual(IDS.filter((id) => members.has(id) && absent.has(id)));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("safety: two configurations in succession never decide apart", () => {
  // Thesis §4.1: overlap between any majority of the old and any majority of the new configuration.
  test("any quorum before a simple change meets any quorum after it", () => {
    fc.assert(
      fc.property(settled, changeList, (config, changes) => {
        const outcome = outcomeOf(() => simple(config, changes));
        fc.pre(typeof outcome !== "string");
        expect(allMeet(config, outcome.config)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  // Thesis §4.3: agreement requires separate majorities of the old and the new configuration.
  test("any quorum of a joint configuration meets any of those before and after it", () => {
    fc.assert(
      fc.property(settled, changeList, (config, changes) => {
        const joint = outcomeOf(() => enterJoint(config, true, changes));
        fc.pre(typeof joint !== "string");
        expect(allMeet(config, joint.config)).toBe(true);
        expect(allMeet(joint.config, leaveJoint(joint.config).config)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test("two voters changed at once would not be safe: that is why it is refused", () => {
    const config = { ...EMPTY_CONF_STATE, voters: [1n, 2n, 3n] };
    expect(allMeet(config, { ...EMPTY_CONF_STATE, voters: [1n, 4n, 5n] })).toBe(false);
    expect(outcomeOf(() => simple(config, parseChanges("r2 r3 v4 v5")))).toContain("more than one voter");
  });
});

describe("a change is carried out as it asks for", () => {
  const config = { ...EMPTY_CONF_STATE, voters: [1n, 2n] };

  test("directly, jointly, and back", () => {
    expect(changeConfig(config, confChangeV2(parseChanges("v3"))).config.voters).toEqual([1n, 2n, 3n]);
    const implicit = changeConfig(config, confChangeV2(parseChanges("v3 r1"))).config;
    expect(implicit).toEqual({ ...config, voters: [2n, 3n], votersOutgoing: [1n, 2n], autoLeave: true });
    const explicit = changeConfig(config, confChangeV2(parseChanges("v3"), "jointExplicit")).config;
    expect([explicit.votersOutgoing, explicit.autoLeave]).toEqual([[1n, 2n], false]);
    expect(changeConfig(implicit, LEAVE_JOINT).config).toEqual({ ...config, voters: [2n, 3n] });
  });

  test("a configuration given is never changed itself", () => {
    const frozen = Object.freeze({ ...config, voters: Object.freeze([1n, 2n]) });
    expect(changeConfig(frozen, confChangeV2(parseChanges("r1 v3 l4"))).config).not.toEqual(config);
    expect(frozen.voters).toEqual([1n, 2n]);
  });

  test("one that breaks the rules on its way is our own bug", () => {
    const broken = { ...config, learners: [2n] };
    expect(() => simple(broken, parseChanges("v3"))).toThrow(InvariantError);
  });
});

describe("restoring", () => {
  /** How the reference restores: the changes that lead from an empty group to the configuration. */
  function replayed(stored: ConfState): ConfState {
    const list = (type: ConfChangeType, ids: readonly bigint[]): ConfChangeSingle[] =>
      ids.map((nodeId) => ({ type, nodeId }));
    const incoming = [
      ...list("addNode", stored.voters),
      ...list("addLearnerNode", stored.learners),
      ...list("addLearnerNode", stored.learnersNext),
    ];
    const oneByOne = (changes: readonly ConfChangeSingle[]): ConfState =>
      changes.reduce<ConfState>((config, change) => simple(config, [change]).config, EMPTY_CONF_STATE);
    if (stored.votersOutgoing.length === 0) return oneByOne(incoming);
    const outgoing = oneByOne(list("addNode", stored.votersOutgoing));
    const removals = list("removeNode", stored.votersOutgoing);
    return enterJoint(outgoing, stored.autoLeave, [...removals, ...incoming]).config;
  }

  const someIds = fc.shuffledSubarray([...IDS, 0n]);
  /** Lists without much sense, some of them a configuration; now and then an id is in a list twice. */
  const anyState: fc.Arbitrary<ConfState> = fc.record({
    voters: fc.oneof(someIds, fc.constant([1n, 2n, 2n])),
    votersOutgoing: fc.oneof(fc.constant([]), someIds),
    learners: fc.oneof(fc.constant([]), someIds),
    learnersNext: fc.oneof(fc.constant([]), someIds),
    autoLeave: fc.boolean(),
  });

  test("gives what the reference's replay gives, and refuses what that cannot reproduce", () => {
    fc.assert(
      fc.property(fc.oneof(anyState, settled), (stored) => {
        const replay = failing(() => replayed(stored));
        const expected = replay !== undefined && equivalent(replay, stored) ? replay : undefined;
        expect(failing(() => restore(stored).config)).toEqual(expected);
      }),
      { numRuns: 5000 },
    );
  });

  function failing(run: () => ConfState): ConfState | undefined {
    const outcome = outcomeOf(() => ({ config: run(), added: new Set() }));
    return typeof outcome === "string" ? undefined : outcome.config;
  }

  test("gives every configuration that a joint change leads to, with all its members as added", () => {
    fc.assert(
      fc.property(settled, changeList, fc.boolean(), (config, changes, autoLeave) => {
        const joint = outcomeOf(() => enterJoint(config, autoLeave, changes));
        fc.pre(typeof joint !== "string");
        const reversed = {
          ...joint.config,
          voters: joint.config.voters.toReversed(),
          learners: joint.config.learners.toReversed(),
        };
        const restored = restore(reversed);
        expect(restored.config).toEqual(joint.config);
        const { voters, votersOutgoing, learners } = joint.config;
        expect(restored.added).toEqual(new Set([...voters, ...votersOutgoing, ...learners]));
      }),
    );
  });

  test.each<[string, Partial<ConfState>, string]>([
    ["a member with two roles", { voters: [1n], learners: [1n] }, "1 is both a learner and a voter"],
    ["a member listed twice", { voters: [1n, 1n] }, "a member is listed twice"],
    ["the id 0", { voters: [1n, 0n] }, "a member has the id 0"],
    ["learners only", { learners: [1n] }, NO_VOTERS],
    ["an outgoing half only", { votersOutgoing: [1n] }, NO_VOTERS],
    ["auto-leave of nothing", { voters: [1n], autoLeave: true }, "cannot be left"],
    ["a learner to be that is no voter", { voters: [1n], learnersNext: [2n] }, "2 is to become a learner"],
  ])("refuses %s", (_, stored, reason) => {
    expect(() => restore({ ...EMPTY_CONF_STATE, ...stored })).toThrow(RefusedError);
    expect(() => restore({ ...EMPTY_CONF_STATE, ...stored })).toThrow(reason);
  });

  test("an empty configuration is that of a node which has joined nothing yet", () => {
    expect(restore(EMPTY_CONF_STATE)).toEqual({ config: EMPTY_CONF_STATE, added: new Set() });
  });
});
