/**
 * Configurations of a group and the changes to them, as values (raftpb ConfState, ConfChange, ConfChangeV2), with
 * the texts in which logs and scripts show them. What a change does to a configuration is in confchange.ts, the
 * bytes of a change are in conf-codec.ts.
 */
import { RefusedError } from "../lib/errors.ts";

/**
 * Who belongs to the group (raftpb.ConfState). Inside the core the lists are sorted and without repetition; one that
 * comes from storage or from a snapshot passes `restore` (confchange.ts) first.
 */
export interface ConfState {
  /** The voters; in a joint configuration those of the incoming half. */
  readonly voters: readonly bigint[];
  /** The voters of the outgoing half; empty unless the configuration is joint. */
  readonly votersOutgoing: readonly bigint[];
  /** Members that receive the log but have no vote. Never voters of either half at the same time. */
  readonly learners: readonly bigint[];
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: readonly bigint[];
  /** The leader leaves this joint configuration by itself as soon as it has been applied. */
  readonly autoLeave: boolean;
}

/** The configuration of a node that has not joined any group yet. */
export const EMPTY_CONF_STATE: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** Both halves must agree on everything (thesis §4.3). */
export const isJoint = (config: ConfState): boolean => config.votersOutgoing.length > 0;

/** What is done with one member. `updateNode` means nothing to raft: etcd passes a member's new URLs in its context. */
export type ConfChangeType = "addNode" | "removeNode" | "updateNode" | "addLearnerNode";

/**
 * How a ConfChangeV2 is carried out. `auto`: directly if it has at most one change, else jointly and left
 * automatically. `jointImplicit`: jointly, left automatically. `jointExplicit`: jointly, left by an empty ConfChangeV2.
 */
export type ConfChangeTransition = "auto" | "jointImplicit" | "jointExplicit";

/** One step of a change. A `nodeId` of 0 is skipped: etcd writes it to refuse a change that is already in the log. */
export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly nodeId: bigint;
}

/** One change of one member (raftpb.ConfChange): the only form that etcd 3.4 and 3.5 propose. */
export interface ConfChangeV1 extends ConfChangeSingle {
  readonly version: 1;
  /** The proposer's own number for this change; raft does not look at it. */
  readonly id: bigint;
  readonly context: Uint8Array;
}

/** Changes of any number of members at once (raftpb.ConfChangeV2); with none at all it leaves a joint configuration. */
export interface ConfChangeV2 {
  readonly version: 2;
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array;
}

export type ConfChange = ConfChangeV1 | ConfChangeV2;

const NO_CONTEXT = new Uint8Array(0);

/** The ConfChangeV2 that leaves a joint configuration: what the leader proposes by itself where `autoLeave` is set. */
export const LEAVE_JOINT: ConfChangeV2 = { version: 2, transition: "auto", changes: [], context: NO_CONTEXT };

/** A ConfChange for one member. */
export function confChangeV1(
  type: ConfChangeType,
  nodeId: bigint,
  context: Uint8Array = NO_CONTEXT,
): ConfChangeV1 {
  return { version: 1, id: 0n, type, nodeId, context };
}

/** A ConfChangeV2 for any number of members. */
export function confChangeV2(
  changes: readonly ConfChangeSingle[],
  transition: ConfChangeTransition = "auto",
  context: Uint8Array = NO_CONTEXT,
): ConfChangeV2 {
  return { version: 2, transition, changes, context };
}

/** The same change in the newer form. */
export function asV2(change: ConfChange): ConfChangeV2 {
  if (change.version === 2) return change;
  return confChangeV2([{ type: change.type, nodeId: change.nodeId }], "auto", change.context);
}

/** How a change is carried out: see `ConfChangeTransition`. */
export type ConfChangeKind =
  | { readonly type: "simple" }
  | { readonly type: "enterJoint"; readonly autoLeave: boolean }
  | { readonly type: "leaveJoint" };

/** The way in which `change` is carried out. More than one member at a time always goes through a joint configuration. */
export function kindOf(change: ConfChangeV2): ConfChangeKind {
  if (change.transition === "auto") {
    if (change.changes.length === 0) return { type: "leaveJoint" };
    if (change.changes.length === 1) return { type: "simple" };
  }
  return { type: "enterJoint", autoLeave: change.transition !== "jointExplicit" };
}

