/** The state of a member, for operators and metrics: a copy that later steps do not change. Pure. */
import type { ConfState } from "./conf.ts";
import type { HardState, NodeId } from "./message.ts";
import type { ProgressState } from "./progress.ts";
import type { Raft } from "./raft.ts";
import type { SoftState } from "./ready.ts";

export interface Status {
  readonly id: NodeId;
  readonly hardState: HardState;
  readonly softState: SoftState;
  readonly applied: number;
  /** Index of the last entry here, whether stored or not. */
  readonly lastIndex: number;
  /** Who the leader is handing over to; 0 for nobody. */
  readonly transferee: NodeId;
  readonly config: ConfState;
  /** All members by id, as their leader sees them; none if this member does not lead. */
  readonly members: readonly MemberStatus[];
}

/** How far a member is; see `progress.ts`. */
export interface MemberStatus {
  readonly id: NodeId;
  readonly isLearner: boolean;
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  readonly isPaused: boolean;
  readonly recentActive: boolean;
  readonly pendingSnapshot: number;
  readonly inflightMessages: number;
  /** The above in one line, as etcd's scripts show it. */
  readonly text: string;
}

export function statusOf(raft: Raft): Status {
  return {
    id: raft.id,
    hardState: raft.hardState(),
    softState: { leader: raft.leader, role: raft.role },
    applied: raft.log.applied,
    lastIndex: raft.log.lastIndex(),
    transferee: raft.transferee,
    config: raft.tracker.config,
    members: raft.role === "leader" ? membersOf(raft) : [],
  };
}

function membersOf(raft: Raft): readonly MemberStatus[] {
  return raft.tracker.members.map((member) => ({
    id: member.id,
    isLearner: member.isLearner,
    match: member.match,
    next: member.next,
    state: member.state,
    isPaused: member.isPaused(),
    recentActive: member.recentActive,
    pendingSnapshot: member.pendingSnapshot,
    inflightMessages: member.inflights.count,
    text: member.describe(),
  }));
}
