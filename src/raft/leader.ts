/** What a leader makes of a message (paper, 5.3, 5.4 and 8; thesis 3.10, 4, 6). Pure. */
import { assert } from "../lib/assert.ts";
import { RefusedError } from "../lib/errors.ts";
import { asV2, type ConfChange, describeConfChange, isJoint } from "./conf.ts";
import { confChangeIn } from "./conf-entry.ts";
import { hex } from "./describe.ts";
import { broadcastHeartbeat } from "./heartbeat.ts";
import { type Entry, EntryType, type Message, MessageType, NO_BYTES, NONE, payloadSize } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { Raft, StepResult } from "./raft.ts";
import { confirmReads, readIndex } from "./reads.ts";
import { broadcastAppend, handleAppendResponse, sendAppend } from "./replication.ts";

export function stepLeader(raft: Raft, m: Message): StepResult {
  switch (m.type) {
    case MessageType.beat:
      broadcastHeartbeat(raft);
      return "accepted";
    case MessageType.checkQuorum:
      checkQuorum(raft);
      return "accepted";
    case MessageType.prop:
      return propose(raft, m);
    case MessageType.readIndex:
      readIndex(raft, m);
      return "accepted";
    case MessageType.forgetLeader:
      return "accepted";
    default:
      stepFromMember(raft, m);
      return "accepted";
  }
}

/**
 * Gives entries their term and index and appends them. Our own acknowledgement waits until they are durable, like
 * everybody's.
 * @returns False if too much is uncommitted already: nothing was appended.
 */
export function appendAsLeader(raft: Raft, proposals: readonly Entry[]): boolean {
  const bytes = payloadSize(proposals);
  // One proposal of any size is taken where nothing waits; one without data is always.
  if (
    raft.uncommittedBytes > 0 &&
    bytes > 0 &&
    raft.uncommittedBytes + bytes > raft.config.uncommittedBytesMax
  ) {
    raft.logger.warn(
      () =>
        `${hex(raft.id)} appending new entries to log would exceed uncommitted entry size limit; dropping proposal`,
    );
    return false;
  }
  raft.uncommittedBytes += bytes;
  const { term } = raft;
  const first = raft.log.lastIndex() + 1;
  const entries: Entry[] = proposals.map(({ type, data }, at) => ({ type, term, index: first + at, data }));
  raft.acknowledge(raft.id, { index: raft.log.append(entries) });
  return true;
}

function propose(raft: Raft, m: Message): StepResult {
  assert(m.entries.length > 0, () => `${raft.id} was given a proposal without entries`);
  // Removed, and leading only until the others have heard of it.
  if (raft.tracker.progress(raft.id) === undefined) return "dropped";
  if (raft.transferee !== NONE) {
    raft.logger.debug(
      () =>
        `${hex(raft.id)} [term ${raft.term}] transfer leadership to ${hex(raft.transferee)} is in progress; ` +
        "dropping proposal",
    );
    return "dropped";
  }
  const entries = checkConfChanges(raft, m.entries);
  if (entries === undefined || !appendAsLeader(raft, entries)) return "dropped";
  broadcastAppend(raft);
  return "accepted";
}

/**
 * Lets configuration changes pass one at a time: those that may not pass become entries without meaning, so that the
 * other entries beside them, and their indexes, stay as they are.
 * @returns undefined if there is one that cannot be read: followers would stop at it.
 */
function checkConfChanges(raft: Raft, entries: readonly Entry[]): readonly Entry[] | undefined {
  if (entries.every((entry) => entry.type === EntryType.normal)) return entries;
  const first = raft.log.lastIndex() + 1;
  const checked: Entry[] = [];
  for (const entry of entries) {
    if (entry.type === EntryType.normal) {
      checked.push(entry);
      continue;
    }
    const change = readConfChange(raft, entry);
    if (change === undefined) return undefined;
    const failure = raft.config.disableConfChangeValidation ? undefined : objection(raft, change);
    if (failure === undefined) {
      raft.pendingConfIndex = first + checked.length;
      checked.push(entry);
    } else {
      raft.logger.info(
        () =>
          `${hex(raft.id)} ignoring conf change ${describeConfChange(change)} at config ` +
          `${raft.tracker.describeConfig()}: ${failure}`,
      );
      checked.push({ type: EntryType.normal, term: 0, index: 0, data: NO_BYTES });
    }
  }
  return checked;
}

function readConfChange(raft: Raft, entry: Entry): ConfChange | undefined {
  try {
    return confChangeIn(entry);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    raft.logger.warn(() => `${hex(raft.id)} dropping a proposal: ${error.message}`);
    return undefined;
  }
}

