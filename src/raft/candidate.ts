/** What a candidate or pre-candidate makes of a message (paper, 5.2). Pure. */
import { unreachable } from "../lib/assert.ts";
import { hex, messageTypeName, roleName } from "./describe.ts";
import { campaign } from "./election.ts";
import { stepFollower } from "./follower.ts";
import { type Message, MessageType, NONE } from "./message.ts";
import type { Raft, StepResult } from "./raft.ts";
import { broadcastAppend } from "./replication.ts";

export function stepCandidate(raft: Raft, m: Message): StepResult {
  switch (m.type) {
    case MessageType.prop:
      raft.logger.info(() => `${hex(raft.id)} no leader at term ${raft.term}; dropping proposal`);
      return "dropped";
    case MessageType.app:
    case MessageType.heartbeat:
    case MessageType.snap:
      // Somebody else has won this term.
      raft.becomeFollower(m.term, m.from);
      return stepFollower(raft, m);
    case MessageType.voteResp:
      if (raft.role === "candidate") countVote(raft, m);
      return "accepted";
    case MessageType.preVoteResp:
      // As a candidate, we may still get answers to our own pre-candidacy.
      if (raft.role === "preCandidate") countVote(raft, m);
      return "accepted";
    case MessageType.timeoutNow:
      raft.logger.debug(
        () =>
          `${hex(raft.id)} [term ${raft.term} state ${roleName(raft.role)}] ignored MsgTimeoutNow from ${hex(m.from)}`,
      );
      return "accepted";
    default:
      return "accepted";
  }
}

function countVote(raft: Raft, m: Message): void {
  const name = messageTypeName(m.type);
  const rejection = m.reject ? " rejection" : "";
  raft.logger.info(
    () => `${hex(raft.id)} received ${name}${rejection} from ${hex(m.from)} at term ${raft.term}`,
  );
  raft.tracker.recordVote(m.from, !m.reject);
  const { granted, rejected, result } = raft.tracker.tallyVotes();
  raft.logger.info(
    () => `${hex(raft.id)} has received ${granted} ${name} votes and ${rejected} vote rejections`,
  );
  switch (result) {
    case "won":
      if (raft.role === "preCandidate") {
        campaign(raft, "election");
      } else {
        raft.becomeLeader();
        broadcastAppend(raft);
      }
      return;
    case "lost":
      raft.becomeFollower(raft.term, NONE);
      return;
    case "pending":
      return;
    default:
      unreachable(result);
  }
}
