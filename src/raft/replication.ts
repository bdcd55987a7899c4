/** How a leader brings its log to the others: appends and snapshots, and the answers to them (paper, 5.3, 7). Pure. */
import { assert } from "../lib/assert.ts";
import { hex } from "./describe.ts";
import { type Message, MessageType, NO_ENTRIES, payloadSize } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { Raft } from "./raft.ts";
import { releaseReads } from "./reads.ts";
import { COMPACTED, UNAVAILABLE } from "./storage.ts";

/**
 * Sends a member what it lacks and the commit index, unless it has to wait.
 * @param evenIfEmpty Whether an append without entries is wanted, which tells the commit index or probes.
 * @returns Whether anything was sent: if so, there may be more to send.
 */
export function sendAppend(raft: Raft, member: Progress, evenIfEmpty: boolean): boolean {
  if (member.isPaused()) return false;
  const { log } = raft;
  const previous = member.next - 1;
  const previousTerm = log.term(previous);
  if (typeof previousTerm === "string") return sendSnapshot(raft, member);

  // With the window full, an append without entries still goes out: were all in the window lost, its refusal tells.
  const isWindowFull = member.state === "replicate" && member.inflights.isFull();
  const entries = isWindowFull ? NO_ENTRIES : log.entries(member.next, raft.config.messageBytesMax);
  if (entries === COMPACTED) return sendSnapshot(raft, member);
  if (entries.length === 0 && !evenIfEmpty) return false;
  raft.send(MessageType.app, member.id, {
    index: previous,
    logTerm: previousTerm,
    entries,
    commit: log.committed,
  });
  member.sentEntries(entries.length, payloadSize(entries));
  member.sentCommitIndex(log.committed);
  return true;
}

/** Sends everybody else what they lack, and the commit index. */
export function broadcastAppend(raft: Raft): void {
  for (const member of raft.tracker.members) {
    if (member.id !== raft.id) sendAppend(raft, member, true);
  }
}

/** Sends everybody else the entries they lack; nothing to those who lack none. */
export function broadcastEntries(raft: Raft): void {
  for (const member of raft.tracker.members) {
    if (member.id !== raft.id) sendAppend(raft, member, false);
  }
}

/** Moves the commit index to what a quorum has of this term (paper, 5.4.2), and tells. @returns Whether it moved. */
export function commitByQuorum(raft: Raft): boolean {
  if (!raft.log.maybeCommit(raft.term, raft.tracker.committed())) return false;
  releaseReads(raft);
  broadcastAppend(raft);
  return true;
}

/** A member answered an append; or this one has stored its own entries. */
export function handleAppendResponse(raft: Raft, member: Progress, m: Message): void {
  member.recentActive = true;
  if (m.reject) {
    handleRejection(raft, member, m);
    return;
  }
  const isNews = member.acknowledge(m.index);
  // A probe that is answered by what we knew already has found its place all the same.
  if (!isNews && !(member.state === "probe" && member.match === m.index)) return;
  switch (member.state) {
    case "probe":
      member.becomeReplicate();
      break;
    case "snapshot":
      // Whatever snapshot it got, by whatever way: the log can take it from here.
      if (member.match + 1 >= raft.log.firstIndex()) {
        raft.logger.debug(
          () =>
            `${hex(raft.id)} recovered from needing snapshot, resumed sending replication messages to ` +
            `${hex(m.from)} [${member.describe()}]`,
        );
        member.becomeProbe();
        member.becomeReplicate();
      }
      break;
    case "replicate":
      member.inflights.freeUpTo(m.index);
      break;
  }
  const hasCommitted = commitByQuorum(raft);
  if (m.from === raft.id) return;
  // The next heartbeat would tell the commit index too; this is sooner.
  if (!hasCommitted && member.canBumpCommit(raft.log.committed)) sendAppend(raft, member, true);
  // The answer may have opened the window for more than one message.
  while (sendAppend(raft, member, false)) {}
  if (m.from === raft.transferee && member.match === raft.log.lastIndex()) {
    raft.logger.info(() => `${hex(raft.id)} sent MsgTimeoutNow to ${hex(m.from)} after received MsgAppResp`);
    raft.send(MessageType.timeoutNow, m.from);
  }
}

/**
 * The member's log does not match at `index`. It hints at the end of what may match; if that entry's term is not
 * known here, nothing of ours with a later term can match either, so that a whole term is skipped in one round
 * (paper, 5.3, end).
 */
function handleRejection(raft: Raft, member: Progress, m: Message): void {
  raft.logger.debug(
    () =>
      `${hex(raft.id)} received MsgAppResp(rejected, hint: (index ${m.rejectHint}, term ${m.logTerm})) from ` +
      `${hex(m.from)} for index ${m.index}`,
  );
  // Members of etcd 3.4 hint at their last index only, without its term.
  const hint = m.logTerm > 0 ? raft.log.findConflictByTerm(m.rejectHint, m.logTerm).index : m.rejectHint;
  if (!member.reject(m.index, hint)) return;
  raft.logger.debug(() => `${hex(raft.id)} decreased progress of ${hex(m.from)} to [${member.describe()}]`);
  if (member.state === "replicate") member.becomeProbe();
  sendAppend(raft, member, true);
}

/** What a member needs is compacted: sends the snapshot in its place. @returns Whether it was sent. */
function sendSnapshot(raft: Raft, member: Progress): boolean {
  const { log } = raft;
  if (!member.recentActive) {
    raft.logger.debug(() => `ignore sending snapshot to ${hex(member.id)} since it is not recently active`);
    return false;
  }
  const snapshot = log.snapshot();
  if (snapshot === UNAVAILABLE) {
    raft.logger.debug(
      () =>
        `${hex(raft.id)} failed to send snapshot to ${hex(member.id)} because snapshot is temporarily unavailable`,
    );
    return false;
  }
  const { index, term } = snapshot;
  assert(index > 0, () => `entry ${member.next} is compacted, but there is no snapshot`);
  raft.logger.debug(
    () =>
      `${hex(raft.id)} [firstindex: ${log.firstIndex()}, commit: ${log.committed}] sent snapshot[index: ${index}, ` +
      `term: ${term}] to ${hex(member.id)} [${member.describe()}]`,
  );
  member.becomeSnapshot(index);
  raft.logger.debug(
    () => `${hex(raft.id)} paused sending replication messages to ${hex(member.id)} [${member.describe()}]`,
  );
  raft.send(MessageType.snap, member.id, { snapshot });
  return true;
}
