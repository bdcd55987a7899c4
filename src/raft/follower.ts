/** What a follower makes of a message (paper, 5.2, 5.3 and 7). Pure. */
import { must } from "../lib/assert.ts";
import { hex } from "./describe.ts";
import { hup } from "./election.ts";
import { type Message, MessageType, NONE } from "./message.ts";
import type { Raft, StepResult } from "./raft.ts";

export function stepFollower(raft: Raft, m: Message): StepResult {
  switch (m.type) {
    case MessageType.prop:
      return forwardProposal(raft, m);
    case MessageType.app:
      hearLeader(raft, m);
      handleAppend(raft, m);
      return "accepted";
    case MessageType.heartbeat:
      hearLeader(raft, m);
      raft.log.commitTo(m.commit);
      raft.send(MessageType.heartbeatResp, m.from, { context: m.context });
      return "accepted";
    case MessageType.snap:
      hearLeader(raft, m);
      handleSnapshot(raft, m);
      return "accepted";
    case MessageType.transferLeader:
      forward(raft, m, "leader transfer msg");
      return "accepted";
    case MessageType.readIndex:
      forward(raft, m, "index reading msg");
      return "accepted";
    case MessageType.readIndexResp:
      takeReadIndex(raft, m);
      return "accepted";
    case MessageType.forgetLeader:
      forgetLeader(raft);
      return "accepted";
    case MessageType.timeoutNow:
      raft.logger.info(
        () =>
          `${hex(raft.id)} [term ${raft.term}] received MsgTimeoutNow from ${hex(m.from)} and starts an election to ` +
          "get leadership.",
      );
      hup(raft, "transfer");
      return "accepted";
    default:
      return "accepted";
  }
}

function hearLeader(raft: Raft, m: Message): void {
  raft.electionElapsed = 0;
  raft.leader = m.from;
}

function forwardProposal(raft: Raft, m: Message): StepResult {
  if (raft.leader === NONE) {
    raft.logger.info(() => `${hex(raft.id)} no leader at term ${raft.term}; dropping proposal`);
    return "dropped";
  }
  if (raft.config.disableProposalForwarding) {
    raft.logger.info(
      () =>
        `${hex(raft.id)} not forwarding to leader ${hex(raft.leader)} at term ${raft.term}; dropping proposal`,
    );
    return "dropped";
  }
  raft.forwardToLeader(m);
  return "accepted";
}

function forward(raft: Raft, m: Message, what: string): void {
  if (raft.leader === NONE) {
    raft.logger.info(() => `${hex(raft.id)} no leader at term ${raft.term}; dropping ${what}`);
    return;
  }
  raft.forwardToLeader(m);
}

function handleAppend(raft: Raft, m: Message): void {
  const { log } = raft;
  if (m.index < log.committed) {
    // An old message: what is committed here needs no proof, and must not be looked at again.
    raft.acknowledge(m.from, { index: log.committed });
    return;
  }
  const last = log.maybeAppend(m.logTerm, m.index, m.entries, m.commit);
  if (last !== undefined) {
    raft.acknowledge(m.from, { index: last });
    return;
  }
  raft.logger.debug(
    () =>
      `${hex(raft.id)} [logterm: ${log.termOrZero(m.index)}, index: ${m.index}] rejected MsgApp ` +
      `[logterm: ${m.logTerm}, index: ${m.index}] from ${hex(m.from)}`,
  );
  // The hint skips all of our entries whose terms are past the leader's at that place: none of them can match.
  const hint = log.findConflictByTerm(Math.min(m.index, log.lastIndex()), m.logTerm);
  raft.acknowledge(m.from, {
    index: m.index,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  });
}

function handleSnapshot(raft: Raft, m: Message): void {
  const snapshot = must(m.snapshot, () => `a MsgSnap of ${m.from} without its snapshot`);
  const { index, term } = snapshot;
  const restored = raft.restoreSnapshot(snapshot);
  raft.logger.info(
    () =>
      `${hex(raft.id)} [commit: ${raft.log.committed}] ${restored ? "restored" : "ignored"} snapshot ` +
      `[index: ${index}, term: ${term}]`,
  );
  raft.acknowledge(m.from, { index: restored ? raft.log.lastIndex() : raft.log.committed });
}

function takeReadIndex(raft: Raft, m: Message): void {
  const [request] = m.entries;
  if (request === undefined || m.entries.length !== 1) {
    raft.logger.error(
      () =>
        `${hex(raft.id)} invalid format of MsgReadIndexResp from ${hex(m.from)}, entries count: ${m.entries.length}`,
    );
    return;
  }
  raft.readStates.push({ index: m.index, context: request.data });
}

/** For a caller that knows that the leader is gone: the next election need not wait for its lease. */
function forgetLeader(raft: Raft): void {
  if (raft.config.readOnly === "leaseBased") {
    raft.logger.error(() => "ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
    return;
  }
  if (raft.leader === NONE) return;
  raft.logger.info(() => `${hex(raft.id)} forgetting leader ${hex(raft.leader)} at term ${raft.term}`);
  raft.leader = NONE;
}