/** Why a configuration change may not enter the log now. */
function objection(raft: Raft, change: ConfChange): string | undefined {
  const { applied } = raft.log;
  const inJoint = isJoint(raft.tracker.config);
  const leaves = asV2(change).changes.length === 0;
  if (raft.pendingConfIndex > applied) {
    return `possible unapplied conf change at index ${raft.pendingConfIndex} (applied to ${applied})`;
  }
  if (inJoint && !leaves) return "must transition out of joint config first";
  if (!inJoint && leaves) return "not in joint state; refusing empty conf change";
  return undefined;
}

/** Steps down if no quorum was heard of since the last time (thesis 6.2). */
function checkQuorum(raft: Raft): void {
  if (!raft.tracker.isQuorumActive()) {
    raft.logger.warn(() => `${hex(raft.id)} stepped down to follower since quorum is not active`);
    raft.becomeFollower(raft.term, NONE);
  }
  for (const member of raft.tracker.members) {
    if (member.id !== raft.id) member.recentActive = false;
  }
}

/** Messages that mean something only from a member of the configuration. */
function stepFromMember(raft: Raft, m: Message): void {
  const member = raft.tracker.progress(m.from);
  if (member === undefined) {
    raft.logger.debug(() => `${hex(raft.id)} no progress available for ${hex(m.from)}`);
    return;
  }
  switch (m.type) {
    case MessageType.appResp:
      handleAppendResponse(raft, member, m);
      break;
    case MessageType.heartbeatResp:
      handleHeartbeatResponse(raft, member, m);
      break;
    case MessageType.snapStatus:
      handleSnapshotStatus(raft, member, m);
      break;
    case MessageType.unreachable:
      // What is in flight was probably lost.
      if (member.state === "replicate") member.becomeProbe();
      raft.logger.debug(
        () =>
          `${hex(raft.id)} failed to send message to ${hex(m.from)} because it is unreachable [${member.describe()}]`,
      );
      break;
    case MessageType.transferLeader:
      transferLeader(raft, member);
      break;
    default:
      break;
  }
}

function handleHeartbeatResponse(raft: Raft, member: Progress, m: Message): void {
  member.recentActive = true;
  member.flowPaused = false;
  // Whoever lacks entries gets an append, even where its window is full: all in the window may be lost. Whoever is
  // only probed gets one too, to leave that state.
  if (member.match < raft.log.lastIndex() || member.state === "probe") sendAppend(raft, member, true);
  confirmReads(raft, m);
}

function handleSnapshotStatus(raft: Raft, member: Progress, m: Message): void {
  if (member.state !== "snapshot") return;
  // A snapshot that failed was not applied: probing must not start behind it.
  if (m.reject) member.pendingSnapshot = 0;
  member.becomeProbe();
  raft.logger.debug(
    () =>
      `${hex(raft.id)} snapshot ${m.reject ? "failed" : "succeeded"}, resumed sending replication messages to ` +
      `${hex(m.from)} [${member.describe()}]`,
  );
  // Sent: its acknowledgement is on the way. Failed: not again before the next heartbeat is answered.
  member.flowPaused = true;
}

/** Hands over to a member, once it has the whole log (thesis 3.10). */
function transferLeader(raft: Raft, member: Progress): void {
  const { id } = member;
  if (member.isLearner) {
    raft.logger.debug(() => `${hex(raft.id)} is learner. Ignored transferring leadership`);
    return;
  }
  const previous = raft.transferee;
  if (previous === id) {
    raft.logger.info(
      () =>
        `${hex(raft.id)} [term ${raft.term}] transfer leadership to ${hex(id)} is in progress, ignores request to ` +
        `same node ${hex(id)}`,
    );
    return;
  }
  if (previous !== NONE) {
    raft.transferee = NONE;
    raft.logger.info(
      () => `${hex(raft.id)} [term ${raft.term}] abort previous transferring leadership to ${hex(previous)}`,
    );
  }
  if (id === raft.id) {
    raft.logger.debug(() => `${hex(raft.id)} is already leader. Ignored transferring leadership to self`);
    return;
  }
  raft.logger.info(() => `${hex(raft.id)} [term ${raft.term}] starts to transfer leadership to ${hex(id)}`);
  // It has one election timeout, from now.
  raft.electionElapsed = 0;
  raft.transferee = id;
  if (member.match === raft.log.lastIndex()) {
    raft.send(MessageType.timeoutNow, id);
    raft.logger.info(
      () =>
        `${hex(raft.id)} sends MsgTimeoutNow to ${hex(id)} immediately as ${hex(id)} already has up-to-date log`,
    );
  } else {
    sendAppend(raft, member, true);
  }
}
