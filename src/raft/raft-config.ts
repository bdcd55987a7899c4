/** What a core is told at its start. Pure. */
import { assert } from "../lib/assert.ts";
import { isLocalThread, NONE, type NodeId } from "./message.ts";
import type { RaftLogger } from "./raft-logger.ts";
import type { Storage } from "./storage.ts";

/**
 * How a linearizable read learns that its leader is still one. `safe`: a quorum answers a heartbeat first (thesis
 * 6.4). `leaseBased`: `checkQuorum` vouches for it, which is true only while clocks drift within bounds (thesis 6.4.1).
 */
export type ReadOnlyOption = "safe" | "leaseBased";

/** Sizes are bytes as `entrySize` counts them; `Infinity` stands for no limit. */
export interface RaftConfig {
  readonly id: NodeId;
  /** Ticks without a leader after which a follower campaigns; each time between this and twice this, less one. */
  readonly electionTicks: number;
  /** Ticks between heartbeats of a leader. */
  readonly heartbeatTicks: number;
  readonly storage: Storage;
  /** Last index applied before a restart: nothing up to it is handed out again. 0 for a state machine that is new. */
  readonly applied: number;
  /** Storage is written by threads that get messages, in place of `advance` (see `raw-node.ts`). */
  readonly asyncStorageWrites: boolean;
  /** Bound on the entries of one append; 0 for one entry each. */
  readonly messageBytesMax: number;
  /** Bound on committed entries that were handed out and are not applied yet. */
  readonly applyingBytesMax: number;
  /** Bound on the data of a leader's uncommitted entries: past it, proposals are dropped. */
  readonly uncommittedBytesMax: number;
  /** Bound on appends sent to a follower and not answered. */
  readonly inflightMessagesMax: number;
  /** Bound on the data in these appends; 0 for none. */
  readonly inflightBytesMax: number;
  /** A leader that has not heard of a quorum for an election timeout steps down (thesis 6.2). */
  readonly checkQuorum: boolean;
  /** A candidate first asks whether it could win, so that a member that was cut off disturbs nobody (thesis 9.6). */
  readonly preVote: boolean;
  readonly readOnly: ReadOnlyOption;
  /** Followers drop proposals instead of passing them to the leader. */
  readonly disableProposalForwarding: boolean;
  /** Configuration changes are not checked when proposed; for callers that order and check them themselves. */
  readonly disableConfChangeValidation: boolean;
  /** A leader that is removed, or made a learner, steps down when that is applied (thesis 4.2.2). */
  readonly stepDownOnRemoval: boolean;
  readonly logger: RaftLogger;
  /** The only chance there is: a whole number from 0 to below `limit`, evenly spread. Election timeouts come of it. */
  readonly random: (limit: number) => number;
}

/** @throws InvariantError for a configuration that cannot work: the caller has checked what people may set. */
export function checkConfig(config: RaftConfig): void {
  const { id, electionTicks, heartbeatTicks, messageBytesMax, inflightBytesMax } = config;
  assert(id !== NONE && !isLocalThread(id), () => `${id} cannot be the id of a member`);
  assert(heartbeatTicks > 0, () => `heartbeat ticks must be more than 0, not ${heartbeatTicks}`);
  assert(
    electionTicks > heartbeatTicks,
    () => `election ticks (${electionTicks}) must be more than heartbeat ticks (${heartbeatTicks})`,
  );
  assert(config.applyingBytesMax > 0, () => "the bound on entries being applied must be more than 0");
  assert(
    inflightBytesMax === 0 || inflightBytesMax >= messageBytesMax,
    () => `bytes in flight (${inflightBytesMax}) must allow a whole message (${messageBytesMax})`,
  );
  assert(
    config.readOnly !== "leaseBased" || config.checkQuorum,
    () => "reads by lease need checkQuorum: it is what ends the lease",
  );
}
