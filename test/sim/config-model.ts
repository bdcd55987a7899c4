/**
 * Membership as the thesis tells it (4.1 to 4.3), written anew with sets: what the core makes of a change is held
 * against this, and majorities are counted by it.
 */
import { asV2, type ConfChange, type ConfState } from "../../src/raft/conf.ts";

export interface Membership {
  readonly incoming: ReadonlySet<bigint>;
  readonly outgoing: ReadonlySet<bigint>;
  readonly learners: ReadonlySet<bigint>;
  /** Outgoing voters that are learners once the joint configuration is left. */
  readonly demoted: ReadonlySet<bigint>;
  readonly autoLeave: boolean;
}

export function membershipOf(state: ConfState): Membership {
  return {
    incoming: new Set(state.voters),
    outgoing: new Set(state.votersOutgoing),
    learners: new Set(state.learners),
    demoted: new Set(state.learnersNext),
    autoLeave: state.autoLeave,
  };
}

export function confStateOf(membership: Membership): ConfState {
  const { incoming, outgoing, learners, demoted, autoLeave } = membership;
  return {
    voters: [...incoming],
    votersOutgoing: [...outgoing],
    learners: [...learners],
    learnersNext: [...demoted],
    autoLeave,
  };
}

/** @returns undefined for a change that does not suit: it is passed over by everybody. */
export function changed(before: Membership, change: ConfChange): Membership | undefined {
  const { changes, transition } = asV2(change);
  const isJoint = before.outgoing.size > 0;
  if (changes.length === 0 && transition === "auto") {
    if (!isJoint) return undefined;
    return {
      incoming: before.incoming,
      outgoing: new Set(),
      learners: new Set([...before.learners, ...before.demoted]),
      demoted: new Set(),
      autoLeave: false,
    };
  }
  if (isJoint) return undefined;
  const entersJoint = changes.length > 1 || transition !== "auto";
  const outgoing = entersJoint ? before.incoming : new Set<bigint>();
  const incoming = new Set(before.incoming);
  const learners = new Set(before.learners);
  const demoted = new Set<bigint>();
  for (const { type, nodeId } of changes) {
    if (type === "updateNode") continue;
    for (const set of [incoming, learners, demoted]) set.delete(nodeId);
    if (type === "addNode") incoming.add(nodeId);
    if (type === "addLearnerNode") (outgoing.has(nodeId) ? demoted : learners).add(nodeId);
  }
  if (incoming.size === 0) return undefined;
  return { incoming, outgoing, learners, demoted, autoLeave: entersJoint && transition !== "jointExplicit" };
}

export function sameMembership(a: Membership, b: Membership): boolean {
  return (
    a.autoLeave === b.autoLeave &&
    same(a.incoming, b.incoming) &&
    same(a.outgoing, b.outgoing) &&
    same(a.learners, b.learners) &&
    same(a.demoted, b.demoted)
  );
}

function same(a: ReadonlySet<bigint>, b: ReadonlySet<bigint>): boolean {
  return a.size === b.size && [...a].every((id) => b.has(id));
}

/** True if more than half of each half agrees; counted one by one. */
export function isMajority(membership: Membership, agrees: (id: bigint) => boolean): boolean {
  return [membership.incoming, membership.outgoing].every((half) => {
    let agreeing = 0;
    for (const id of half) if (agrees(id)) agreeing++;
    return half.size === 0 || agreeing * 2 > half.size;
  });
}

export function isIn(membership: Membership, id: bigint): boolean {
  return membership.incoming.has(id) || membership.outgoing.has(id) || membership.learners.has(id);
}