/** Equal whatever the order of their lists, as raftpb's ConfState.Equivalent has it. */
export function equivalent(a: ConfState, b: ConfState): boolean {
  return (
    a.autoLeave === b.autoLeave &&
    sameIds(a.voters, b.voters) &&
    sameIds(a.votersOutgoing, b.votersOutgoing) &&
    sameIds(a.learners, b.learners) &&
    sameIds(a.learnersNext, b.learnersNext)
  );
}

function sameIds(a: readonly bigint[], b: readonly bigint[]): boolean {
  if (a.length !== b.length) return false;
  const sorted = b.toSorted(compareIds);
  return a.toSorted(compareIds).every((id, i) => id === sorted[i]);
}

/** The order of ids: for `sort`. */
export function compareIds(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

const LETTERS = { addNode: "v", addLearnerNode: "l", removeNode: "r", updateNode: "u" } as const;

/** `v1 l2 r3 u4`: make 1 a voter, 2 a learner, remove 3, update 4. */
export function describeChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map((change) => `${LETTERS[change.type]}${change.nodeId}`).join(" ");
}

const TYPES = new Map<string, ConfChangeType>([
  ["v", "addNode"],
  ["l", "addLearnerNode"],
  ["r", "removeNode"],
  ["u", "updateNode"],
]);

/**
 * The inverse of `describeChanges`.
 * @throws RefusedError
 */
export function parseChanges(text: string): ConfChangeSingle[] {
  const words = text.split(/\s+/).filter((word) => word !== "");
  return words.map((word) => {
    const type = TYPES.get(word.charAt(0));
    const digits = word.slice(1);
    if (type === undefined || !/^\d+$/.test(digits)) {
      throw new RefusedError("conf_change_text", `"${word}" is no membership change: write v1, l1, r1 or u1`);
    }
    return { type, nodeId: BigInt(digits) };
  });
}

const TYPE_NAMES = {
  addNode: "ConfChangeAddNode",
  removeNode: "ConfChangeRemoveNode",
  updateNode: "ConfChangeUpdateNode",
  addLearnerNode: "ConfChangeAddLearnerNode",
} as const;

const TRANSITION_NAMES = {
  auto: "ConfChangeTransitionAuto",
  jointImplicit: "ConfChangeTransitionJointImplicit",
  jointExplicit: "ConfChangeTransitionJointExplicit",
} as const;

/** `transition:ConfChangeTransitionAuto changes:{type:ConfChangeAddNode node_id:3}`, as log lines show a change. */
export function describeConfChange(change: ConfChange): string {
  const { transition, changes } = asV2(change);
  const steps = changes.map((step) => ` changes:{type:${TYPE_NAMES[step.type]} node_id:${step.nodeId}}`);
  return `transition:${TRANSITION_NAMES[transition]}${steps.join("")}`;
}

/** `voters=(1 2 3)&&(1) learners=(4) learners_next=(2) autoleave`: ids in hex, what is empty is left out. */
export function describeConfig(config: ConfState): string {
  let text = `voters=${describeIds(config.voters)}`;
  if (config.votersOutgoing.length > 0) text += `&&${describeIds(config.votersOutgoing)}`;
  if (config.learners.length > 0) text += ` learners=${describeIds(config.learners)}`;
  if (config.learnersNext.length > 0) text += ` learners_next=${describeIds(config.learnersNext)}`;
  return config.autoLeave ? `${text} autoleave` : text;
}

const describeIds = (ids: readonly bigint[]): string => `(${ids.map((id) => id.toString(16)).join(" ")})`;

/** `Voters:[1 2] VotersOutgoing:[1] Learners:[] LearnersNext:[] AutoLeave:true`, as a snapshot is shown: ids in decimal. */
export function describeConfState(config: ConfState): string {
  return (
    `Voters:[${config.voters.join(" ")}] VotersOutgoing:[${config.votersOutgoing.join(" ")}] ` +
    `Learners:[${config.learners.join(" ")}] LearnersNext:[${config.learnersNext.join(" ")}] ` +
    `AutoLeave:${config.autoLeave}`
  );
}
